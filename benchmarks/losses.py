"""Heads trained on frozen features with each loss: what they retrieve and whether they know when not.

    python -m benchmarks.losses --train train32.npy --test test32.npy
    python -m benchmarks.losses --train train32.npy --test test32.npy --full

The files are embeddings with their labels beside them (`train32.labels.npy`), as `vmf extract` writes
them. A `VMFHead` to `--dimension` dimensions is trained by Adam, with each loss, from several seeds, for
the same number of steps, on the features scaled to mean 0 and one variance. How sharp a loss starts
(inverse temperature or concentration of the classes) is chosen of two values for each, by
Recall@1 on a fifth of the training rows, left out for that. Then, over the test rows:

Recall@1    the share of rows whose nearest other test row (by cosine of the mean directions) is of
            their class.
R-AUROC     how well uncertainty tells the rows with a wrong nearest neighbour from the others
            (Kirchhof, Mucsanyi, Oh & Kasneci, URL: A Representation Learning Benchmark for
            Transferable Uncertainty Estimates, NeurIPS 2023): the area under the ROC curve of the
            score for being wrong; 0.5 is chance. Scores are minus the head's concentration and,
            for losses that have classes, minus the largest class probability.

Twice: with all classes in both files, and with training on the first six classes and test rows of the
other four only ("new classes").

`published` is the same loss with the polynomial in kappa that its authors' code has for log C_p:
128 dimensions from github.com/ExplainableML/Probabilistic_Deep_Metric_Learning, utilities/misc.py (ECCV
2022), 512 and 64 from github.com/mkirchhof/url, timm/utils/misc.py (NeurIPS 2023). `cosine` is the
normalised softmax (Zhai & Wu, BMVC 2019); no loss reaches the head's
concentration there, so that the length of its last layer's output is the score. MCInfoNCE has no
log C_p. `no head` is the features themselves, with their length for the score.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from vmf import special
from vmf.torch import VMFHead
from vmf.torch.losses import ELKLoss, MCInfoNCELoss, NivMFLoss, VMFClassificationLoss

POLYNOMIALS: dict[int, Callable[[Tensor], Tensor]] = {
    64: lambda k: 38.82967 + 2.34269 * k - 1.77425 * k**1.1,
    128: lambda k: 127 - 0.01909 * k - 0.003355 * k**2,
    512: lambda k: 866.3 + 0.1574 * k - 0.0236 * k**1.5,
}
EPOCHS, BATCH = 6, 256
DRAWS = 8  # of each embedding, where a loss draws
SEEN = 6  # of the classes, where the test has others


class CosineSoftmax(torch.nn.Module):
    """Cross-entropy of the cosines with class vectors: what the others are held against."""

    def __init__(self, num_classes: int, dimension: int, inverse_temperature: float) -> None:
        super().__init__()
        self.class_vectors = torch.nn.Parameter(torch.randn(num_classes, dimension))
        self.inverse_temperature = inverse_temperature

    def logits(self, mean_direction: Tensor, _: Tensor) -> Tensor:
        directions = torch.nn.functional.normalize(self.class_vectors, dim=-1)
        return self.inverse_temperature * mean_direction @ directions.T

    def forward(self, mean_direction: Tensor, concentration: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(self.logits(mean_direction, concentration), labels)


# name -> how to make it from classes, dimension and sharpness; the sharpness; whether it has log C_p
LOSSES: dict[str, tuple[Callable[[int, int, float], Any], tuple[float, float], bool]] = {
    "cosine": (CosineSoftmax, (20.0, 5.0), False),
    "vMF classification": (
        lambda classes, p, kappa: VMFClassificationLoss(classes, p, initial_concentration=kappa),
        (80.0, 10.0),
        True,
    ),
    "nivMF": (
        lambda classes, p, kappa: NivMFLoss(
            classes, p, initial_concentration=kappa, n_samples=DRAWS
        ),
        (80.0, 10.0),
        True,
    ),
    "ELK": (
        lambda classes, p, beta: ELKLoss(inverse_temperature=beta, learn_inverse_temperature=True),
        (1.0, 0.2),
        True,
    ),
    "MCInfoNCE": (
        lambda classes, p, beta: MCInfoNCELoss(
            inverse_temperature=beta, learn_inverse_temperature=True, n_samples=DRAWS
        ),
        (20.0, 5.0),
        False,
    ),
}


@dataclass
class Rows:
    """Features, scaled, and labels."""

    features: Tensor
    labels: Tensor

    def split(self) -> tuple[Rows, Rows]:
        """Return the first four fifths and the rest."""
        border = len(self.labels) * 4 // 5
        return (
            Rows(self.features[:border], self.labels[:border]),
            Rows(self.features[border:], self.labels[border:]),
        )

    def of_classes(self, low: int, high: int) -> Rows:
        """Keep labels low <= label < high, counted from 0."""
        keep = (self.labels >= low) & (self.labels < high)
        return Rows(self.features[keep], self.labels[keep] - low)


@contextmanager
def published_normaliser(dimension: int) -> Iterator[None]:
    """Let the losses take the polynomial for log C_p."""
    polynomial = POLYNOMIALS[dimension]
    with patch.object(special, "log_normalizer", lambda _, kappa: polynomial(kappa)):
        yield


def largest_error(dimension: int) -> str:
    """How far the polynomial is from log C_p over mean cosines of 0.1 to 0.9."""
    cosine = torch.linspace(0.1, 0.9, 81, dtype=torch.float64)
    kappa = special.concentration(dimension, cosine)
    error = (POLYNOMIALS[dimension](kappa) - special.log_normalizer(dimension, kappa)).abs()
    worst = int(error.argmax())
    return f"{float(error[worst]):.1f} nats at kappa = {float(kappa[worst]):.0f}"


def train(
    rows: Rows, make: Callable[[int, int, float], Any], dimension: int, seed: int, sharpness: float
) -> Any:
    """Return the head and the loss after `EPOCHS` epochs."""
    torch.manual_seed(seed)
    head = VMFHead(rows.features.shape[1], dimension)
    loss = make(int(rows.labels.max()) + 1, dimension, sharpness)
    optimizer = torch.optim.Adam(
        [{"params": head.parameters()}, {"params": loss.parameters(), "lr": 1e-2}], lr=1e-3
    )
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows.labels)).split(BATCH)[: len(rows.labels) // BATCH]:
            optimizer.zero_grad()
            loss(*head(rows.features[batch]), rows.labels[batch]).backward()
            optimizer.step()
    return head, loss


def wrong_neighbours(directions: Tensor, labels: Tensor) -> Tensor:
    """Return whether the nearest other row has another label, (n,)."""
    wrong = torch.empty(len(labels), dtype=torch.bool)
    for part in torch.arange(len(labels)).split(2000):
        cosine = directions[part] @ directions.T
        cosine[torch.arange(len(part)), part] = -2.0
        wrong[part] = labels[cosine.argmax(1)] != labels[part]
    return wrong


def features_alone(rows: Rows) -> dict[str, float]:
    """Return the same measures of the scaled features, without a head; the score is their length."""
    wrong = wrong_neighbours(torch.nn.functional.normalize(rows.features, dim=-1), rows.labels)
    length = torch.linalg.vector_norm(rows.features, dim=-1)
    return {
        "recall_at_1": 1.0 - float(wrong.float().mean()),
        "r_auroc_concentration": float(roc_auc_score(wrong, -length.double())),
    }


@torch.no_grad()
def evaluate(rows: Rows, head: VMFHead, loss: Any) -> dict[str, float]:
    """Return Recall@1 and R-AUROC by concentration and by the largest class probability."""
    mean_direction, concentration = head(rows.features)
    if isinstance(loss, CosineSoftmax):
        concentration = torch.linalg.vector_norm(head.direction(rows.features), dim=-1)
    wrong = wrong_neighbours(mean_direction, rows.labels)
    result = {
        "recall_at_1": 1.0 - float(wrong.float().mean()),
        "r_auroc_concentration": float(roc_auc_score(wrong, -concentration.double())),
    }
    if not isinstance(loss, CosineSoftmax):
        cosine = special.mean_resultant_length(head.dimension, concentration)
        result["mean_cosine"] = float(cosine.mean())
    if hasattr(loss, "logits"):
        probability = torch.softmax(loss.logits(mean_direction, concentration).double(), dim=1)
        result["r_auroc_class"] = float(roc_auc_score(wrong, -probability.amax(1)))
    return result


def read(path: Path, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and labels, the first `limit`."""
    labels = np.load(path.with_suffix(".labels.npy"))
    return np.asarray(np.load(path, mmap_mode="r")[:limit], np.float32), labels[:limit]


