"""What a configuration may hold: one model an experiment, every key with its type and range."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vmf.experiments.point_sets import RANGES


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3, without a point, as text; a truth value is never meant as a number."""
    if isinstance(value, bool):
        raise ValueError("should be a number")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError("should be a number") from None
    return value


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("should be a whole number")
    return value


def _known_range(name: str) -> str:
    if name not in RANGES:
        raise ValueError(f"should be one of {', '.join(RANGES)}")
    return name


Number = Annotated[float, BeforeValidator(_number)]
WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
Count = Annotated[WholeNumber, Field(ge=1)]
Seconds = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
RangeName = Annotated[str, BeforeValidator(_known_range)]
Function = Literal["log_iv", "log_kv"]
LibraryName = Literal["vmf", "paper", "scipy", "mpmath", "tfp"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Interval(_Section):
    """A range of positive numbers, spaced evenly in the logarithm."""

    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) should be below high ({self.high:g})")
        return self


class SlowLibraries(_Section):
    """Limits for libraries that compute one value at a time."""

    points: Count
    seconds_a_value: Seconds


class ErrorMap(_Section):
    """The error over the (v, x) plane."""

    orders: Interval
    arguments: Interval
    cells: Annotated[Count, Field(ge=4, le=1000)]
    libraries: Annotated[list[LibraryName], Field(min_length=1, max_length=5)]


class BesselAccuracy(_Section):
    """`bessel-accuracy`: errors of log I and log K beside Arb."""

    experiment: Literal["bessel-accuracy"]
    seed: Annotated[WholeNumber, Field(ge=0)]
    functions: Annotated[list[Function], Field(min_length=1)]
    libraries: Annotated[list[LibraryName], Field(min_length=1)]
    ranges: Annotated[list[RangeName], Field(min_length=1)]
    points: Count
    slow: SlowLibraries
    map: ErrorMap
    processes: Count


class TimedGrid(_Section):
    """Cells of the (v, x) plane, each timed on points drawn inside it."""

    orders: Interval
    arguments: Interval
    cells: Annotated[Count, Field(ge=2, le=100)]
    points: Count


class BesselRuntime(_Section):
    """`bessel-runtime`: nanoseconds a value, and the speed-ups of the paper's abstract."""

    experiment: Literal["bessel-runtime"]
    seed: Annotated[WholeNumber, Field(ge=0)]
    functions: Annotated[list[Function], Field(min_length=1)]
    libraries: Annotated[list[LibraryName], Field(min_length=1)]
    ranges: Annotated[list[RangeName], Field(min_length=1)]
    points: Count
    repeats: Count
    grid: TimedGrid
    slow: SlowLibraries
    gpu_points: Count


class FeatureFile(_Section):
    """Features that exist already, with what is known of them."""

    name: Annotated[str, Field(min_length=1)]
    train: Annotated[str, Field(min_length=1)]
    train_labels: str | None = None
    test: str | None = None
    test_labels: str | None = None


class Extract(_Section):
    """How features that are not there yet are made; see `vmf extract`."""

    images: Annotated[str, Field(min_length=1)]
    weights: Annotated[str, Field(min_length=1)]
    sizes: Annotated[list[Annotated[Count, Field(multiple_of=32)]], Field(min_length=1)]
    limit: Count | None = None
    dtype: Literal["float32", "float16"]
    folder: Annotated[str, Field(min_length=1)]


class Peers(_Section):
    """What the other libraries are given."""

    rows: Annotated[Count, Field(ge=2)]
    seconds: Seconds
    lengths: Annotated[Count, Field(ge=2)]


class VMFCifar10(_Section):
    """`vmf-cifar10`: von Mises-Fisher fits of CIFAR-10's ResNet50 features."""

    experiment: Literal["vmf-cifar10"]
    seed: Annotated[WholeNumber, Field(ge=0)]
    files: list[FeatureFile]
    extract: Extract
    held_out: Annotated[Number, Field(gt=0, lt=1)]
    peers: Peers
