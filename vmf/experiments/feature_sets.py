"""The features of `vmf-cifar10`: files that exist, or extracted from images where they do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.embeddings import open_embeddings
from vmf.embeddings.labels import Labels, read_labels
from vmf.errors import Argument, ExperimentError
from vmf.experiments.libraries import installed

if TYPE_CHECKING:
    from vmf.experiments.schema import Extract, FeatureFile, VMFCifar10
    from vmf.features import Extraction

Say = Callable[[str], None]
_CHUNK_BYTES = 32 << 20
_IMAGES, _WEIGHTS = "cifar10", r"(\w+\.)?(DEFAULT|IMAGENET1K_V\d)"
_NEEDS_TORCH = (
    "extracting features needs torch and torchvision: pip install 'vmf-toolkit[features]', or give"
    " feature files (",
    Argument("overrides", "files=..."),
    ")",
)


@dataclass(frozen=True)
class FeatureRows:
    """Some rows of a file with their classes.

    Parameters
    ----------
    path : Path
    chosen : (rows,) bool array, optional
        Which rows of the file; all, if None.
    labels : Labels, optional
        Of all rows of the file.
    """

    path: Path
    chosen: npt.NDArray[np.bool_] | None = None
    labels: Labels | None = None

    @property
    def count(self) -> int:
        """How many rows."""
        if self.chosen is not None:
            return int(self.chosen.sum())
        return open_embeddings(self.path).rows

    def chunks(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int32] | None]]:
        """Yield rows with the codes of their classes (None without labels)."""
        for start, rows in open_embeddings(self.path).chunks(memory=_CHUNK_BYTES):
            here = slice(start, start + len(rows))
            codes = None if self.labels is None else self.labels.codes[here]
            if self.chosen is not None:
                kept = self.chosen[here]
                rows = rows[kept]
                codes = None if codes is None else codes[kept]
            yield rows, codes


@dataclass(frozen=True)
class FeatureSet:
    """Features to fit and features held out."""

    name: str
    dimension: int
    train: FeatureRows
    held_out: FeatureRows
    held_out_is: str

    @property
    def classes(self) -> list[str]:
        """Names of the classes; none if either part has no labels."""
        if self.train.labels is None or self.held_out.labels is None:
            return []
        return self.train.labels.classes


def feature_sets(config: VMFCifar10, say: Say) -> list[FeatureSet]:
    """The sets that a configuration names: its files or, without any, those of its sizes.

    Raises
    ------
    ExperimentError, EmbeddingError
        One line: a file is missing, or damaged, or its labels do not fit.
    """
    files = config.files or [extracted(config.extract, size, say) for size in config.extract.sizes]
    return [_feature_set(file, config) for file in files]


def check_files(config: VMFCifar10) -> None:
    """Raise ExperimentError unless every file is there, or what features are extracted from."""
    for file in config.files:
        for name in (file.train, file.train_labels, file.test, file.test_labels):
            if name is not None:
                find(name)
    if not config.files:
        _source(config.extract.images, _IMAGES)
        _source(config.extract.weights, _WEIGHTS)
        if not (installed("torch") and installed("torchvision")):
            raise ExperimentError(*_NEEDS_TORCH)


def find(name: str) -> Path:
    """A file named relative to the working directory or to the checkout, or from ~ or /."""
    path = Path(name).expanduser()
    root = Path(__file__).resolve().parents[2]
    for candidate in (path, root / path):
        if candidate.exists():
            return candidate
    raise ExperimentError(
        f"{name}: does not exist; examples/ is in a checkout of the repository; give other feature"
        " files (",
        Argument("overrides", "files=..."),
        "), or what features are extracted from (",
        Argument("overrides", "extract.images=FOLDER"),
        " ",
        Argument("overrides", "extract.weights=FILE"),
        ")",
    )


def extracted(settings: Extract, size: int, say: Say) -> FeatureFile:
    """The files of one image size, extracted as far as they are not there yet."""
    from vmf.experiments.schema import FeatureFile

    found: dict[str, str] = {}
    some = "" if settings.limit is None else f"_{settings.limit}"
    for split in ("train", "test"):
        name = f"cifar10_{split}_{size}{some}.npy"
        done = _extract(settings, Path(settings.folder).expanduser() / name, size, split, say)
        found[split] = str(done.features)
        if done.labels is not None:
            found[f"{split}_labels"] = str(done.labels)
    return FeatureFile(name=f"{size} pixels", **found)


def _extract(
    settings: Extract, target: Path, size: int, split: Literal["train", "test"], say: Say
) -> Extraction:
    """Features that are there are compared with what is asked for, and kept."""
    images, weights = _source(settings.images, _IMAGES), _source(settings.weights, _WEIGHTS)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        from vmf.features import extract

        done = extract(
            images, target, weights=weights, size=size, split=split, limit=settings.limit,
            dtype=settings.dtype, resume=True, progress=_in_tenths(target.name, say),
        )  # fmt: skip
    except ImportError as error:
        raise ExperimentError(*_NEEDS_TORCH) from error
    say(f"{target.name}: {done.rows} x {done.dimension}, {done.images_per_second:.0f} images/s")
    return done


def _in_tenths(name: str, say: Say) -> Callable[[int, int], None]:
    """Tell of each tenth of the images."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if 10 * done // total > told:
            told = 10 * done // total
            say(f"extracting {name}: {10 * told} %")

    return progress


def _source(name: str, downloaded: str) -> str | Path:
    """A path that exists, or the name of something that torchvision downloads."""
    if re.fullmatch(downloaded, name):
        return name
    return find(name)


def _feature_set(file: FeatureFile, config: VMFCifar10) -> FeatureSet:
    train = _rows(file.train, file.train_labels)
    opened = open_embeddings(train.path)
    if file.test is not None:
        held_out, kind = _rows(file.test, file.test_labels), "test images"
        if open_embeddings(held_out.path).dimension != opened.dimension:
            raise ExperimentError(f"{file.test}: has another dimension than {file.train}")
    else:
        out = _drawn(opened.rows, config)
        train, held_out = (
            FeatureRows(train.path, ~out, train.labels),
            FeatureRows(train.path, out, train.labels),
        )
        kind = f"{100 * config.held_out:g} % of the images"
    both = (train.labels, held_out.labels)
    if both[0] is not None and both[1] is not None and both[0].classes != both[1].classes:
        raise ExperimentError(f"{file.test_labels}: has other classes than {file.train_labels}")
    return FeatureSet(file.name, opened.dimension, train, held_out, kind)


def _rows(path: str, labels: str | None) -> FeatureRows:
    found = find(path)
    if labels is None:
        return FeatureRows(found)
    read = read_labels(find(labels))
    count = open_embeddings(found).rows
    if len(read) < count:
        raise ExperimentError(f"{labels}: has {len(read)} labels for {count} rows of {path}")
    return FeatureRows(found, labels=read)


def _drawn(rows: int, config: VMFCifar10) -> npt.NDArray[np.bool_]:
    count = min(max(round(config.held_out * rows), 1), rows - 2)
    if count < 1:
        raise ExperimentError(f"{rows} rows are too few to hold one out; give three or more")
    chosen = np.zeros(rows, dtype=bool)
    chosen[np.random.default_rng(config.seed).permutation(rows)[:count]] = True
    return chosen
