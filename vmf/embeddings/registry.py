"""The formats there are, and which one a file is in.

A format is recognised by the first bytes of the file; the extension decides only for text, which
has no signature. The readers' modules are imported when they are first needed. Another package adds
a format by an entry point of the group ``vmf.embeddings`` that names a :class:`Format`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy.typing as npt

from vmf.embeddings.collection import EmbeddingCollection
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.places import (
    Place,
    entries,
    exists,
    find_place,
    in_turn,
    is_folder,
    is_pattern,
    matching,
    open_binary,
)
from vmf.errors import Argument, EmbeddingError

_HEAD_BYTES = 4096

_FOREIGN = {  # signatures of what people also have on disk
    b"FEA1": "a Feather file of version 1 (write version 2: pyarrow.feather.write_feather)",
    b"BZh": "a bzip2-compressed file",
    b"\xfd7zXZ": "an xz-compressed file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"MATLAB 5.0": "a MATLAB file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"SQLite format 3": "an SQLite database",
}


@dataclass(frozen=True)
class Writing:
    """How files of a format are written.

    Parameters
    ----------
    opener : str
        ``"module:callable"``; see :mod:`vmf.embeddings.writers`.
    text, bfloat16, scale : bool
        Whether the format has a place for strings, for bfloat16, and for the scale of integers.
    folder : bool
        Whether the output is a folder.
    """

    opener: str
    text: bool = True
    bfloat16: bool = False
    scale: bool = True
    folder: bool = False

    def open(self, temporary: Path, path: str | os.PathLike[str], layout: Any) -> Any:
        """The writer, as a context."""
        return _load(self.opener)(temporary, path, layout)


@dataclass(frozen=True)
class Format:
    """A file format and its reader.

    Parameters
    ----------
    name : str
        For messages, and the value of :attr:`EmbeddingFile.format`.
    extensions : tuple of str
        With the dot, in lower case.
    signature : bytes
        What every such file begins with; empty for text.
    reader : str
        ``"module:callable"``, called with the path and, if ``takes_column``, the column choice.
    takes_column : bool
        Whether a column, or a member, can be chosen.
    recognises : str
        ``"module:callable"`` for what a signature cannot tell, called with the place and its first
        bytes; the answer is whether the file is in this format.
    labels : str
        ``"module:callable"``, called with the place and a column: yields the values of a column of
        labels, as arrays or lists of strings. Empty where there are none.
    writing : Writing, optional
        None where files in this format are read only.
    """

    name: str
    extensions: tuple[str, ...]
    signature: bytes
    reader: str
    takes_column: bool = True
    recognises: str = ""
    labels: str = ""
    writing: Writing | None = None

    def claims(self, path: Place, head: bytes) -> bool:
        """Whether a file that begins with ``head`` is in this format."""
        if self.signature and not head.startswith(self.signature):
            return False
        return bool(_load(self.recognises)(path, head)) if self.recognises else bool(self.signature)

    def open(self, path: Place, column: str | None) -> EmbeddingFile:
        """The opened file."""
        if column is not None and not self.takes_column:
            raise EmbeddingError(
                path, Argument("column"), f" does not apply: a .{self.name} holds one array"
            )
        reader: Callable[..., EmbeddingFile] = _load(self.reader)
        return reader(path, column) if self.takes_column else reader(path)

    def read_labels(self, path: Place, column: str | None) -> Iterator[Any]:
        """The values of a column of labels, in parts."""
        found: Iterator[Any] = _load(self.labels)(path, column)
        return found


def _load(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


ENTRY_POINTS = "vmf.embeddings"
_ADDED: set[object] = set()
_BESIDE = (".labels.npy", ".scale.npy", ".labels.txt")
"""Endings of files that belong to an embedding file of the same folder."""

_FORMATS: list[Format] = []

_LABEL_READERS = {"csv": "text_labels", "npy": "npy_labels", "npz": "npy_labels"}
"""Modules of the formats that keep the readers of labels apart from those of embeddings."""


def register(new: Format) -> None:
    """Add a format; the latest one wins where two claim the same signature or extension."""
    _FORMATS.insert(0, new)


def _here(
    name: str,
    extensions: tuple[str, ...],
    signature: bytes,
    reader: str,
    writer: str = "",
    *,
    takes_column: bool = True,
    recognises: str = "",
    **abilities: bool,
) -> None:
    """Add one of the formats of this package, whose modules have the usual names."""
    module, _, _ = reader.partition(":")
    register(
        Format(
            name,
            extensions,
            signature,
            f"vmf.embeddings.{reader}",
            takes_column,
            recognises and f"vmf.embeddings.{recognises}",
            f"vmf.embeddings.{_LABEL_READERS.get(name, module)}:read_label_column",
            Writing(f"vmf.embeddings.writers.{writer}", **abilities) if writer else None,
        )
    )


_CSV = (".csv", ".tsv")
_COMPRESSED = (".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
_IS_COMPRESSED = "csv:is_compressed_text"
_IS_SAFETENSORS = "safetensors:begins_like_safetensors"
_ARROW = "arrow:open_arrow_writer"
_TEXT = "text:open_writer"

# fmt: off
_here("csv", (".txt",), b"", "csv:CsvFile")
_here("csv", (".txt.gz", ".txt.zst"), b"", "csv:CsvFile", recognises=_IS_COMPRESSED)
_here("csv", _CSV, b"", "csv:CsvFile", _TEXT, scale=False)
_here("csv", _COMPRESSED, b"", "csv:CsvFile", _TEXT, scale=False, recognises=_IS_COMPRESSED)
_here("arrow stream", (".ipc",), b"\xff\xff\xff\xff", "arrow:ArrowFile", _ARROW)
_here("arrow", (".arrow", ".feather"), b"ARROW1", "arrow:ArrowFile", _ARROW)
_here("safetensors", (".safetensors",), b"", "safetensors:SafetensorsFile",
      "safetensors:open_writer", recognises=_IS_SAFETENSORS, text=False, bfloat16=True)
_here("zarr", (".zarr",), b"", "zarr:ZarrFile", "zarr:open_writer",
      recognises="zarr:is_zarr_folder", folder=True)
_here("hdf5", (".h5", ".hdf5"), b"\x89HDF\r\n\x1a\n", "hdf5:Hdf5File", "hdf5:open_writer")
_here("parquet", (".parquet", ".pq"), b"PAR1", "parquet:ParquetFile", "arrow:open_parquet_writer")
_here("npz", (".npz",), b"PK\x03\x04", "npz:NpzFile", "npz:open_writer")
_here("pytorch", (".pt", ".pth"), b"PK\x03\x04", "pytorch:PytorchFile", "pytorch:open_writer",
      recognises="pytorch:is_checkpoint", text=False, bfloat16=True)
_here("npy", (".npy",), b"\x93NUMPY", "npy:NpyFile", "npy:open_writer", takes_column=False,
      scale=False)
# fmt: on


def open_embeddings(
    path: str | os.PathLike[str],
    column: str | None = None,
    *,
    scale: npt.ArrayLike | None = None,
) -> EmbeddingFile:
    """Open embeddings, one row each, whatever their format and wherever they are.

    Parameters
    ----------
    path : path-like
        A file, a folder of files, a pattern (``part-*.parquet``, ``**`` for any depth), or an
        fsspec URL of one of them. Files of a folder, those of its folders too, and of a pattern are
        taken in the order of their paths. See docs/embeddings.md for the formats.
    column : str, optional
        The member of a ``.npz``, the dataset, array or tensor of a file that holds several, the
        list column of a table, or its coordinate columns: names, patterns (``x*``), positions and
        ranges (``1:129``), separated by commas.
    scale : float or array, optional
        What stored integers are to be multiplied by, in place of a scale stored beside them; see
        :meth:`EmbeddingFile.set_scale`.

    Returns
    -------
    EmbeddingFile
        With ``shape``, ``dtype`` and ``chunks()``. Only the beginning of each file has been read.

    Raises
    ------
    EmbeddingError
        One line that names the file, what is wrong with it and what to do.
    """
    place = find_place(path)
    try:
        file = _open(place, column, scale)
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error
    return file


def _open(place: Place, column: str | None, scale: npt.ArrayLike | None) -> EmbeddingFile:
    if not is_pattern(place) and not is_folder(place):
        file = _format_of(place).open(place, column)
    elif not is_pattern(place) and (store := _store_format(place)) is not None:
        file = store.open(place, column)
    else:
        files = find_files(place)
        return EmbeddingCollection(place, in_turn(files, lambda one: _open(one, column, scale)))
    if scale is not None:
        file.set_scale(scale)
        file.given_scale = scale
    return file


def find_all(path: str | os.PathLike[str]) -> list[Place]:
    """The files that a path, folder, pattern or URL stands for; EmbeddingError for none."""
    place = find_place(path)
    several = is_pattern(place) or (is_folder(place) and _store_format(place) is None)
    return find_files(place) if several else [place]


def find_files(place: Place) -> list[Place]:
    """The embedding files of a folder or a pattern, in order; folders that are stores count as one.

    Raises
    ------
    EmbeddingError
        When there is none.
    """
    _add_from_entry_points()
    if not is_pattern(place):
        found = list(_walk(place))
        if not found:
            raise EmbeddingError(
                place, f"is a folder without embedding files; they end in {_readable()}"
            )
        return found
    found = []
    for match in matching(place):
        if not is_folder(match) or _store_format(match) is not None:
            found.append(match)
    if not found:
        raise EmbeddingError(place, "matches no file")
    return found


def _walk(folder: Place, above: frozenset[str] = frozenset()) -> Iterator[Place]:
    endings = tuple(extensions())
    if isinstance(folder, Path):
        above |= {os.path.realpath(folder)}
    for place, is_a_folder in entries(folder):
        if is_a_folder and _store_format(place) is None:
            if os.path.realpath(place) not in above:  # else a link that leads back
                yield from _walk(place, above)
        elif is_a_folder or (
            place.name.lower().endswith(endings) and not place.name.lower().endswith(_BESIDE)
        ):
            yield place


def _store_format(folder: Place) -> Format | None:
    """The format in which a folder is one file."""
    return next((f for f in _FORMATS if f.recognises and f.claims(folder, b"")), None)


def _format_of(place: Place) -> Format:
    if not exists(place):
        raise EmbeddingError(place, "does not exist")
    if isinstance(place, Path) and not place.is_file():
        raise EmbeddingError(place, "is not a regular file; save it to disk first")
    with open_binary(place) as stream:
        head = stream.read(_HEAD_BYTES)
    return find_format(place, head)


def format_by_name(place: Place) -> Format | None:
    """The format that the ending of a name stands for."""
    name = place.name.lower()
    known = next((f for f in _FORMATS if name.endswith(f.extensions)), None)
    if known is None and _add_from_entry_points():
        known = next((f for f in _FORMATS if name.endswith(f.extensions)), None)
    return known


def extensions(which: Callable[[Format], object] = lambda _: True) -> list[str]:
    """The endings of all formats, or of those that ``which`` picks."""
    return list(dict.fromkeys(e for f in _FORMATS if which(f) for e in f.extensions))


def _readable() -> str:
    return ", ".join(extensions())


def find_format(path: Place, head: bytes) -> Format:
    """The format of the file that begins with ``head``.

    Raises
    ------
    EmbeddingError
        For an empty file, one in a known foreign format, and one that nothing recognises.
    """
    if not head:
        raise EmbeddingError(path, "is empty (0 bytes)")
    known = next((f for f in _FORMATS if f.claims(path, head)), None)
    if known is None and _add_from_entry_points():
        known = next((f for f in _FORMATS if f.claims(path, head)), None)
    if known is not None:
        return known
    foreign = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign is None and head[:1] == b"\x80" and head[1:2] <= b"\x05":
        foreign = "a Python pickle, which is never loaded"
    extension = path.suffix.lower()
    if foreign is None:
        by_name = next((f for f in _FORMATS if extension in f.extensions), None)
        if by_name is not None and not by_name.signature and b"\0" not in head:
            return by_name
        foreign = "a binary file" if b"\0" in head else "a text file"
        if by_name is not None:
            raise EmbeddingError(
                path,
                f"is not a {by_name.name} file although its name ends in {extension}"
                f" (it looks like {foreign}, beginning with {head[:8]!r}); is it damaged?",
            )
    raise EmbeddingError(path, f"looks like {foreign}; embeddings are read from {_readable()}")


def _add_from_entry_points() -> bool:
    """Register what installed packages add, once; whether there was any."""
    from importlib.metadata import entry_points

    added = False
    for one in entry_points(group=ENTRY_POINTS):
        if one in _ADDED:
            continue
        _ADDED.add(one)
        try:
            new = one.load()
        except Exception as error:  # whatever another package's import raises
            raise EmbeddingError(
                None, f"the entry point {one.name!r} = {one.value!r} cannot be loaded ({error})"
            ) from error
        if not isinstance(new, Format):
            raise EmbeddingError(None, f"the entry point {one.name!r} = {one.value!r} is no Format")
        register(new)
        added = True
    return added
