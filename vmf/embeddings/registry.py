"""The formats there are, and which one a file is in.

A format is recognised by the first bytes of the file; the extension decides only for text, which
has no signature. The readers' modules are imported when they are first needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.errors import EmbeddingError

_HEAD_BYTES = 4096

_FOREIGN = {  # signatures of what people also have on disk
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"ARROW1": "an Arrow/Feather file",
    b"\x1f\x8b": "a gzip-compressed file",
    b"\x28\xb5\x2f\xfd": "a zstd-compressed file",
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
    """

    name: str
    extensions: tuple[str, ...]
    signature: bytes
    reader: str
    takes_column: bool = True

    def open(self, path: Path, column: str | None) -> EmbeddingFile:
        """The opened file."""
        if column is not None and not self.takes_column:
            raise EmbeddingError(path, f"--column does not apply: a .{self.name} holds one array")
        module, _, name = self.reader.partition(":")
        reader: Callable[..., EmbeddingFile] = getattr(import_module(module), name)
        return reader(path, column) if self.takes_column else reader(path)


_FORMATS: list[Format] = []


def register(new: Format) -> None:
    """Add a format; the latest one wins where two claim the same signature or extension."""
    _FORMATS.insert(0, new)


register(Format("csv", (".csv", ".tsv", ".txt"), b"", "vmf.embeddings.csv:CsvFile"))
register(Format("parquet", (".parquet", ".pq"), b"PAR1", "vmf.embeddings.parquet:ParquetFile"))
register(Format("npz", (".npz",), b"PK\x03\x04", "vmf.embeddings.npz:NpzFile"))
register(Format("npy", (".npy",), b"\x93NUMPY", "vmf.embeddings.npy:NpyFile", takes_column=False))


def open_embeddings(path: str | os.PathLike[str], column: str | None = None) -> EmbeddingFile:
    """Open a file of embeddings, one row each, whatever its format.

    Parameters
    ----------
    path : path-like
        A ``.npy``, ``.npz``, ``.csv``, ``.tsv``, ``.txt`` or ``.parquet`` file.
    column : str, optional
        The member of a ``.npz``, the list column of a Parquet file, or the coordinate columns of a
        table: names, patterns (``x*``), positions and ranges (``1:129``), separated by commas.

    Returns
    -------
    EmbeddingFile
        With ``shape``, ``dtype`` and ``chunks()``. Only the beginning of the file has been read.

    Raises
    ------
    EmbeddingError
        One line that names the file, what is wrong with it and what to do.
    """
    location = Path(path)
    try:
        if location.is_dir():
            raise EmbeddingError(path, "is a folder; give the files in it")
        if not location.exists():
            raise EmbeddingError(path, "does not exist")
        if not location.is_file():
            raise EmbeddingError(path, "is not a regular file; save it to disk first")
        with open(location, "rb") as stream:
            head = stream.read(_HEAD_BYTES)
        return find_format(location, head).open(location, column)
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error


def find_format(path: Path, head: bytes) -> Format:
    """The format of the file that begins with ``head``.

    Raises
    ------
    EmbeddingError
        For an empty file, one in a known foreign format, and one that nothing recognises.
    """
    if not head:
        raise EmbeddingError(path, "is empty (0 bytes)")
    for known in _FORMATS:
        if known.signature and head.startswith(known.signature):
            return known
    foreign = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign is None and head[:1] == b"\x80" and head[1:2] <= b"\x05":
        foreign = "a Python pickle, which is never loaded"
    if foreign is None and head[8:10] == b'{"':
        foreign = "a safetensors file (a model?)"
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
    readable = ", ".join(e for f in _FORMATS for e in f.extensions)
    raise EmbeddingError(path, f"looks like {foreign}; embeddings are read from {readable}")
