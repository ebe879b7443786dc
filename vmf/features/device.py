"""Where a network runs, and with what numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vmf.errors import FeatureError

if TYPE_CHECKING:
    pass

Precision = Literal["float32", "tf32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Device:
    """A torch device and how it computes.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ...
    precision : {"float32", "tf32", "bfloat16", "float16"}
        float32 computes in IEEE single precision, on a GPU too, where torch by itself would take
        TF32 for convolutions. The last two are torch.autocast.
    """

    name: str
    precision: Precision = "float32"

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda``, ``mps``."""
        return self.name.partition(":")[0]

    @property
    def channels_last(self) -> bool:
        """Whether maps are laid out with the channel as the last axis.

        Tensor cores need it. On a CPU it was measured slower (docs/features.md).
        """
        return self.kind == "cuda" and self.precision != "float32"

    def model_name(self) -> str:
        """The hardware, in words, as far as it decides about the last bits of a result."""
        import torch

        if self.kind == "cuda":
            return str(torch.cuda.get_device_name(self.name))
        if self.kind == "cpu":
            return f"CPU, {torch.backends.cpu.get_cpu_capability()}"
        return self.kind

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Inference in this precision, with repeatable convolutions; restored afterwards."""
        import torch

        cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
        before = cudnn.allow_tf32, cuda.matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
        fast = self.precision == "tf32"
        reduced = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(self.precision)
        try:
            cudnn.allow_tf32 = cuda.matmul.allow_tf32 = fast
            cudnn.deterministic, cudnn.benchmark = True, False
            with (
                torch.inference_mode(),
                torch.autocast(self.kind, dtype=reduced, enabled=reduced is not None),
            ):
                yield
        finally:
            cudnn.allow_tf32, cuda.matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def choose_device(name: str, precision: Precision, local_rank: int = 0) -> Device:
    """``auto`` is the first CUDA device, else Apple's, else the CPU; a process of torchrun its own.

    Raises
    ------
    FeatureError
        When the device does not exist here or cannot compute in that precision.
    """
    import torch

    if name == "auto":
        name = "cpu"
        if torch.cuda.is_available():
            name = "cuda"
        elif torch.backends.mps.is_available():
            name = "mps"
    try:
        wanted = torch.device(name)
        if wanted.type == "cuda" and wanted.index is None and torch.cuda.is_available():
            wanted = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, ValueError) as error:
        there = ["cpu"]
        there += [f"cuda:{k}" for k in range(torch.cuda.device_count())]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise FeatureError(
            None, f"there is no device {name!r} here ({_first_line(error)}); {', '.join(there)}"
        ) from error
    device = Device(str(wanted), precision)
    if precision == "tf32" and device.kind != "cuda":
        raise FeatureError(None, f"TF32 is a number format of CUDA devices, not of {device.kind}")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a smaller batch may succeed."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # The CPU's allocator and oneDNN have no class of their own for it.
    text = str(error).lower() if isinstance(error, RuntimeError) else ""
    signs = ("not enough memory", "can't allocate memory", "out of memory", "could not allocate")
    return any(sign in text for sign in signs)


def free_memory(device: Device) -> None:
    """Return what torch keeps in reserve, after an allocation failed."""
    import torch

    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()


def _first_line(error: BaseException) -> Any:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
