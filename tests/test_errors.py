"""Messages name the arguments of calls; the command line tells them with its options."""

from __future__ import annotations

import ast
import json
import pickle
import re
import tokenize
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import vmf
from vmf import errors
from vmf.cli import app
from vmf.cli.options import as_option
from vmf.distribution.merging import merge_models
from vmf.distribution.model import load_model, save_model
from vmf.distribution.summary import cautions, summarize
from vmf.embeddings import open_embeddings
from vmf.embeddings.scale import read_scale
from vmf.errors import Argument, BadRowError, EmbeddingError, Note, Told, VMFError
from vmf.jobs.fit import fit_files, fit_to_file
from vmf.jobs.mixture import fit_mixture_to_file
from vmf.jobs.score import score_to_file
from vmf.passes.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from vmf.passes.engine import Reading

PACKAGE = Path(vmf.__file__).parent

# Places that still name options.

NOT_OURS = {
    ("arrays/gpu.py", "--std"),
    *(("experiments/accuracy.py", one) for one in ("--seed", "--json")),
}
"""What other programs are told: NVRTC which C++ it compiles, `python -m vmf.experiments.accuracy` what it prints."""

OPTION = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")


def options() -> set[str]:
    """Every option of every command."""

    def of(command) -> Iterator[str]:
        yield from command.context_settings.get("help_option_names", ())
        for parameter in command.params:
            yield from (*parameter.opts, *parameter.secondary_opts)
        for one in getattr(command, "commands", {}).values():
            yield from of(one)

    return {name for name in of(typer.main.get_command(app)) if name.startswith("--")}


