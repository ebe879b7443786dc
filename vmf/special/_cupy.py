"""CuPy arrays: RawKernels from the sources of the compiled extension, on the current stream.

Results are float32 where all arrays are float32 or types NumPy converts to it (float16, int8, int16,
bool), else float64; Python numbers adapt to the arrays. Arguments broadcast without being copied.
NaN comes out silently where NumPy's error state would tell of an invalid value: asking the device
would wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vmf.arrays.gpu import kernel, require_cupy
from vmf.arrays.libraries import is_cupy

_BLOCK = 256
_BLOCKS_PER_MULTIPROCESSOR = 32
_DIMENSIONS = 4


def evaluate(name: str, a: Any, x: Any, *, out: Any = None, dtype: Any = None) -> Any:
    """Evaluate the function `name` on CuPy arrays and numbers, of which one at least is an array.

    Parameters
    ----------
    a, x : cupy.ndarray or number
        Shapes that broadcast; both on one device.
    out : cupy.ndarray, optional
        Of the broadcast shape and the result's dtype, any strides.
    dtype : float32 or float64, optional
        Type of the computation and the result.

    Raises
    ------
    TypeError
        Complex numbers, NumPy arrays beside CuPy arrays, other types of `out`.
    ValueError
        Shapes that do not broadcast, arrays on different devices.
    """
    cupy = require_cupy()
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    given = [value for value in (a, x, out) if is_cupy(value)]
    device = given[0].device
    if any(value.device != device for value in given):
        devices = sorted({int(value.device.id) for value in given})
        raise ValueError(f"{name}: the arrays are on devices {devices}; move them to one")
    with device:
        return _evaluate(cupy, name, int(device.id), a, x, out, dtype)


def _evaluate(cupy: Any, name: str, device: int, a: Any, x: Any, out: Any, dtype: Any) -> Any:
    result_type = _result_type(name, (a, x), dtype)
    arguments = [_argument(name, value, result_type) for value in (a, x)]
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments if is_cupy(argument)))
    if out is None:
        out = cupy.empty(shape, result_type)
    elif not is_cupy(out) or out.shape != shape or out.dtype != result_type:
        raise TypeError(f"{name}: out must be a CuPy array of shape {shape} and {result_type}")
    elif any(_overlap(cupy, out, argument) for argument in arguments):
        arguments = [value.copy() if is_cupy(value) else value for value in arguments]
    if out.size == 0:
        return out

    pointers = [value if is_cupy(value) else np.uintp(0) for value in arguments]
    values = [result_type.type(0 if is_cupy(value) else value) for value in arguments]
    strides = [_broadcast_strides(value, shape) for value in (*arguments, out)]
    sizes, steps = collapse(shape, strides)
    if len(sizes) > _DIMENSIONS:
        contiguous = [
            cupy.ascontiguousarray(cupy.broadcast_to(value, shape)) if is_cupy(value) else value
            for value in arguments
        ]
        target = cupy.empty(shape, result_type)
        _evaluate(cupy, name, device, contiguous[0], contiguous[1], target, result_type)
        out[...] = target
        return out

    n = out.size
    aligned = all(value.data.ptr % 16 == 0 for value in (*arguments, out) if is_cupy(value))
    flat = [step[0] for step in steps] if len(sizes) == 1 else None
    layout = "strided"
    given: tuple[Any, ...]
    if aligned and flat == [0, 1, 1] and is_cupy(x):
        layout = "one_order"
        given = (pointers[0], values[0], pointers[1], out, np.int64(n))
    elif aligned and flat == [1, 1, 1] and all(is_cupy(value) for value in arguments):
        layout = "paired"
        given = (pointers[0], pointers[1], out, np.int64(n))
    else:
        missing = _DIMENSIONS - len(sizes)
        padded = [(0,) * missing + tuple(step) for step in steps]
        given = (
            pointers[0],
            values[0],
            pointers[1],
            values[1],
            out,
            np.int64(n),
            *(np.int64(size) for size in ((1,) * missing + tuple(sizes))[1:]),
            *(np.int64(step) for strides_of_one in padded for step in strides_of_one),
        )
    precision = "double" if result_type == np.float64 else "float"
    function = kernel(
        "special.cu",
        f"{name}_{layout}_{precision}",
        device,
        function=name,
        layout=layout,
        float=precision,
    )
    multiprocessors = int(cupy.cuda.Device(device).attributes["MultiProcessorCount"])
    per_thread = 1 if layout == "strided" else 16 // result_type.itemsize
    blocks = min(-(-n // (_BLOCK * per_thread)), _BLOCKS_PER_MULTIPROCESSOR * multiprocessors)
    function((blocks,), (_BLOCK,), given)
    return out


def _result_type(name: str, values: Sequence[Any], dtype: Any) -> np.dtype[Any]:
    if dtype is not None:
        wanted: np.dtype[Any] = np.dtype(dtype)
        if wanted not in (np.float32, np.float64):
            raise TypeError(f"{name}: dtype is {wanted}; expected float32 or float64")
        return wanted
    # Python's own numbers adapt, NumPy's scalars count as arrays do.
    arrays: list[np.dtype[Any]] = [
        value.dtype if is_cupy(value) else np.asarray(value).dtype
        for value in values
        if isinstance(value, np.generic) or not isinstance(value, (bool, int, float))
    ]
    if any(kind.kind not in "fiub" or kind.itemsize > 8 for kind in arrays):
        raise TypeError(f"{name} takes float16, float32, float64, integers or bool, got {arrays}")
    narrow = all(np.can_cast(kind, np.float32, "safe") for kind in arrays)
    chosen: np.dtype[Any] = np.dtype(np.float32 if narrow else np.float64)
    return chosen


def _argument(name: str, value: Any, dtype: np.dtype[Any]) -> Any:
    if is_cupy(value):
        return value.astype(dtype, copy=False)
    if np.ndim(value) != 0:
        raise TypeError(
            f"{name}: a {type(value).__name__} beside a CuPy array; convert it with cupy.asarray"
        )
    return float(value)


def _overlap(cupy: Any, out: Any, argument: Any) -> bool:
    """Whether writing `out` may change elements of `argument` that are still to be read."""
    if not is_cupy(argument) or not cupy.may_share_memory(out, argument):
        return False
    same_place = argument.data.ptr == out.data.ptr
    return not (same_place and argument.shape == out.shape and argument.strides == out.strides)


def _broadcast_strides(value: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of `value` seen in `shape`; 0 where it is repeated."""
    if not is_cupy(value):
        return (0,) * len(shape)
    missing = len(shape) - value.ndim
    steps = [
        0 if size == 1 else stride // value.itemsize
        for size, stride in zip(value.shape, value.strides, strict=True)
    ]
    broadcast: tuple[int, ...] = (0,) * missing + tuple(steps)
    return broadcast


def collapse(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Drop axes of length 1 and join neighbours that every array walks through in one stride.

    Returns sizes and, for each array, strides of the axes that are left, one at least.
    """
    sizes: list[int] = []
    left: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if sizes and all(
            kept[-1] == stride[axis] * size for kept, stride in zip(left, strides, strict=True)
        ):
            sizes[-1] *= size
            for kept, stride in zip(left, strides, strict=True):
                kept[-1] = stride[axis]
            continue
        sizes.append(size)
        for kept, stride in zip(left, strides, strict=True):
            kept.append(stride[axis])
    if not sizes:
        return [math.prod(shape)], [
            [0] if i < len(strides) - 1 else [1] for i in range(len(strides))
        ]
    return sizes, left
