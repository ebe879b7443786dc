"""The exception for what the person who runs an experiment can put right."""

from __future__ import annotations

from vmf.embeddings.errors import one_line


class ExperimentError(ValueError):
    """An experiment cannot run as it was asked for; ``str(error)`` is one line with the cure."""

    def __init__(self, problem: str) -> None:
        super().__init__(one_line(problem))
