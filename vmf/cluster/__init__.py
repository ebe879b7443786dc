"""Passes over more rows than one machine reads in good time, on dask.distributed.

The calls are those of one machine with another runner: ``vmf.jobs.fit.fit_files(..., runner=runner)``
and all others of `vmf.jobs`; the estimators take dask arrays. Statistics are merged in the order of
the rows, so the number of workers, and what happens to them, changes no bit of a fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmf.errors import Argument, EmbeddingError

if TYPE_CHECKING:
    from distributed import Client

    from vmf.passes.engine import Runner

__all__ = ["open_client", "open_runner"]


@contextmanager
def open_runner(address: str | None = None, workers: int | None = None) -> Iterator[Runner]:
    """Give what runs the passes: the workers of a cluster, or this process when neither is given.

    Parameters, errors
        See `open_client`.
    """
    from vmf.passes.here import Here

    if address is None and workers is None:
        yield Here()
        return
    with open_client(address, workers) as client:
        from vmf.cluster.runner import Spread

        yield Spread(client)


@contextmanager
def open_client(address: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """Connect to a cluster, or start one of processes on this machine that ends with the block.

    Parameters
    ----------
    address : str, optional
        Of the scheduler: ``tcp://host:8786``.
    workers : int, optional
        How many processes of one thread each to start here instead.

    Raises
    ------
    EmbeddingError
        When not one of the two is given, the address is none, or dask is not installed.
    ClusterError
        When the scheduler cannot be reached, or its workers have another version of this toolkit.
    """
    if (address is None) == (workers is None):
        raise EmbeddingError(
            None,
            "give one of ",
            Argument("address"),
            ", whose workers are there, and ",
            Argument("workers"),
            ", which starts some",
        )
    try:
        from vmf.cluster.connection import connect, start
    except ImportError as error:
        raise EmbeddingError(
            None,
            f"a cluster needs dask ({error}): pip install 'vmf-toolkit[cluster]'",
        ) from error
    with start(workers) if address is None else connect(address) as client:
        yield client
