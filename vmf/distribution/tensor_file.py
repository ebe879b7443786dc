"""Arrays and what is said of them as the bytes of a safetensors file, the same for the same input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def tensor_bytes(tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The contents of a safetensors file.

    The library orders the metadata anew in each call; here their keys are sorted, so that equal models
    are equal files.
    """
    from safetensors.numpy import save

    contents = save(
        {name: np.ascontiguousarray(one) for name, one in tensors.items()}, dict(metadata)
    )
    end = 8 + int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + contents[end:]
