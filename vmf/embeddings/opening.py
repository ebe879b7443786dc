"""Several files whose rows belong together, opened, with their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy.typing as npt

from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.labels import Labels, join_labels, read_labels
from vmf.embeddings.left_out import LeftOut
from vmf.embeddings.registry import find_all, open_embeddings
from vmf.errors import BadRowError, EmbeddingError, PathLike

Progress = Callable[[int, int], None]
"""Called with the rows done so far and the rows in all."""


def open_files(
    paths: Sequence[PathLike],
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    left_out: LeftOut | None = None,
) -> list[EmbeddingFile]:
    """The files of :func:`open_groups`, one after the other."""
    return [file for group in open_groups(paths, column, scale, left_out) for file in group]


def open_groups(
    paths: Sequence[PathLike],
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    left_out: LeftOut | None = None,
) -> list[list[EmbeddingFile]]:
    """Open several files whose rows belong together.

    Parameters
    ----------
    left_out : LeftOut, optional
        Takes in the files that cannot be opened, or whose rows cannot be counted, which are an
        error without it.

    Returns
    -------
    list of list of EmbeddingFile
        For each of the paths its files: several for a folder or a pattern.

    Raises
    ------
    EmbeddingError
        When one cannot be read, is given twice, or has another dimension than the first.
    """
    if not paths:
        raise EmbeddingError(None, "no embedding file was given")
    # A folder is taken apart: a checkpoint, say, must know which of its files have been read.
    if left_out is None:
        groups = [list(open_embeddings(path, column, scale=scale).parts) for path in paths]
    else:

        def counted(place: PathLike) -> EmbeddingFile:
            file = open_embeddings(place, column, scale=scale)
            _ = file.rows
            return file

        groups = [list(left_out.opened(find_all(path), counted)) for path in paths]
        left_out.check(sum(map(len, groups)))
    first = next(group for group in groups if group)[0]
    seen = set()
    for file in (file for group in groups for file in group):
        if file.identity in seen:
            raise EmbeddingError(file.path, "is given twice; its rows would count double")
        seen.add(file.identity)
        if file.dimension != first.dimension:
            raise EmbeddingError(
                file.path,
                f"has dimension {file.dimension}, but {first.path} has {first.dimension};"
                " files fitted together need the same",
            )
    return groups


def bad_row(file: EmbeddingFile, error: BadRowError) -> EmbeddingError:
    """The message about a row without a direction, with its place in the file."""
    return EmbeddingError(
        file.path,
        f"{file.locate(error.row, error.column)}: {error.reason}; ",
        *error.cure,
    )


def labels_for(groups: Sequence[Sequence[EmbeddingFile]], sources: Sequence[PathLike]) -> Labels:
    """One label a row, the rows of all files in order.

    Parameters
    ----------
    groups
        See :func:`open_groups`.
    sources : sequence of path-like
        One for all rows, one for each group, or one for each file. What goes with a group of which
        no file could be opened is not read.
    """
    files = [file for group in groups for file in group]
    if len(sources) == 1:
        groups = [files]
    elif len(sources) == len(groups):
        sources = [source for source, group in zip(sources, groups, strict=True) if group]
        groups = [group for group in groups if group]
    elif len(sources) == len(files):
        groups = [[file] for file in files]
    else:
        raise EmbeddingError(
            None,
            f"{len(sources)} label files for {len(files)} embedding files; give one for all rows or"
            " one for each file",
        )
    parts = [read_labels(source) for source in sources]
    for source, part, group in zip(sources, parts, groups, strict=True):
        rows = sum(file.rows for file in group)
        if len(part) != rows:
            names = ", ".join(str(file.path) for file in group[:3])
            more = f" and {len(group) - 3} more" if len(group) > 3 else ""
            raise EmbeddingError(
                source,
                f"has {len(part)} labels, but {names}{more} {'have' if len(group) > 1 else 'has'}"
                f" {rows} rows; there must be one label a row",
            )
    return parts[0] if len(parts) == 1 else join_labels(parts)
