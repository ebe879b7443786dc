"""``vmf evaluate``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest

import vmf

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")


@pytest.fixture
def classes(folder):
    """60 rows each of three classes in e.npy and e.csv; a fourth one, far away, in far.npy."""
    means = np.eye(6)[:4] + 0.3
    means[3] *= -1
    parts = [
        vmf.VonMisesFisher(m / np.linalg.norm(m), 25.0).sample(60, k) * (1 + k)
        for k, m in enumerate(means)
    ]
    np.save(folder / "e.npy", np.concatenate(parts[:3]).astype(np.float32))
    np.save(folder / "far.npy", parts[3].astype(np.float32))
    (folder / "e.csv").write_text("label\n" + "".join(f"{name}\n" * 60 for name in "abc"))
    return folder


def arguments(folder, *more):
    return ["evaluate", folder / "e.npy", "--labels", folder / "e.csv", "--replicates", 5, *more]


def test_what_it_prints(classes):
    printed = classes.run(*arguments(classes)).stdout
    assert "180 in 3 classes" in printed
    assert "recall@1" in printed
    assert "entropy" in printed
    assert "AUROC" not in printed.replace("R-AUROC", "")
    printed = classes.run(*arguments(classes, "--ood", classes / "far.npy")).stdout
    assert "rows outside  60" in printed
    assert "FPR95" in printed


def test_json_holds_the_measurements(classes):
    told = json.loads(classes.run(*arguments(classes, "--held-out", "b", "--json")).stdout)
    assert (told["rows"], told["rows_outside"], told["held_out"]) == (120, 60, ["b"])
    score = told["scores"][0]
    assert 0 <= score["auroc"]["low"] <= score["auroc"]["value"] <= score["auroc"]["high"] <= 1
    assert set(told["retrieval"]) == {"recall@1", "recall@2", "recall@4", "recall@8", "map@r"}


class Page(HTMLParser):
    """The tags that are open, what is linked to, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.links, self.text, self.tags = [], [], "", set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.links += [
            value for name, value in attributes if name in ("src", "href", "xlink:href") and value
        ]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_sound_file_that_fetches_nothing(classes):
    report = classes / "report.html"
    classes.run(*arguments(classes, "--ood", classes / "far.npy", "--report", report))
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert not {"script", "link", "iframe"} & page.tags
    assert "url(http" not in text
    assert "@import" not in text
    assert text.count("<svg") == 6
    assert "prefers-color-scheme: dark" in text
    assert "The nearest other row is of the same class for" in page.text
    assert "Look at these first" in page.text
    # Every colour of a figure follows the theme.
    from vmf.evaluation.figures import THEME

    figures = text[text.index("<svg") :]
    assert not [color for color in THEME if color in figures]


