"""Rows of a Parquet file, batch by batch, and shards that become one file."""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BufferedIOBase
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.raw.decoding import HEAD, foreign
from tinybert.pipeline.errors import InputError

ROWS = 1024  # converted at once
MAGIC = b"PAR1"
BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def parquet_rows(stream: BufferedIOBase, name: str) -> tuple[list[str], Iterator[tuple[int, list]]]:
    """The columns' names, and row numbers (from 1) with the rows' values.

    Raises InputError if the file is damaged or has no rows.
    """
    file, schema = _opened(stream, name)
    rows, names = file.metadata.num_rows, schema.names
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
        except BROKEN as error:
            raise _damaged(name, error) from None
        if number != rows:
            raise _damaged(name, f"it has {number} of {rows} rows")

    return names, numbered()


def join(files: Sequence[Path], out: Path) -> None:
    """Writes the rows of all files, in their order. Raises InputError that names one that is
    damaged, or has other columns than the first."""
    with ExitStack() as stack:
        writer = None
        for file in files:
            part, schema = _opened(stack.enter_context(file.open("rb")), str(file))
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(out, schema))
            elif not schema.equals(writer.schema):
                raise InputError(
                    f"{file} has other columns than {files[0].name}, or of other types; save both "
                    "alike"
                )
            try:
                for group in range(part.num_row_groups):
                    writer.write_table(part.read_row_group(group))
            except BROKEN as error:
                raise _damaged(str(file), error) from None


def _opened(stream: BufferedIOBase, name: str) -> tuple[pq.ParquetFile, pa.Schema]:
    try:
        # a table's end says where its columns are: a pipe must be read whole
        source = stream if stream.seekable() else io.BytesIO(stream.read())
        head = source.read(HEAD)
        source.seek(0)
        kind = None if head.startswith(MAGIC) else foreign(head)
        if kind is None:
            file = pq.ParquetFile(source)
            return file, file.schema_arrow
    except BROKEN as error:
        raise _damaged(name, error) from None
    raise InputError(f"{name} is {kind}")


def _damaged(name: str, error: object) -> InputError:
    return InputError(f"{name} cannot be read as Parquet; save it again ({error})")


def _values(column: pa.Array) -> list:
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):  # dates beyond Python's are neither texts nor labels
        return [None] * len(column)