def sources(*, without: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(without):
            yield name, path


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Strings, docstrings included, and comments of a module, each with its first line."""
    kinds = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", None))
    with tokenize.open(path) as stream:
        for token in tokenize.generate_tokens(stream.readline):
            if token.type in kinds:
                yield token.start[0], token.string


def family() -> list[type[Told]]:
    """Every class of the family."""

    def below(one: type[Told]) -> Iterator[type[Told]]:
        yield one
        for other in one.__subclasses__():
            yield from below(other)

    return [one for one in dict.fromkeys(below(Told)) if one.__module__ == errors.__name__]


# ------------------------------------------------------------------------------- who names what


def test_the_options_are_found():
    assert {"--column", "--on-bad-rows", "--no-check", "--class", "--set", "--help"} <= options()
    assert len(options()) > 60


def test_only_the_command_line_names_its_options():
    known = options()
    named = [
        f"vmf/{name}:{line + text.count(chr(10), 0, found.start())}: {found[0]}"
        for name, path in sources(without=("cli/",))
        for line, text in texts(path)
        for found in OPTION.finditer(text)
        if found[0] in known and (name, found[0]) not in NOT_OURS
    ]
    assert not named, "\n".join(named)


def test_every_argument_in_a_message_has_an_option():
    """Else the command line would give advice that nobody can follow."""
    known = options()
    # `jobs.mixture` calls these arguments of VMFMixture otherwise.
    known |= {"--n-components", "--max-iter", "--tol"}
    found = 0
    for name, path in sources(without=("errors.py", "cli/")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Argument"):
                continue
            argument, *value = (getattr(one, "value", None) for one in node.args)
            flag = value[0] if value and isinstance(value[0], bool) else None
            option = as_option(Argument(argument, flag))
            assert option in known, f"vmf/{name}:{node.lineno}: {option}"
            found += 1
    assert found > 30


def test_every_exception_is_in_one_module():
    for name, path in sources(without=()):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and name != "errors.py" and node.name[0] != "_":
                bases = [ast.unparse(base) for base in node.bases]
                assert not any(base.endswith(("Error", "Exception")) for base in bases), (
                    f"vmf/{name}:{node.lineno}: {node.name}"
                )


# ----------------------------------------------------------------------------- the same two ways


@pytest.mark.parametrize(
    ("argument", "python", "command_line"),
    [
        (Argument("column", "NAME"), "column=NAME", "--column NAME"),
        (Argument("on_bad_rows", "skip"), "on_bad_rows='skip'", "--on-bad-rows skip"),
        (Argument("estimator"), "estimator", "--estimator"),
        (Argument("resume", True), "resume=True", "--resume"),
        (Argument("check", False), "check=False", "--no-check"),
        (Argument("address"), "address", "--cluster"),
        (Argument("facts['stride_on']", "3x3"), "facts['stride_on']='3x3'", "--stride-on 3x3"),
    ],
)
def test_arguments(argument, python, command_line):
    assert str(argument) == python
    assert as_option(argument) == command_line


@pytest.mark.parametrize("kind", family(), ids=lambda kind: kind.__name__)
def test_every_error_travels_whole(kind):
    if issubclass(kind, BadRowError):
        error = kind(3, 1, "the value is nan")
    elif issubclass(kind, EmbeddingError):
        error = kind("a  'file'.npy", "is odd; ", Argument("memory", "SIZE"), " may do")
    else:
        error = kind("is odd; ", Argument("on_bad_rows", "skip"), " may do")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(error, protocol))
        assert type(back) is kind
        assert back.parts == error.parts
        assert vars(back) == vars(error)
        assert str(back) == str(error) == error.told(str)
        assert back.told(as_option) == error.told(as_option)
    if kind is not errors.BadDirectionError:
        assert str(error) != error.told(as_option)
    assert "\n" not in str(error)


def test_the_path_of_an_error_is_kept():
    error = errors.MemoryBudgetError(Path("x.npy"), "is large; more ", Argument("memory"))
    back = pickle.loads(pickle.dumps(error))
    assert (back.path, back.problem) == ("x.npy", error.problem)
    assert str(back) == "x.npy: is large; more memory"


def test_notes():
    note = Note("do without, or use ", Argument("estimator", "map"), ".\n")
    plain = Note("nothing to   add")
    assert note == "do without, or use estimator='map'."
    assert note.told(as_option) == "do without, or use --estimator map."
    assert plain == plain.told(as_option) == "nothing to add"
    for one in (note, plain):
        copies = (
            pickle.loads(pickle.dumps(one)),
            deepcopy(one),
            Note.from_json(json.loads(json.dumps(one.as_json()))),
            Note.of(one),
        )
        for copy in copies:
            assert copy == one
            assert copy.told(as_option) == one.told(as_option)
    assert plain.as_json() == "nothing to add"
    assert Note.of("text").parts == ("text",)


@pytest.mark.parametrize(
    "found", [None, 3, [], [3], [["a"]], [{"argument": "a"}], [{"argument": "a", "value": 1}], {}]
)
def test_what_is_no_note_is_refused(found):
    with pytest.raises(ValueError, match="note"):
        Note.from_json(found)


# ---------------------------------------------------------------------------- through real calls


WORD = "x,y\n" + "1,2\n" * 2000 + "3,word\n"
"""A table with a word too far down to be seen when it is opened."""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, with files of each kind of trouble."""
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(40, 3))
    np.save("x.npy", rows)
    np.save("one.npy", rows[:1])
    np.save("nan.npy", np.where(np.arange(40)[:, None] == 7, np.nan, rows))
    np.savez("two.npz", a=rows, b=rows)
    (tmp_path / "text.csv").write_text("x,y,label\n1,2,cat\n3,4,dog\n")
    (tmp_path / "word.csv").write_text(WORD)
    (tmp_path / "y.csv").write_text("label\n" + "cat\ndog\n" * 20)
    fit_to_file(["x.npy"], "m.safetensors")
    fit_to_file(["x.npy"], "mle.safetensors", estimator="mle")
    fit_to_file(["x.npy"], "c.safetensors", labels=["y.csv"])
    return tmp_path


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def merge(*names: str):
    return merge_models([load_model(name) for name in names], names)


FIT = ("-o", "new.safetensors")


