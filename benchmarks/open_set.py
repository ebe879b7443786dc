r"""Open-set recognition: which score tells classes that were never seen, and which the errors.

    python -m benchmarks.open_set --train train32.npy --test test32.npy
    python -m benchmarks.open_set --train train64.npy --test test64.npy --name open_set_8192 \
        --kernels 5000 --replicates 20

The files are those of `vmf extract cifar10 --size 32` (2048 dimensions) and `--size 64` (8192), with
their labels beside them (train32.labels.npy). In each of five splits, drawn from the seed, six
classes are known and four are not. Models and baselines see the training rows of the six; scored are
all test rows.

AUROC, FPR95   of the test rows of the six classes against those of the four; FPR95 is the share of
               the unknown that passes where 95 % of the known do
R-AUROC        whether the score tells test rows whose nearest test row (of the six classes) is of
               another class
AURC           of the errors of the von Mises-Fisher classifier, and of those of the linear probe

Values are means over the splits; the interval of the mean is that of the bootstrap over test rows
within each split (1.96 standard errors), the range that over the splits. "centred" means that the
mean of the training rows was subtracted from all rows first.

The kernel density has kernels on `--kernels` training rows, drawn from the seed.

Baselines: Mahalanobis distance to the nearest class mean with one covariance (Lee et al., NeurIPS
2018; shrunk as scikit-learn's OAS does), cosine similarity to the 50th nearest training row (Sun et
al., ICML 2022), cosine to the nearest mean, and the largest probability and logit of a linear probe
(scikit-learn's LogisticRegression on standardised features).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.evaluation import aurc, auroc, best_aurc, bootstrap, detect, retrieve
from vmf.evaluation.detection import ranks
from vmf.models import VMFClassifier
from vmf.output import atomic_output
from vmf.uncertainty import SCORES, Reference

Array = npt.NDArray[Any]
Scores = dict[str, npt.NDArray[np.float64]]

MEASURES = (
    ("auroc", "AUROC"), ("fpr95", "FPR95"), ("r_auroc", "R-AUROC"), ("aurc", "AURC, vMF"),
    ("aurc_probe", "AURC, probe"),
)  # fmt: skip
LOWER_IS_BETTER = {"fpr95", "aurc", "aurc_probe"}
NEIGHBOURS = 50
KNOWN = 6
RESULTS = Path(__file__).parent / "results"


def splits(classes: list[str], count: int, seed: int) -> Iterator[list[str]]:
    """The known classes of each split."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield sorted(rng.choice(classes, KNOWN, replace=False).tolist())


class ClassScatter:
    """Means of the classes and their scatter, added up once for all splits."""

    def __init__(self, X: Array, labels: Array) -> None:
        self.count, self.mean, self.scatter = {}, {}, {}
        for label in np.unique(labels):
            rows = X[labels == label].astype(np.float32)
            self.count[label] = len(rows)
            self.mean[label] = rows.mean(axis=0, dtype=np.float64)
            rows -= self.mean[label].astype(np.float32)
            self.scatter[label] = rows.T @ rows

    def mahalanobis(self, known: list[str], X: Array) -> npt.NDArray[np.float64]:
        """Minus the squared distance of each row to the nearest of the known means."""
        from scipy.linalg import cholesky, solve_triangular

        rows = sum(self.count[label] for label in known)
        covariance = sum(self.scatter[label] for label in known) / np.float32(rows)
        dimension = len(covariance)
        # Chen et al., IEEE Trans. Signal Processing 58 (2010): scikit-learn's OAS, from the scatter.
        mu = float(np.trace(covariance)) / dimension
        alpha = float(np.mean(covariance.astype(np.float64) ** 2))
        share = min(1.0, (alpha + mu**2) / ((rows + 1) * (alpha - mu**2 / dimension)))
        covariance *= np.float32(1 - share)
        covariance[np.diag_indices(dimension)] += np.float32(share * mu)
        means = np.stack([self.mean[label] for label in known])
        # With covariance L L', the distance is that of L^-1 x to L^-1 m: one triangular solve a row.
        centre = means.mean(axis=0)
        root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)

        def whitened(rows: Array) -> Array:
            shifted = np.asarray(rows - centre, np.float32).T
            return solve_triangular(root, shifted, lower=True, check_finite=False).T

        white_means = whitened(means)
        result = np.empty(len(X))
        for start in range(0, len(X), 2000):
            block = whitened(X[start : start + 2000])
            each = [((block - mean) ** 2).sum(axis=1, dtype=np.float64) for mean in white_means]
            result[start : start + 2000] = -np.min(each, axis=0)
        return result


