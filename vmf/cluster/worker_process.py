"""What a worker that this toolkit starts does first; dask calls `dask_setup` in its process."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that started the worker.

    It ends the workers in order; and should it be killed, they end with it by themselves.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
