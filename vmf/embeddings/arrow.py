"""Arrow IPC, as a file (``.arrow``, ``.feather``, version 2) or as a stream (``.ipc``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vmf.embeddings.arrow_table import (
    ArrowTableFile,
    LabelValues,
    choose_label_column,
    label_values,
)
from vmf.embeddings.places import Place, RemoteFile, open_binary
from vmf.errors import EmbeddingError

if TYPE_CHECKING:
    import pyarrow as pa

FILE_SIGNATURE = b"ARROW1"
STREAM_SIGNATURE = b"\xff\xff\xff\xff"


class ArrowFile(ArrowTableFile):
    """One list column of an Arrow file, or several plain columns as the coordinates.

    Parameters
    ----------
    path : Path or RemoteFile
    column : str, optional
        As of :class:`vmf.embeddings.parquet.ParquetFile`.

    Notes
    -----
    Record batches are read one at a time, the chosen columns only; a batch is never larger in
    memory than the writer made it. A stream does not say how many rows it has: a pass counts them.
    """

    format = "arrow"

    def __init__(self, path: Place, column: str | None = None) -> None:
        with open_arrow(path) as (schema, rows, _):
            pass

        def first_batches(names: list[str]) -> Iterator[pa.RecordBatch]:
            with open_arrow(path, names) as (_, _, batches):
                yield from batches

        super().__init__(path, column, schema, rows, first_batches)

    def count_rows(self) -> int:
        with open_arrow(self.path, self._names[:1]) as (_, _, batches):
            return sum(batch.num_rows for batch in batches)

    def entries(self) -> Sequence[int]:
        return (0,)

    def read_batches(
        self, rows: int, start: int, stop: int | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        begin = 0
        with open_arrow(self.path, self._names) as (_, _, batches):
            for batch in batches:
                for first in range(0, batch.num_rows, rows):
                    yield begin + first, batch.slice(first, rows)
                begin += batch.num_rows
                if stop is not None and begin >= stop:
                    return


@contextmanager
def open_arrow(
    path: Place, names: list[str] | None = None
) -> Iterator[tuple[pa.Schema, int | None, Iterator[pa.RecordBatch]]]:
    """The schema, the number of rows where it is stored, and the batches of the named columns.

    Plain reads, no memory mapping: a file cut short while it is read ends in a message, not in a
    bus error.
    """
    try:
        import pyarrow as pa
        import pyarrow.dataset as ds
    except ImportError as error:
        raise EmbeddingError(
            path, "reading Arrow files needs pyarrow: pip install 'vmf-toolkit[io]'"
        ) from error
    try:
        with _source(pa, path) as source:
            is_file = source.read(len(FILE_SIGNATURE)) == FILE_SIGNATURE
            source.seek(0)
            opener = pa.ipc.open_file if is_file else pa.ipc.open_stream
            with opener(source) as reader:
                schema = reader.schema
            source.seek(0)
            options = pa.ipc.IpcReadOptions(
                included_fields=sorted(schema.get_field_index(name) for name in names or [])
            )
            rows = None
            if names is None and is_file:
                # From the headers of the batches, whose numbers stay unread.
                rows = ds.IpcFileFormat().make_fragment(source).count_rows()
                source.seek(0)
            with opener(source, options=options) as reader:
                yield schema, rows, _batches(reader, is_file)
    except EmbeddingError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
        raise EmbeddingError(path, f"is a damaged or truncated Arrow file ({error})") from error


def read_label_column(path: Place, column: str | None) -> Iterator[LabelValues]:
    """The values of one column; see :mod:`vmf.embeddings.labels`."""
    with open_arrow(path) as (schema, _, _):
        name = choose_label_column(path, schema, column)
    with open_arrow(path, [name]) as (_, _, batches):
        for batch in batches:
            yield label_values(batch.column(name))


def _source(pa: Any, path: Place) -> Any:
    return (
        pa.PythonFile(open_binary(path), mode="r")
        if isinstance(path, RemoteFile)
        else pa.OSFile(str(path))
    )


def _batches(reader: Any, is_file: bool) -> Iterator[pa.RecordBatch]:
    if is_file:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate()
            yield batch
        return
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        batch.validate()
        yield batch