def test_labels_cannot_break_out_of_the_report(classes):
    (classes / "e.csv").write_text("label\n" + "<script>alert(1)</script>\n" * 90 + "b&b\n" * 90)
    classes.run(*arguments(classes, "--report", classes / "report.html"))
    page = Page((classes / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "b&b" in page.text


def test_the_table_of_rows(classes):
    told = json.loads(
        classes.run(
            *arguments(classes, "--held-out", "b", "--rows", classes / "rows.csv", "--json")
        ).stdout
    )
    with open(classes / "rows.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["row"]) for row in rows] == [*range(60), *range(120, 180)]
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == pytest.approx(told["classification"]["accuracy"]["value"])
    near = np.mean([row["label"] == ("a" if int(row["nearest"]) < 60 else "c") for row in rows])
    assert near == pytest.approx(told["retrieval"]["recall@1"]["value"])
    assert {score["score"] for score in told["scores"]} <= set(rows[0])


def test_figures_are_pictures(classes):
    classes.run(*arguments(classes, "--figures", classes / "figures"))
    names = sorted(path.name for path in (classes / "figures").iterdir())
    assert names == ["classes.png", "reliability.png", "risk_coverage.png", "scores.png"]
    assert all((classes / "figures" / name).read_bytes()[:4] == b"\x89PNG" for name in names)


def test_scores_of_ones_own(classes):
    np.save(classes / "mine.npy", np.arange(180.0))
    np.save(classes / "other.npy", np.arange(60.0))
    own = ["--scores", classes / "mine.npy", "--ood-scores", classes / "other.npy", "--json"]
    own += ["--ood", classes / "far.npy"]

    def auroc(*more):
        told = json.loads(classes.run(*arguments(classes, *own, *more)).stdout)
        return next(s for s in told["scores"] if s["score"] == "mine")["auroc"]["value"]

    expected = np.mean(np.arange(180)[:, np.newaxis] > np.arange(60)) + 0.5 * 60 / (180 * 60)
    assert auroc() == pytest.approx(expected)
    assert auroc("--scores-higher", "ood") == pytest.approx(1 - expected)


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_what_vmf_score_writes_can_be_judged(classes, ending):
    classes.run(
        "fit", classes / "e.npy", "--labels", classes / "e.csv", "-o", classes / "k.safetensors"
    )
    scores = classes / f"s.{ending}"
    classes.run("score", classes / "k.safetensors", classes / "e.npy", "-o", scores)
    told = json.loads(classes.run(*arguments(classes, "--scores", scores, "--json")).stdout)
    names = {score["score"] for score in told["scores"]}
    assert {"log_density (given)", "cosine", "probability"} <= names
    told = json.loads(
        classes.run(*arguments(classes, "--scores", f"{scores}:cosine", "--json")).stdout
    )
    assert "probability" not in {score["score"] for score in told["scores"]}


def test_bad_rows_are_left_out_with_their_labels(classes):
    rows = np.load(classes / "e.npy")
    rows[7, 2] = np.nan
    np.save(classes / "e.npy", rows)
    classes.refused("e.npy: row 7, column 2: the value is nan", *arguments(classes))
    told = json.loads(
        classes.run(
            *arguments(classes, "--on-bad-rows", "skip", "--json", "--rows", classes / "r.csv")
        ).stdout
    )
    assert told["rows"] == 179
    assert "\n7," not in (classes / "r.csv").read_text()


def test_what_cannot_be_evaluated(classes):
    np.save(classes / "narrow.npy", np.load(classes / "far.npy")[:, :5])
    np.save(classes / "short.npy", np.arange(9.0))
    np.save(classes / "nan.npy", np.full(180, np.nan))
    (classes / "one.csv").write_text("label\n" + "a\n" * 180)
    (classes / "few.csv").write_text("label\n" + "a\nb\n" * 10)
    report = ["--report", classes / "r.html", "--rows", classes / "r.csv"]

    def refused(message, *more):
        classes.refused(message, *arguments(classes, *report, *more))

    refused("no row has the label 'x'; there are a, b, c", "--held-out", "a,x")
    refused("has dimension 5, the evaluated embeddings 6", "--ood", classes / "narrow.npy")
    refused("give --ood or --held-out", "--ood", classes / "far.npy", "--held-out", "a")
    refused("--train and --train-labels go together", "--train", classes / "far.npy")
    refused("there is no score 'margin'", "--score", "margin")
    refused("has 9 scores, but", "--scores", classes / "short.npy")
    refused("the nan of row 0 is nan", "--scores", classes / "nan.npy")
    refused("--ood-scores needs --ood", "--ood-scores", classes / "short.npy")
    refused("does not exist", "--ood", classes / "missing.npy")
    refused("the rows have 1 class with at least 2 rows", "--held-out", "a,b")
    for labels, message in (("one.csv", "have 1 class"), ("few.csv", "has 20 labels")):
        classes.refused(
            message, "evaluate", classes / "e.npy", "--labels", classes / labels, *report
        )
    classes.refused(
        "the output is one of .html", *arguments(classes, "--report", classes / "r.pdf")
    )
    classes.refused("is also an input", *arguments(classes, "--rows", classes / "e.npy"))
    classes.refused("is a file", *arguments(classes, "--figures", classes / "e.npy"))


def test_recall_at_what(classes):
    told = json.loads(classes.run(*arguments(classes, "--k", "1,20", "--json")).stdout)
    assert set(told["retrieval"]) == {"recall@1", "recall@20", "map@r"}
    assert classes.run(*arguments(classes, "--k", "0"), exit_code=2)


def test_thumbnails(classes):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("torch")
    for label in "abc":
        (classes / "images" / label).mkdir(parents=True)
        for row in range(60):
            shade = np.full((8, 8, 3), row, np.uint8)
            image.fromarray(shade).save(classes / "images" / label / f"{row:03}.png")
    report = classes / "report.html"
    classes.run(*arguments(classes, "--report", report, "--images", classes / "images"))
    assert report.read_text(encoding="utf-8").count("data:image/png") > 20
    (classes / "images" / "a" / "000.png").unlink()
    classes.refused(
        "holds 179 images, the embeddings 180 rows",
        *arguments(classes, "--report", report, "--images", classes / "images"),
    )
