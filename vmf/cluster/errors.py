"""The one exception for a cluster that does not do its work."""

from __future__ import annotations

from vmf.embeddings.errors import one_line


class ClusterError(ConnectionError):
    """The scheduler or its workers cannot be used, or are lost; ``str(error)`` is one line."""

    filename = ""  # No file is to blame.

    def __init__(self, problem: str) -> None:
        super().__init__(one_line(problem))
