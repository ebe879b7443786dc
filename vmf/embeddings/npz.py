"""NumPy's ``.npz``: a zip archive of ``.npy`` members, streamed without unpacking it to memory."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from vmf.embeddings.arrays import choose_array, scale_beside
from vmf.embeddings.embedding_file import (
    EmbeddingFile,
    FloatRows,
    check_dtype,
    check_two_dimensional,
)
from vmf.embeddings.npy import (
    NpyHeader,
    Stream,
    read_array_blocks,
    read_npy_header,
    read_small_array,
)
from vmf.embeddings.places import Place, open_binary
from vmf.errors import EmbeddingError


class NpzFile(EmbeddingFile):
    """One 2-D member of a ``.npz``, compressed or not.

    Parameters
    ----------
    path : Path or RemoteFile
        The archive.
    column : str, optional
        The member's name. Without it the archive must hold exactly one 2-D array of numbers.
    """

    format = "npz"

    def __init__(self, path: Place, column: str | None = None) -> None:
        headers = read_members(path)
        self._member = member = choose_array(
            path, headers, None if column is None else column.removesuffix(".npy"), "member"
        )
        self._header = header = headers[member]
        check_dtype(header.dtype, path, f"member {member!r}")
        check_two_dimensional(header.shape, path, f"member {member!r}")
        super().__init__(path, (header.shape[0], header.shape[1]), header.dtype)
        beside = scale_beside(headers, member)
        if beside is not None and header.dtype.kind in "iu":
            with open_member(path, beside) as stream:
                self.set_scale(read_small_array(stream, path, self.rows, self.dimension))

    def entries(self) -> Sequence[int]:
        return (0,)

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        with open_member(self.path, self._member) as stream:
            read_npy_header(stream, self.path)
            if not self._header.fortran_order:
                yield from read_array_blocks(stream, self._header, rows, start, stop, self.path)
                # Reaching the end makes zipfile compare the checksum.
                if stop in (None, self.rows) and stream.read(1):
                    raise EmbeddingError(self.path, f"member {self._member!r} has bytes left over")
                return
            # The rows of a Fortran-ordered array lie scattered, so it needs a seekable copy.
            with tempfile.TemporaryFile() as copy:
                copy.seek(self._header.offset)
                while part := stream.read(1 << 20):
                    copy.write(part)
                yield from read_array_blocks(copy, self._header, rows, start, stop, self.path)


def read_members(path: Place) -> dict[str, NpyHeader]:
    """The header of every ``.npy`` member, by name without the ending."""
    with _zip_errors(path), open_binary(path) as file, zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        members = [name for name in names if name.endswith(".npy")]
        if not members:
            if any(name.endswith("data.pkl") for name in names):
                kind = "a PyTorch checkpoint (a pickle), which is never loaded"
            else:
                kind = "a zip archive without .npy members, not a .npz"
            raise EmbeddingError(path, f"is {kind}; save the features with np.savez or np.save")
        headers = {}
        for name in members:
            with archive.open(name) as stream:
                header = read_npy_header(cast(zipfile.ZipExtFile, stream), path)
            promised = header.offset + header.data_bytes
            found = archive.getinfo(name).file_size
            if promised != found and not header.dtype.hasobject:
                raise EmbeddingError(
                    path,
                    f"member {name!r} is damaged: {header.summary()} takes {promised} bytes,"
                    f" the archive holds {found}",
                )
            headers[name.removesuffix(".npy")] = header
        return headers


@contextmanager
def open_member(path: Place, member: str) -> Iterator[Stream]:
    """A stream of one member, at the beginning of its header."""
    with (
        _zip_errors(path),
        open_binary(path) as file,
        zipfile.ZipFile(file) as archive,
        archive.open(member + ".npy") as stream,
    ):
        yield cast(zipfile.ZipExtFile, stream)


@contextmanager
def _zip_errors(path: Place) -> Iterator[None]:
    """Turn everything that a damaged archive makes zipfile raise into one line."""
    try:
        yield
    except EmbeddingError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise EmbeddingError(path, f"is a damaged or truncated .npz ({error})") from error
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, encryption
        raise EmbeddingError(path, f"is a .npz that cannot be unpacked ({error})") from error
