"""Passes over more rows than one machine reads in good time, on dask.distributed.

The calls are those of one machine with a client: ``vmf.embeddings.fitting.fit_files(...,
client=client)``, ``vmf.passes.fitting.fit_to_file``, ``vmf.passes.scoring.score_to_file``; the
estimators take dask arrays. Statistics are merged in the order of the rows, so the number of
workers, and what happens to them, changes no bit of a fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmf.embeddings.errors import EmbeddingError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["open_client"]


@contextmanager
def open_client(address: str | None = None, workers: int | None = None) -> Iterator[Client | None]:
    """Connect to a cluster, or start one of processes on this machine that ends with the block.

    Parameters
    ----------
    address : str, optional
        Of the scheduler: ``tcp://host:8786``.
    workers : int, optional
        How many processes of one thread each to start here instead.

    Yields
    ------
    distributed.Client or None
        None, which the calls take for this process, when neither is given.

    Raises
    ------
    EmbeddingError
        When both are given, the address is none, or dask is not installed.
    ClusterError
        When the scheduler cannot be reached, or its workers have another version of this toolkit.
    """
    if address is None and workers is None:
        yield None
        return
    if address is not None and workers is not None:
        raise EmbeddingError(
            None, "--cluster names workers that are there, --workers starts some; give one of them"
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