def neighbour_cosines(
    training: Array, labels: Array, test: Array, all_splits: list[list[str]]
) -> list[dict[str, npt.NDArray[np.float64]]]:
    """For each split the cosine of each test row with its 50th nearest known training row.

    "centred" is after the mean c of the known training rows was subtracted, from the same products:
    (x - c) . (y - c) = x . y - x . c - y . c + c . c.
    """
    members = [np.flatnonzero(np.isin(labels, known)) for known in all_splits]
    centres = [training[member].mean(axis=0) for member in members]
    sides = []
    for member, centre in zip(members, centres, strict=True):
        gallery = training[member]
        along = gallery @ centre
        squared = np.einsum("ij,ij->i", gallery, gallery)
        sides.append((along, np.sqrt(squared), np.sqrt(squared - 2 * along + centre @ centre)))
    found = [
        {"kNN cosine": np.empty(len(test)), "kNN cosine, centred": np.empty(len(test))}
        for _ in all_splits
    ]
    for start in range(0, len(test), 250):
        part = slice(start, start + 250)
        queries = np.asarray(test[part])
        products = queries @ training.T
        length = np.linalg.norm(queries, axis=1)
        for member, centre, (along, plain, moved), result in zip(
            members, centres, sides, found, strict=True
        ):
            inside = products[:, member]
            kept = np.partition(inside / plain, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
            result["kNN cosine"][part] = kept / length
            inside -= (queries @ centre)[:, np.newaxis]
            inside -= along - centre @ centre
            inside /= moved
            kept = np.partition(inside, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
            result["kNN cosine, centred"][part] = kept / np.linalg.norm(queries - centre, axis=1)
    return found


def probe(training: Array, codes: Array, test: Array) -> tuple[Scores, Array]:
    """Scores and predictions of a linear probe."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = training.mean(axis=0), training.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=60, tol=1e-3)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 steps are enough for the order of the rows
        model.fit((training - mean) / spread, codes)
    logits = model.decision_function((test - mean) / spread).astype(np.float64)
    largest = logits.max(axis=1)
    rest = np.log(np.exp(logits - largest[:, np.newaxis]).sum(axis=1))
    found = {"linear probe, MSP": -rest, "linear probe, max logit": largest}
    return found, logits.argmax(axis=1)


def vmf_scores(
    training: Array, codes: Array, test: Array, options: argparse.Namespace, suffix: str
) -> tuple[Scores, Array]:
    """Every score of `vmf.uncertainty`, and the classifier's predictions."""
    model = VMFClassifier().fit(training, codes)
    seed = options.seed
    reference = Reference(model, training, seed=seed)
    few = np.sort(np.random.default_rng(seed).permutation(len(training))[: options.kernels])
    found = {}
    for name, score in SCORES.items():
        against = (
            Reference(None, training[few], seed=seed) if name == "kernel_density" else reference
        )
        found[name + suffix] = score(against, test)
    return found, np.asarray(model.predict(test))


def measure(
    certainty: Array,
    inside: Array,
    near: Array,
    right: Array,
    right_probe: Array,
    how: dict[str, int],
) -> dict[str, tuple[float, float]]:
    """Value and standard error of each measure."""
    order = ranks(certainty)
    known, unknown = order[inside], order[~inside]

    def of_known(index: Array) -> dict[str, float | None]:
        return {
            "r_auroc": auroc(known[index], near[index]),
            "aurc": aurc(known[index], right[index]),
            "aurc_probe": aurc(known[index], right_probe[index]),
        }

    def of_both(index: Array, other: Array) -> dict[str, float | None]:
        return detect(known[index], unknown[other])

    found = bootstrap(of_known, len(known), **how)
    found |= bootstrap(of_both, len(known), len(unknown), **how)
    return {
        key: (found[key].value, (found[key].high - found[key].low) / (2 * 1.96))
        for key, _ in MEASURES
    }


def run(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """All splits; what is written as JSON."""
    train, test = (np.load(path, mmap_mode="r") for path in (options.train, options.test))
    train_labels, test_labels = (
        np.load(Path(path).with_suffix(".labels.npy")) for path in (options.train, options.test)
    )
    all_splits = list(splits(np.unique(train_labels).tolist(), options.splits, options.seed))
    say("scatter of the classes")
    scatter = ClassScatter(train, train_labels)
    say("nearest training rows")
    knn = neighbour_cosines(train, train_labels, test, all_splits)
    how = {"replicates": options.replicates, "seed": options.seed}
    measured: dict[str, list[dict[str, tuple[float, float]]]] = {}
    facts = []
    for number, known in enumerate(all_splits):
        begin = time.perf_counter()
        classes = np.array(known)
        member = np.isin(train_labels, classes)
        rows, codes = train[member], np.searchsorted(classes, train_labels[member])
        inside = np.isin(test_labels, classes)
        truth = np.searchsorted(classes, test_labels[inside])
        scores, said = vmf_scores(rows, codes, test, options, "")
        scores |= knn[number]
        scores["Mahalanobis"] = scatter.mahalanobis(known, test)
        extra, probed = probe(rows, codes, test)
        scores |= extra
        centre = rows.mean(axis=0)
        more, said_centred = vmf_scores(rows - centre, codes, test - centre, options, ", centred")
        scores |= more
        neighbours = retrieve(test[inside], truth)
        near = truth[neighbours.nearest] == truth
        right, right_probe = said[inside] == truth, probed[inside] == truth
        facts.append(
            {
                "known": known,
                "accuracy": float(right.mean()),
                "accuracy_centred": float((said_centred[inside] == truth).mean()),
                "accuracy_probe": float(right_probe.mean()),
                "recall_at_1": float(near.mean()),
                "best_aurc": best_aurc(right),
                "best_aurc_probe": best_aurc(right_probe),
            }
        )
        for name, certainty in scores.items():
            measured.setdefault(name, []).append(
                measure(certainty, inside, near, right, right_probe, how)
            )
        say(f"split {number + 1}, known {', '.join(known)}: {time.perf_counter() - begin:.0f} s")
    return {
        "dimension": int(train.shape[1]),
        "training_rows": len(train),
        "test_rows": len(test),
        "seed": options.seed,
        "replicates": options.replicates,
        "splits": facts,
        "scores": {name: summary(values) for name, values in measured.items()},
    }


def summary(values: list[dict[str, tuple[float, float]]]) -> dict[str, dict[str, Any]]:
    """Mean over the splits, its 95 % interval from the bootstrap, and each split."""
    found = {}
    for key, _ in MEASURES:
        each = np.array([one[key][0] for one in values])
        error = float(np.sqrt(sum(one[key][1] ** 2 for one in values))) / len(values)
        found[key] = {
            "mean": float(each.mean()),
            "interval": [float(each.mean() - 1.96 * error), float(each.mean() + 1.96 * error)],
            "splits": each.tolist(),
        }
    return found


def as_markdown(found: dict[str, Any], command: str) -> str:
    """The table, best AUROC first, the best value of each measure in bold."""
    scores = found["scores"]
    best = {
        key: (min if key in LOWER_IS_BETTER else max)(one[key]["mean"] for one in scores.values())
        for key, _ in MEASURES
    }
    facts = found["splits"]

    def average(key: str) -> float:
        return float(np.mean([one[key] for one in facts]))

    lines = [
        f"# Open set, {found['dimension']} dimensions",
        "",
        f"    {command}",
        "",
        f"CIFAR-10, ResNet50: {found['training_rows']} training rows, {found['test_rows']} test rows,"
        f" {len(facts)} splits of 6 known and 4 unknown classes. Means over the splits; ± half the"
        " 95 % interval of the mean (bootstrap over test rows); (least .. greatest of the splits).",
        "",
        f"Accuracy among the known: vMF classifier {average('accuracy'):.3f} (centred"
        f" {average('accuracy_centred'):.3f}), linear probe {average('accuracy_probe'):.3f}; nearest"
        f" neighbour right {average('recall_at_1'):.3f}. Best possible AURC:"
        f" {average('best_aurc'):.3f}, probe {average('best_aurc_probe'):.3f}.",
        "",
        "| score | " + " | ".join(title for _, title in MEASURES) + " |",
        "|---" * (len(MEASURES) + 1) + "|",
    ]
    for name, one in sorted(scores.items(), key=lambda item: -item[1]["auroc"]["mean"]):
        cells = []
        for key, _ in MEASURES:
            mean, (low, high) = one[key]["mean"], one[key]["interval"]
            text = f"{mean:.3f}" if mean != best[key] else f"**{mean:.3f}**"
            spread = f"({min(one[key]['splits']):.3f} .. {max(one[key]['splits']):.3f})"
            cells.append(f"{text} ± {(high - low) / 2:.3f} {spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    known = "; ".join(", ".join(one["known"]) for one in facts)
    return "\n".join([*lines, "", f"Known classes of the splits: {known}.", ""])


def main() -> None:
    """Run, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", required=True, help="training features, .npy")
    parser.add_argument("--test", required=True, help="test features, .npy")
    parser.add_argument("--name", default="open_set", help="of the files in benchmarks/results")
    parser.add_argument(
        "--kernels", type=int, default=10_000, help="training rows of the kernel density"
    )
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--replicates", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = run(options, lambda line: print(line, flush=True))
    given = [Path(options.train).name, Path(options.test).name]
    command = f"python -m benchmarks.open_set --train {given[0]} --test {given[1]}"
    for name in ("name", "kernels", "splits", "replicates", "seed"):
        if getattr(options, name) != parser.get_default(name):
            command += f" --{name} {getattr(options, name)}"
    text = as_markdown(found, command)
    for ending, contents in ((".json", json.dumps(found, indent=1) + "\n"), (".md", text)):
        with atomic_output(RESULTS / f"{options.name}{ending}") as temporary:
            temporary.write_text(contents, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
