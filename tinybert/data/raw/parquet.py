"""Rows of a Parquet file, batch by batch."""

import io
from collections.abc import Iterator
from io import BufferedIOBase

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.raw.decoding import HEAD, foreign
from tinybert.pipeline.errors import InputError

ROWS = 1024  # converted at once
MAGIC = b"PAR1"


def parquet_rows(stream: BufferedIOBase, name: str) -> tuple[list[str], Iterator[tuple[int, list]]]:
    """The columns' names, and row numbers (from 1) with the rows' values.

    Raises InputError if the file is damaged or has no rows.
    """
    broken = pa.ArrowException, OSError, ValueError, OverflowError, MemoryError
    try:
        # a table's end says where its columns are: a pipe must be read whole
        source = stream if stream.seekable() else io.BytesIO(stream.read())
        head = source.read(HEAD)
        source.seek(0)
        kind = None if head.startswith(MAGIC) else foreign(head)
        if kind is None:
            file = pq.ParquetFile(source)
            rows, names = file.metadata.num_rows, file.schema_arrow.names
    except broken as error:
        raise _damaged(name, error) from None
    if kind is not None:
        raise InputError(f"{name} is {kind}")
    if not rows:
        raise InputError(f"{name} has no rows; add some")

    def numbered() -> Iterator[tuple[int, list]]:
        number = 0
        try:
            for batch in file.iter_batches(ROWS):
                batch.validate(full=True)
                for row in zip(*map(_values, batch.columns), strict=True):
                    number += 1
                    yield number, list(row)
        except broken as error:
            raise _damaged(name, error) from None
        if number != rows:
            raise _damaged(name, f"it has {number} of {rows} rows")

    return names, numbered()


def _damaged(name: str, error: object) -> InputError:
    return InputError(f"{name} cannot be read as Parquet; save it again ({error})")


def _values(column: pa.Array) -> list:
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):  # dates beyond Python's are neither texts nor labels
        return [None] * len(column)
