from __future__ import annotations

import numpy as np
import pytest

import vmf
from vmf.embeddings.opening import open_files
from vmf.errors import EmbeddingError
from vmf.estimation import fit
from vmf.jobs.fit import fit_files
from vmf.passes.engine import Reading

RNG = np.random.default_rng(0)
MU = np.array([0.6, 0.0, 0.8, 0.0])
ROWS = vmf.VonMisesFisher(MU, 20.0).sample(500, RNG)


@pytest.fixture
def save(tmp_path):
    def save(name: str, rows: object, dtype: object = None):
        np.save(tmp_path / name, np.asarray(rows, dtype))
        return tmp_path / name

    return save


def test_the_fit_of_a_file_is_the_fit_of_its_rows(save):
    model = fit_files([save("x.npy", ROWS)])
    expected = fit(vmf.SufficientStatistics.from_rows(ROWS))
    assert model.classes == (None,)
    np.testing.assert_array_equal(model.mean_direction[0], expected.mean_direction)
    assert model.concentration[0] == expected.concentration
    assert model.standard_error[0] == expected.concentration_standard_error
    assert model.statistics[0].count == 500
    assert (model.estimator, model.sources) == ("unbiased", ("x.npy",))
    assert model.toolkit_version == vmf.__version__


def test_chunks_of_any_size_give_the_same_fit(save):
    path = save("x.npy", ROWS)
    whole = fit_files([path])
    for size, number in ((1, 500), (1000, 17), (7777, 3)):
        calls = []
        parts = fit_files(
            [path],
            reading=Reading(chunk_bytes=size),
            progress=lambda *call, calls=calls: calls.append(call),
        )
        assert len(calls) == number
        np.testing.assert_allclose(parts.concentration, whole.concentration, rtol=1e-14)
        np.testing.assert_allclose(parts.mean_direction, whole.mean_direction, rtol=1e-14)


def test_rows_of_several_files_are_taken_together(save):
    parts = [save("a.npy", ROWS[:123]), save("b.npy", ROWS[123:])]
    model, whole = fit_files(parts), fit_files([save("x.npy", ROWS)])
    np.testing.assert_allclose(model.concentration, whole.concentration, rtol=1e-14)
    assert model.statistics[0].count == 500
    assert model.sources == ("a.npy", "b.npy")


def test_lengths_do_not_matter_and_are_reported(save):
    lengths = RNG.uniform(0.5, 2.0, (500, 1))
    model, whole = fit_files([save("y.npy", ROWS * lengths)]), fit_files([save("x.npy", ROWS)])
    np.testing.assert_allclose(model.concentration, whole.concentration, rtol=1e-13)
    assert model.statistics[0].normalised == 500
    assert whole.statistics[0].normalised == 0


def test_one_distribution_a_class(save, tmp_path):
    labels = np.array([10, 9])[RNG.integers(0, 2, 500)]
    path = save("x.npy", ROWS)
    model = fit_files([path], labels=[save("y.npy", labels)], estimator="unbiased")
    assert model.classes == ("9", "10")
    for k, label in enumerate((9, 10)):
        alone = fit_files([save("z.npy", ROWS[labels == label])], estimator="unbiased")
        np.testing.assert_allclose(model.concentration[k], alone.concentration[0], rtol=1e-13)
        assert model.statistics[k].count == (labels == label).sum()


def test_labels_for_all_files_or_for_each(save):
    labels = RNG.integers(0, 3, 500)
    files = [save("a.npy", ROWS[:200]), save("b.npy", ROWS[200:])]
    together = fit_files(files, labels=[save("y.npy", labels)])
    each = fit_files(files, labels=[save("ya.npy", labels[:200]), save("yb.npy", labels[200:])])
    np.testing.assert_array_equal(each.concentration, together.concentration)
    with pytest.raises(EmbeddingError, match="3 label files for 2 embedding files"):
        fit_files(files, labels=[save("y.npy", labels)] * 3)