@pytest.mark.parametrize(
    ("call", "command", "python", "command_line"),
    [
        (
            lambda: open_embeddings("two.npz"),
            ("info", "two.npz"),
            "choose one with column=NAME",
            "choose one with --column NAME",
        ),
        (
            lambda: open_embeddings("x.npy", "a"),
            ("info", "x.npy", "--column", "a"),
            "x.npy: column does not apply: a .npy holds one array",
            "x.npy: --column does not apply: a .npy holds one array",
        ),
        (
            lambda: open_embeddings("text.csv"),
            ("info", "text.csv"),
            "for example with column='0:2'",
            "for example with --column 0:2",
        ),
        (
            lambda: fit_files(["word.csv"]),
            ("fit", "word.csv", *FIT),
            "correct it or leave the column out with column",
            "correct it or leave the column out with --column",
        ),
        (
            lambda: fit_files(["nan.npy"]),
            ("fit", "nan.npy", *FIT),
            "row 7, column 0: the value is nan; correct or remove the row, or leave such rows out"
            " with on_bad_rows='skip'",
            "row 7, column 0: the value is nan; correct or remove the row, or leave such rows out"
            " with --on-bad-rows skip",
        ),
        (
            lambda: fit_files(["one.npy"]),
            ("fit", "one.npy", *FIT),
            "fit at least 2 rows, or use estimator='map'",
            "fit at least 2 rows, or use --estimator map",
        ),
        (
            lambda: fit_to_file(["x.npy"], "new.safetensors", resume=True),
            ("fit", "x.npy", *FIT, "--resume"),
            "resume=True needs the file to go on from: checkpoint=FILE",
            "--resume needs the file to go on from: --checkpoint FILE",
        ),
        (
            lambda: fit_to_file(["x.npy"], "new.safetensors", new_classes=True),
            ("fit", "x.npy", *FIT, "--new-classes"),
            "new_classes=True needs the model to add to: update=MODEL",
            "--new-classes needs the model to add to: --update MODEL",
        ),
        (
            lambda: fit_to_file(["x.npy"], "new.safetensors", update="c.safetensors"),
            ("fit", "x.npy", *FIT, "--update", "c.safetensors"),
            "has classes; give the classes of the new rows with labels",
            "has classes; give the classes of the new rows with --labels",
        ),
        (
            lambda: merge("m.safetensors", "c.safetensors"),
            ("merge", "m.safetensors", "c.safetensors", *FIT),
            "m.safetensors: has no classes, but c.safetensors has; fit both with labels",
            "m.safetensors: has no classes, but c.safetensors has; fit both with --labels",
        ),
        (
            lambda: merge("m.safetensors", "mle.safetensors"),
            ("merge", "m.safetensors", "mle.safetensors", *FIT),
            "choose one with estimator",
            "choose one with --estimator",
        ),
        (
            lambda: read_scale("nowhere"),
            ("fit", "x.npy", *FIT, "--scale", "nowhere"),
            "is neither a number nor a file; give scale=NUMBER or scale=FILE",
            "is neither a number nor a file; give --scale NUMBER or --scale FILE",
        ),
        (
            lambda: fit_mixture_to_file(["x.npy"], "new.safetensors", 3, batch=2),
            ("mixture", "x.npy", "-k", 3, "--batch", 2, *FIT),
            "batch is 2; it needs 3 rows or more",
            "--batch is 2; it needs 3 rows or more",
        ),
        (
            lambda: fit_mixture_to_file(["one.npy"], "new.safetensors", 3, estimator="map"),
            ("mixture", "one.npy", "-k", 3, "--estimator", "map", *FIT),
            "one.npy: components is 3, but",
            "one.npy: --components is 3, but",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_are_told_with_arguments_and_with_options(
    folder, call, command, python, command_line
):
    if command[0] == "mixture":
        pytest.importorskip("sklearn")
    with pytest.raises(VMFError) as caught:
        call()
    told = run(*command, code=2).stderr.strip().removeprefix("vmf: error: ")
    assert str(caught.value).endswith(python) or python.endswith("but")
    assert python in str(caught.value)
    assert command_line in told
    assert told == caught.value.told(as_option)


def test_an_error_of_a_cluster(folder):
    pytest.importorskip("distributed")
    from vmf.cluster import open_client

    with pytest.raises(EmbeddingError) as caught, open_client("nonsense"):
        pass
    assert str(caught.value).startswith("address 'nonsense' is no address of a scheduler")
    told = run("fit", "x.npy", *FIT, "--cluster", "nonsense", code=2).stderr
    assert told.startswith("vmf: error: --cluster 'nonsense' is no address of a scheduler")


def test_an_extraction_that_is_there(folder):
    pytest.importorskip("torch")
    from vmf.features import extract

    with pytest.raises(EmbeddingError) as caught:
        extract("images", "x.npy")
    ending = "exists; write to another file or replace it with "
    assert str(caught.value).endswith(f"x.npy: {ending}overwrite=True")
    told = run("extract", "images", "-o", "x.npy", code=2).stderr
    assert told.endswith(f"x.npy: {ending}--overwrite\n")


def test_cautions(folder):
    np.save("wide.npy", vmf.VonMisesFisher(np.eye(500)[0], 150.0).sample(20, 0))
    model = fit_files(["wide.npy"], estimator="mle")
    (note,) = cautions(model, summarize(model))
    assert note.endswith("is biased upwards; use estimator='unbiased'.")
    told = run("fit", "wide.npy", "--estimator", "mle", *FIT).stdout
    assert told.endswith("is biased upwards; use --estimator unbiased.\n")
    told = json.loads(run("info", "new.safetensors", "--json").stdout)["notes"]
    assert told == [note.told(as_option)]


def test_warnings_of_a_mixture(folder):
    pytest.importorskip("sklearn")
    from vmf.models import VMFMixture

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        VMFMixture(2, max_iter=1, tol=0.0, random_state=0).fit(np.load("x.npy"))
    said = "EM did not converge in 1 iterations; raise "
    assert f"{said}max_iter or tol" in [str(one.message) for one in caught]
    done = fit_mixture_to_file(["x.npy"], "new.safetensors", 2, iterations=1, tolerance=0.0)
    assert f"{said}iterations or tolerance" in done.notes
    command = ("mixture", "x.npy", "-k", 2, "--iterations", 1, "--tolerance", 0, *FIT)
    assert f"note: {said}--iterations or --tolerance\n" in run(*command).stdout
    assert (
        f"{said}--iterations or --tolerance" in json.loads(run(*command, "--json").stdout)["notes"]
    )


def test_what_is_said_of_files_left_out_survives_in_files(folder):
    """As they could not be opened, or were found damaged later, by the command line or here."""
    reading = Reading(on_bad_files="skip")
    unopened = "two.npz: holds a (40 x 3 float64), b (40 x 3 float64); choose one with "
    damaged = "word.csv: line 2002, column 'y': 'word' is not a number; correct it or leave the column out with "
    np.save("flat.npy", np.eye(2))
    for bad, good, said, value in (
        ("two.npz", "x.npy", unopened, "NAME"),
        ("word.csv", "flat.npy", damaged, None),
    ):
        model = fit_to_file([bad, good], "new.safetensors", reading=reading)
        argument = Argument("column", value)
        expected = {f"{said}{argument}"}
        assert set(model.left_out) == expected
        assert set(load_model("new.safetensors").left_out) == expected
        save_model(load_model("new.safetensors"), "again.safetensors")
        line = f"{said}{as_option(argument)}"
        told = run("info", "again.safetensors")
        assert f"note: {line}\n" in told.stdout
        told = json.loads(run("info", "again.safetensors", "--json").stdout)
        assert told["left_out"] == [line]
        assert line in told["notes"]
        # Of a file that cannot be opened it is not known how many ids its rows would have.
        ids = "; its rows have no ids: those of later files begin where the ids before it end"
        ids = ids if bad == "two.npz" else ""
        done = score_to_file(model, [bad, good], "s.csv", reading=reading)
        assert list(done.left_out) == [f"{said}{argument}{ids}"]
        command = ("score", "new.safetensors", bad, good, "-o", "s.csv", "--on-bad-files", "skip")
        assert f"note: left out: {line}{ids}\n" in run(*command).stdout
        assert json.loads(run(*command, "--json").stdout)["left_out"] == [f"{line}{ids}"]
        command = ("convert", bad, good, "-o", "all.npy", "--on-bad-files", "skip")
        assert f"note: left out: {line}\n" in run(*command).stdout
    with pytest.raises(EmbeddingError, match=r"every file was left out; two\.npz.*column=NAME"):
        fit_files(["two.npz"], reading=reading)


def test_what_is_said_of_files_left_out_survives_in_checkpoints(folder):
    note = Note("a.csv: is odd; use ", Argument("column"))
    statistics = (vmf.SufficientStatistics.from_rows(np.eye(3)),)
    plan = {"files": [{"name": "a.csv"}]}
    save_checkpoint(Checkpoint(plan, 3, statistics, {0: note, 2: Note("b")}), "fit.ckpt")
    damaged = load_checkpoint("fit.ckpt").damaged
    assert damaged == {0: note, 2: "b"}
    assert damaged[0].told(as_option) == "a.csv: is odd; use --column"


# ------------------------------------------------------------------------------ what users write


@pytest.mark.parametrize(
    "name", ["on_bad_rows='skip'", "--on-bad-rows skip", "[bold]column=NAME", "{0} %s `x`"]
)
def test_what_users_write_is_left_alone(folder, name):
    (folder / f"{name}.npy").write_bytes((folder / "nan.npy").read_bytes())
    file = f"{folder}/{name}.npy"  # no option, for it does not begin like one
    with pytest.raises(EmbeddingError) as caught:
        fit_files([file])
    told = run("fit", file, *FIT, code=2).stderr
    assert str(caught.value).startswith(f"{file}: row 7")
    assert told.startswith(f"vmf: error: {file}: row 7")
    assert str(caught.value).endswith(" with on_bad_rows='skip'")
    assert told.endswith(" with --on-bad-rows skip\n")

    with pytest.raises(EmbeddingError) as caught:
        open_embeddings("two.npz", name)
    told = run("info", "two.npz", f"--column={name}", code=2).stderr
    assert told == f"vmf: error: {caught.value}\n"
    assert f"has no member {name!r}; " in told

    (folder / f"{name}.csv").write_text(WORD)
    command = ("fit", f"{folder}/{name}.csv", "x.npy", *FIT, "--on-bad-files", "skip")
    np.save("x.npy", np.eye(2))
    run(*command)
    assert f"note: {name}.csv: line 2002," in run("info", "new.safetensors").stdout
