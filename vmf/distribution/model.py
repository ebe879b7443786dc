"""Fitted models and the files they are kept in.

A model file is a safetensors file: numbers and a JSON text, nothing that could be executed. It
holds one row a class of

    mean_direction, resultant, resultant_lo                          (classes, dimension) float64
    concentration, standard_error, count, weight, weight2, dispersion,
    normalised, skipped                                              (classes,) float64

and under the metadata key ``model`` the labels, the estimator and where the data came from. With
the sufficient statistics inside, a model can be fitted again with another estimator, or be merged
with another one, without the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.types import FloatArray
from vmf.distribution.tensor_file import tensor_bytes
from vmf.errors import ModelFileError, Note, PathLike
from vmf.estimation.statistics import SufficientStatistics
from vmf.output import atomic_output, check_output

FORMAT_VERSION = 1
KINDS = ("classes", "components")
MODEL_EXTENSIONS = (".safetensors",)

_FORMAT = "vmf-model"
_LARGEST_HEADER = 64 << 20
_VECTORS = ("mean_direction", "resultant", "resultant_lo")
_STATISTICS = ("count", "weight", "weight2", "normalised", "skipped", "dispersion")
_NUMBERS = ("concentration", "standard_error", *_STATISTICS)


@dataclass(frozen=True, eq=False)
class Model:
    """One von Mises-Fisher distribution, or one a class, with the statistics behind it.

    Parameters
    ----------
    classes : tuple of str or (None,)
        The labels; ``(None,)`` for a single distribution without a label.
    mean_direction : (classes, dimension) float64
        Unit vectors.
    concentration : (classes,) float64
        kappa, finite and >= 0.
    standard_error : (classes,) float64
        Of kappa; NaN where there is none (a single row).
    statistics : tuple of SufficientStatistics
        One a class.
    estimator : str
        Which estimator gave ``concentration``.
    sources : tuple of str
        Names, without folders, of the files that were read.
    left_out : tuple of str
        A line for each file that could not be read and was left out on request: its name and why.
    toolkit_version : str
        Version that fitted the model.
    kind : {"classes", "components"}
        What ``classes`` are: labels of the rows, or numbers of the components of a mixture.

    Raises
    ------
    ValueError
        When these do not fit together.
    """

    classes: tuple[str | None, ...]
    mean_direction: FloatArray
    concentration: FloatArray
    standard_error: FloatArray
    statistics: tuple[SufficientStatistics, ...]
    estimator: str
    sources: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    toolkit_version: str = ""
    kind: str = "classes"

    def __post_init__(self) -> None:
        count = len(self.classes)
        if count == 0:
            raise ValueError("a model needs at least one class")
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if len(set(self.classes)) != count:
            raise ValueError("two classes have the same label")
        if count > 1 and None in self.classes:
            raise ValueError("only a model of a single distribution may lack a label")
        if self.mean_direction.ndim != 2 or self.mean_direction.shape[1] < 2:
            raise ValueError(f"mean_direction has shape {self.mean_direction.shape}")
        for name in ("mean_direction", "concentration", "standard_error", "statistics"):
            entries = len(getattr(self, name))
            if entries != count:
                raise ValueError(f"{name} has {entries} entries for {count} classes")
        lengths = np.linalg.norm(self.mean_direction, axis=1)
        if not (np.abs(lengths - 1) < 1e-9).all():
            raise ValueError("a mean direction is not a unit vector")
        if not (np.isfinite(self.concentration) & (self.concentration >= 0)).all():
            raise ValueError("a concentration is not a finite number >= 0")
        if any(s.dimension != self.dimension for s in self.statistics):
            raise ValueError("statistics and mean direction differ in dimension")

    @property
    def dimension(self) -> int:
        """Dimension p."""
        return int(self.mean_direction.shape[1])

    @property
    def proportions(self) -> FloatArray:
        """Share of each class in the weight of the rows, (classes,)."""
        weights = np.array([s.weight for s in self.statistics], np.float64)
        shares: FloatArray = weights / weights.sum()
        return shares


def save_model(model: Model, path: PathLike) -> None:
    """Write ``model`` to ``path``, all of it or nothing.

    Raises
    ------
    EmbeddingError
        When the folder is missing or the name does not end in ``.safetensors``.
    OSError
        When the disk is full.
    """
    check_output(path, extensions=MODEL_EXTENSIONS)
    tensors: dict[str, npt.NDArray[Any]] = {
        "mean_direction": model.mean_direction,
        "concentration": model.concentration,
        "standard_error": model.standard_error,
    }
    for name in ("resultant", "resultant_lo", *_STATISTICS):
        tensors[name] = np.array([getattr(s, name) for s in model.statistics], np.float64)
    description = {
        "format_version": FORMAT_VERSION,
        "toolkit_version": model.toolkit_version,
        "estimator": model.estimator,
        "dimension": model.dimension,
        "classes": list(model.classes),
        "sources": [Path(source).name for source in model.sources],
        "left_out": [_without_folder(Note.of(line)).as_json() for line in model.left_out],
        "kind": model.kind,
    }
    contents = tensor_bytes(tensors, {"format": _FORMAT, "model": json.dumps(description)})
    with atomic_output(path) as temporary:
        temporary.write_bytes(contents)


def _without_folder(line: Note) -> Note:
    """The line about a file without the folder that it was in, which is nobody else's business."""
    first, *others = line.parts
    path, colon, problem = str(first).partition(": ")
    return Note(Path(path).name + colon + problem, *others)