def test_wrong_numbers_of_labels_name_both_counts(save):
    path = save("x.npy", ROWS)
    with pytest.raises(EmbeddingError, match=r"y.npy: has 499 labels, but .*x.npy has 500 rows"):
        fit_files([path], labels=[save("y.npy", np.arange(499))])
    with pytest.raises(EmbeddingError, match=r"has 2 labels, but .*x.npy, .*z.npy have 510 rows"):
        fit_files([path, save("z.npy", ROWS[:10])], labels=[save("y.npy", np.arange(2))])


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (7, 2, np.nan, "row 7, column 2: the value is nan; correct or remove"),
        (499, 0, -np.inf, "row 499, column 0: the value is -inf"),
        (300, slice(None), 0.0, "row 300: all values are zero"),
    ],
)
@pytest.mark.parametrize("labelled", [False, True])
def test_bad_rows_are_named_or_skipped_and_counted(save, row, column, value, message, labelled):
    rows = ROWS.copy()
    rows[row, column] = value
    first, second = save("a.npy", ROWS[:5]), save("b.npy", rows)
    labels = [save("y.npy", np.arange(505) % 2)] if labelled else []
    with pytest.raises(EmbeddingError, match=message) as caught:
        fit_files([first, second], labels=labels)
    assert str(caught.value).startswith(str(second))
    model = fit_files([first, second], labels=labels, reading=Reading(on_bad_rows="skip"))
    assert sum(s.skipped for s in model.statistics) == 1
    assert sum(s.count for s in model.statistics) == 504


def test_a_bad_row_of_a_table_is_named_by_its_line(tmp_path):
    (tmp_path / "x.csv").write_text("a,b,c\n1,2,3\n4,,6\n7,8,9\n")
    with pytest.raises(EmbeddingError, match=r"row 1 \(line 3\), column 'b': the value is nan"):
        fit_files([tmp_path / "x.csv"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:1], "holds one single usable row, .* at least 2 rows, or use estimator='map'"),
        (np.tile(ROWS[:1], (9, 1)), r"all 9 rows point in the same direction \(R = 1\)"),
        (np.outer(np.arange(1.0, 9.0), ROWS[0]), r"point in the same direction \(R = 1\)"),
        (np.vstack([ROWS[:9], -ROWS[:9]]), r"the 18 rows cancel \(R = 0\)"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_data_without_a_fit_are_refused(save, rows, message, dtype):
    with pytest.raises(EmbeddingError, match=message):
        fit_files([save("x.npy", rows, dtype)])


def test_rows_that_cancel_but_for_rounding_are_refused(save):
    angles = np.arange(6) * np.pi / 3
    hexagon = np.column_stack([np.cos(angles), np.sin(angles)])
    assert np.abs(hexagon.sum(axis=0)).max() > 0
    with pytest.raises(EmbeddingError, match=r"the 6 rows cancel \(R = 0\)"):
        fit_files([save("x.npy", hexagon)])


def test_concentrated_rows_are_not_taken_for_equal_ones(save):
    kappa = 1e9
    rows = vmf.VonMisesFisher(MU, kappa).sample(2000, RNG)
    model = fit_files([save("x.npy", rows, np.float32)])
    assert model.concentration[0] == pytest.approx(kappa, rel=0.1)


def test_a_prior_fits_what_data_alone_cannot(save):
    for rows in (ROWS[:1], np.tile(ROWS[:1], (9, 1))):
        model = fit_files([save("x.npy", rows)], estimator="map")
        assert np.isfinite(model.concentration[0])
        np.testing.assert_allclose(model.mean_direction[0], ROWS[0], rtol=1e-12)


def test_a_class_of_one_row_is_named(save):
    labels = np.zeros(500, int)
    labels[17] = 5
    with pytest.raises(EmbeddingError, match="class '5': holds one single usable row"):
        fit_files([save("x.npy", ROWS)], labels=[save("y.npy", labels)])


def test_no_usable_rows(save):
    with pytest.raises(EmbeddingError, match=r"holds no usable rows \(3 were skipped\)"):
        fit_files([save("x.npy", np.zeros((3, 2)))], reading=Reading(on_bad_rows="skip"))


def test_files_that_do_not_belong_together(save, tmp_path):
    path = save("x.npy", ROWS)
    with pytest.raises(EmbeddingError, match=r"y.npy: has dimension 3, but .*x.npy has 4"):
        fit_files([path, save("y.npy", ROWS[:, :3])])
    with pytest.raises(EmbeddingError, match="is given twice; its rows would count double"):
        fit_files([path, path])
    (tmp_path / "link.npy").symlink_to(path)
    with pytest.raises(EmbeddingError, match="is given twice"):
        fit_files([path, tmp_path / "link.npy"])
    with pytest.raises(EmbeddingError, match="no embedding file was given"):
        open_files([])


def test_progress_counts_rows_to_the_end(save):
    calls = []
    fit_files(
        [save("a.npy", ROWS[:100]), save("b.npy", ROWS)],
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(100, 600), (600, 600)]
