"""Clients of dask clusters: one that is there, or one of processes on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dask
import distributed
from distributed.utils import silence_logging_cmgr

from vmf.errors import Argument, ClusterError, EmbeddingError

_SECONDS_TO_CONNECT = 15

# Workers use the memory of one chunk for the next, as this process does, instead of giving it back; there
# are as many of them as threads are wanted.
_ENVIRONMENT = {
    "distributed.nanny.pre-spawn-environ.VMF_NUM_THREADS": "1",
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": str(1 << 25),
}
_SECONDS_FOR_WORKERS = 60


@contextmanager
def start(workers: int | None) -> Iterator[distributed.Client]:
    """Start this many processes, replaced when they die; they end with the block."""
    if workers is None or workers < 1:
        raise EmbeddingError(None, Argument("workers"), f" is {workers}; it must be at least 1")
    with (
        dask.config.set(_ENVIRONMENT),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL,
            preload=["vmf.cluster.worker_process"],
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def connect(address: str) -> Iterator[distributed.Client]:
    """Connect to a scheduler and see that its workers have this version of the toolkit.

    Raises
    ------
    EmbeddingError
        When ``address`` is none.
    ClusterError
        When nobody answers there, or workers cannot do the work.
    """
    protocol, separator, host = address.partition("://")
    if not separator or not host:
        raise EmbeddingError(
            None,
            Argument("address"),
            f" {address!r} is no address of a scheduler, as tcp://host:8786 is",
        )
    with silence_logging_cmgr(logging.CRITICAL):
        try:
            client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT, name="vmf")
        except (OSError, ValueError, ImportError) as error:
            raise ClusterError(
                f"the scheduler {address} cannot be reached ({error}); is it running there, and is"
                f" {protocol} the protocol that it says?"
            ) from error
        try:
            check_workers(client)
            yield client
        finally:
            with suppress(OSError, TimeoutError):
                client.close(timeout=2)


def check_workers(client: distributed.Client) -> None:
    """Wait for a worker, and see that all have this version of the toolkit; ClusterError."""
    from vmf.version import __version__

    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
    except TimeoutError as error:
        raise ClusterError(
            f"the scheduler {address} has no workers (waited {_SECONDS_FOR_WORKERS} s); start some:"
            f" dask worker {address}"
        ) from error
    # An expression, because a function of this package cannot be sent to who has not the package.
    found = client.run(eval, "__import__('vmf').__version__", on_error="return")
    for worker, version in sorted(found.items()):
        if isinstance(version, ModuleNotFoundError):
            raise ClusterError(
                f"the worker {worker} has no vmf-toolkit; install version {__version__} where the"
                " workers run"
            )
        if version != __version__:
            raise ClusterError(
                f"the worker {worker} has vmf-toolkit {version}, this process {__version__}; install"
                " one version on all machines"
            )


def threads(client: distributed.Client) -> int:
    """How many tasks the workers can do at a time."""
    return sum(client.nthreads().values()) or os.cpu_count() or 1
