"""The rows that step 2 learns from, before they are changed."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.models.tokenizer import load_tokenizer
from tinybert.models.windows import split


def read_tables(task: Path) -> tuple[pa.Table, pa.Table | None]:
    """A task's labelled rows, and its unlabelled ones with null in the columns that they lack; None
    if there are none. Without a train table, dev says what a label is."""
    has_labels = (task / "train.parquet").exists()
    train = pq.read_table(task / ("train.parquet" if has_labels else "dev.parquet"))
    train = train if has_labels else train.schema.empty_table()
    if not (task / "unlabeled.parquet").exists():
        return train, None
    raw = pq.read_table(task / "unlabeled.parquet")
    for name in [name for name in train.column_names if name not in raw.column_names]:
        raw = raw.append_column(name, pa.nulls(len(raw), train.schema.field(name).type))
    return train, raw


def in_windows(table: pa.Table, model: Path, max_length: int, stride: int) -> pa.Table:
    """A table in which each window of a long text is a text of its own: the teacher answers each,
    and a student whose vocabulary is smaller reads the same ones. model: whose tokenizer cuts."""
    texts, rows = split(table["text_a"].to_pylist(), load_tokenizer(model), max_length, stride)
    windows = table.take(pa.array(rows, pa.int64()))
    index = windows.column_names.index("text_a")
    return windows.set_column(index, "text_a", pa.array(texts, pa.string()))