def is_model_file(path: PathLike) -> bool:
    """Whether the file begins like a safetensors file, by its content."""
    with open(path, "rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and head[8:] == b"{"


def load_model(path: PathLike) -> Model:
    """Read a model that :func:`save_model` wrote, checking all of it.

    Raises
    ------
    ModelFileError
        For anything that is not a complete and consistent model: a missing or foreign file, a
        damaged one, a newer format, wrong shapes or types, values that are not finite.
    """
    location = Path(path)
    try:
        if not location.is_file():
            problem = "is a folder, not a model" if location.is_dir() else "does not exist"
            raise ModelFileError(path, problem)
        _check_header(location)
        return _read(location)
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error.strerror or error})") from error


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(9)
    if len(head) < 9 or head[8:] != b"{":
        raise ModelFileError(
            path, "is not a model, which is a .safetensors file that vmf fit or vmf mixture wrote"
        )
    header = int.from_bytes(head[:8], "little")
    if header > size - 8:
        raise ModelFileError(
            path, f"is truncated: its header is said to take {header} bytes of a file of {size}"
        )
    if header > _LARGEST_HEADER:
        raise ModelFileError(path, f"has a header of {header} bytes, more than a model can have")


def _read(path: Path) -> Model:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            description = _description(path, file.metadata())
            classes = description["classes"]
            shapes = {name: [len(classes), description["dimension"]] for name in _VECTORS}
            shapes |= {name: [len(classes)] for name in _NUMBERS}
            tensors = {}
            stored_names = set(file.keys())
            for name, shape in shapes.items():
                if name not in stored_names:
                    raise ModelFileError(path, f"lacks the tensor {name!r}; it is damaged")
                stored = file.get_slice(name)
                if stored.get_dtype() != "F64" or stored.get_shape() != shape:
                    raise ModelFileError(
                        path,
                        f"tensor {name!r} is {stored.get_dtype()} {stored.get_shape()},"
                        f" expected F64 {shape}",
                    )
                tensors[name] = file.get_tensor(name)
    except SafetensorError as error:
        raise ModelFileError(path, f"is damaged ({error})") from error
    try:
        return _assemble(description, tensors)
    except ValueError as error:
        raise ModelFileError(path, f"is damaged: {error}") from error


def _description(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if not metadata or metadata.get("format") != _FORMAT or "model" not in metadata:
        raise ModelFileError(path, "is a safetensors file but not a model written by vmf fit")
    try:
        description = json.loads(metadata["model"])
        version = description["format_version"]
        if type(version) is not int or version < 1:
            raise ValueError("format_version")
        if version > FORMAT_VERSION:
            raise ModelFileError(
                path,
                f"has model format {version}, this version reads up to {FORMAT_VERSION};"
                " upgrade the toolkit",
            )
        classes = description["classes"]
        if not isinstance(classes, list) or not all(
            isinstance(label, str) or label is None for label in classes
        ):
            raise ValueError("classes")
        if type(description["dimension"]) is not int:
            raise ValueError("dimension")
        if description.get("kind", "classes") not in KINDS:
            raise ValueError("kind")
        texts = [description["estimator"], description["toolkit_version"], *description["sources"]]
        notes = description.get("left_out", [])  # models of version 0.1 have none
        description["left_out"] = [Note.from_json(note) for note in notes]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("text")
    except ModelFileError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(path, f"has damaged metadata ({error})") from error
    assert isinstance(description, dict)
    return description


def _assemble(description: Mapping[str, Any], tensors: Mapping[str, FloatArray]) -> Model:
    for name, tensor in tensors.items():
        if name != "standard_error" and not np.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not finite")
    statistics = []
    for row in range(len(description["classes"])):
        numbers = {name: float(tensors[name][row]) for name in _STATISTICS}
        statistics.append(
            SufficientStatistics(
                resultant=tensors["resultant"][row],
                resultant_lo=tensors["resultant_lo"][row],
                count=numbers["count"],
                weight=numbers["weight"],
                weight2=numbers["weight2"],
                normalised=int(numbers["normalised"]),
                skipped=int(numbers["skipped"]),
                dispersion=numbers["dispersion"],
            )
        )
    return Model(
        classes=tuple(description["classes"]),
        mean_direction=tensors["mean_direction"],
        concentration=tensors["concentration"],
        standard_error=tensors["standard_error"],
        statistics=tuple(statistics),
        estimator=description["estimator"],
        sources=tuple(description["sources"]),
        left_out=tuple(description["left_out"]),
        toolkit_version=description["toolkit_version"],
        kind=description.get("kind", "classes"),
    )
