from __future__ import annotations

import os

import pytest

from vmf.errors import EmbeddingError
from vmf.output import atomic_folder, atomic_output, check_output


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "out.csv"
    with atomic_output(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(error), atomic_output(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_permissions_are_the_usual_ones(tmp_path):
    with atomic_output(tmp_path / "a") as temporary:
        temporary.write_text("x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("output", [atomic_output, atomic_folder])
def test_what_is_replaced_keeps_its_permissions(tmp_path, output):
    target = tmp_path / "x"
    if output is atomic_folder:
        target.mkdir(0o750)
    else:
        target.touch(0o640)
    before = target.stat().st_mode
    with output(target) as temporary:
        assert temporary.exists()
    assert target.stat().st_mode == before


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    with atomic_output(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_text() == "new"


def test_outputs_that_cannot_work_are_refused(tmp_path):
    (tmp_path / "in.npy").write_text("x")
    (tmp_path / "link.npy").symlink_to(tmp_path / "in.npy")
    with pytest.raises(EmbeddingError, match=r"the folder .*missing does not exist; create it"):
        check_output(tmp_path / "missing" / "x.csv")
    with pytest.raises(EmbeddingError, match="is a folder"):
        check_output(tmp_path)
    with pytest.raises(EmbeddingError, match="is not a regular file"):
        check_output(os.devnull)
    with pytest.raises(EmbeddingError, match="is also an input"):
        check_output(tmp_path / "in.npy", [tmp_path / "other.npy", tmp_path / "in.npy"])
    with pytest.raises(EmbeddingError, match="is also an input"):
        check_output(tmp_path / "link.npy", [tmp_path / "in.npy"])
    with pytest.raises(EmbeddingError, match=r"has '.json'; the output is one of .csv, .npy"):
        check_output(tmp_path / "x.json", extensions=[".csv", ".npy"])
    with pytest.raises(EmbeddingError, match="has no ending"):
        check_output(tmp_path / "x", extensions=[".csv"])
    check_output(tmp_path / "x.CSV", [tmp_path / "in.npy"], [".csv"])


def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(EmbeddingError, match="is not writable"):
            check_output(tmp_path / "x.csv")
    finally:
        tmp_path.chmod(0o700)