def of_loss(
    training: Rows,
    testing: Rows,
    make: Callable[[int, int, float], Any],
    sharpness: tuple[float, float],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Choose how sharp the loss is, train from every seed, evaluate."""
    kept, left_out = training.split()
    recalls = [
        evaluate(left_out, *train(kept, make, arguments.dimension, 0, each))["recall_at_1"]
        for each in sharpness
    ]
    chosen = sharpness[int(np.argmax(recalls))]
    values, seconds = [], 0.0
    for seed in range(arguments.seeds):
        begin = time.process_time()
        head, loss = train(training, make, arguments.dimension, seed, chosen)
        seconds += time.process_time() - begin
        values.append(evaluate(testing, head, loss))
    return {"sharpness": chosen, "seconds": seconds / arguments.seeds, "seeds": values}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and evaluate everything; return settings and results."""
    train_x, train_y = read(arguments.train, None if arguments.full else arguments.rows)
    test_x, test_y = read(arguments.test, None)
    mean, scale = train_x.mean(0), train_x.std()
    names = np.unique(train_y)
    rows, test = (
        Rows(torch.from_numpy((x - mean) / scale), torch.from_numpy(np.searchsorted(names, y)))
        for x, y in ((train_x, train_y), (test_x, test_y))
    )
    classes = len(names)
    settings = {
        "all classes": (rows, test),
        "new classes": (rows.of_classes(0, SEEN), test.of_classes(SEEN, classes)),
    }
    results = []
    for setting, (training, testing) in settings.items():
        alone = {"setting": setting, "loss": "no head", "normaliser": "", "seconds": 0.0}
        results.append(alone | {"seeds": [features_alone(testing)] * arguments.seeds})
        print(markdown_row(results[-1]), flush=True)
        for name, (make, sharpness, has_normaliser) in LOSSES.items():
            for normaliser in ("exact", "published") if has_normaliser else ("",):
                replaced = published_normaliser(arguments.dimension)
                with replaced if normaliser == "published" else nullcontext():
                    row = of_loss(training, testing, make, sharpness, arguments)
                results.append({"setting": setting, "loss": name, "normaliser": normaliser} | row)
                print(markdown_row(results[-1]), flush=True)
    return {
        "features": {"train": arguments.train.name, "test": arguments.test.name},
        "rows": {key: [len(a.labels), len(b.labels)] for key, (a, b) in settings.items()},
        "dimension": arguments.dimension,
        "polynomial_error": largest_error(arguments.dimension),
        "epochs": EPOCHS,
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "numpy")},
        "results": results,
    }


METRICS = {
    "recall_at_1": "Recall@1",
    "r_auroc_concentration": "R-AUROC by kappa",
    "r_auroc_class": "R-AUROC by class",
    "mean_cosine": "mean A_p(kappa)",
}


def summary(row: dict[str, Any], metric: str) -> tuple[float, float] | None:
    """Return mean and standard deviation over the seeds."""
    values = [seed[metric] for seed in row["seeds"] if metric in seed]
    return (float(np.mean(values)), float(np.std(values, ddof=1))) if values else None


def markdown_row(row: dict[str, Any]) -> str:
    """Return one line of a table."""
    cells = [row["loss"], row["normaliser"] or "-"]
    for metric in METRICS:
        found = summary(row, metric)
        cells.append("-" if found is None else f"{found[0]:.3f} ± {found[1]:.3f}")
    cells.append(f"{row['sharpness']:g}" if "sharpness" in row else "-")
    return f"| {' | '.join(cells)} | {row['seconds']:.0f} |"


def winner(rows: list[dict[str, Any]], metric: str) -> str:
    """Say which loss is best, and which others it is not ahead of by their spread."""
    scored = {
        f"{row['loss']} {row['normaliser']}".strip(): summary(row, metric)
        for row in rows
        if summary(row, metric)
    }
    ranked = sorted(scored.items(), key=lambda item: -item[1][0])  # type: ignore[index]
    (best, (mean, spread)), rest = ranked[0], ranked[1:]  # type: ignore[misc]
    near = [
        name
        for name, (value, other) in rest  # type: ignore[misc]
        if mean - value <= 2.0 * float(np.hypot(spread, other))
    ]
    tied = f", not beyond twice the spread of the difference from {', '.join(near)}" if near else ""
    return f"{METRICS[metric]}: {best} ({mean:.3f}){tied}"


def markdown(measured: dict[str, Any], command: str) -> str:
    """Return the page."""
    first = f"Heads of {measured['dimension']} dimensions on {measured['features']['train']}"
    count = len(measured["results"][0]["seeds"])
    lines = [
        "# Losses on frozen features",
        "",
        f"`{command}`",
        "",
        f"{first}, tested on {measured['features']['test']}; {measured['epochs']} epochs; mean and "
        f"standard deviation of {count} seeds; seconds of processor time to train one head. The "
        f"published polynomial is off by up to {measured['polynomial_error']} over mean cosines of "
        "0.1 to 0.9. For `cosine` and `no head`, R-AUROC by kappa is by the length of the vector.",
    ]
    for setting, (training, testing) in measured["rows"].items():
        rows = [row for row in measured["results"] if row["setting"] == setting]
        lines += ["", f"## {setting.capitalize()}: {training} rows, {testing} test rows", ""]
        lines += [f"| loss | log C_p | {' | '.join(METRICS.values())} | sharpness | seconds |"]
        lines += ["|" + "---|" * (len(METRICS) + 4), *map(markdown_row, rows), ""]
        lines += [f"- Best {winner(rows, metric)}." for metric in list(METRICS)[:3]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the page and write the files asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--dimension", type=int, default=128, choices=sorted(POLYNOMIALS))
    parser.add_argument("--rows", type=int, default=10_000, help="training rows, the first ones")
    parser.add_argument("--full", action="store_true", help="all training rows")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured = measure(arguments)
    size = " --full" if arguments.full else f" --rows {arguments.rows}"
    files = f"--train {arguments.train.name} --test {arguments.test.name}"
    chosen = f"--dimension {arguments.dimension} --seeds {arguments.seeds}"
    page = markdown(measured, f"python -m benchmarks.losses {files} {chosen}{size}")
    print(page)
    if arguments.markdown:
        arguments.markdown.write_text(page)
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
