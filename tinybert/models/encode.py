"""Texts and tables of texts -> rows of tokens."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert.models.chunks import ROWS, chunks
from tinybert.models.rows import NO_LABEL, Rows, Shards, Words
from tinybert.models.words import first_pieces, locate
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import reading

TEACHER_LOGITS = "teacher_logits"  # the column of those that a task's files give


def encode(
    first: list[str],
    second: list[str] | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    stride: int = 0,
    **columns: np.ndarray,
) -> Rows:
    """Tokenizes texts, or pairs of texts; cuts them at max_length tokens. stride: longer texts are
    windows instead, which share so many tokens; not for pairs."""
    return _encode([(first, second, None)], tokenizer, max_length, stride, columns)


def encode_words(
    texts: list[str],
    words: list[list[str]],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    **columns: np.ndarray,
) -> Rows:
    """As encode, for labels of words. words: those of each text, in its order."""
    return _encode([(texts, None, words)], tokenizer, max_length, 0, columns)


def _encode(
    tables: Iterable[tuple[list[str], list[str] | None, list[list[str]] | None]],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    stride: int,
    columns: dict[str, np.ndarray],
) -> Rows:
    tokens, token_types, lengths, windows = [], [], [], []
    firsts, indices, counts = [], [], [0]  # of words
    parts = (
        (first[part], second and second[part], words and words[part])
        for first, second, words in tables
        for part in chunks(first, second)
    )
    for first, second, words in parts:
        encoded = tokenizer(
            first, second, truncation=True, max_length=max_length, stride=stride,
            return_overflowing_tokens=stride > 0, return_offsets_mapping=bool(words),
        )  # fmt: skip
        if stride:
            windows.append(np.bincount(encoded["overflow_to_sample_mapping"]))
        for i, row in enumerate(words or ()):
            offsets = encoded["offset_mapping"][i]
            pairs = np.array(first_pieces(locate(first[i], row), offsets), np.int64).reshape(-1, 2)
            firsts.append(np.zeros(len(offsets), bool))
            firsts[-1][pairs[:, 0]] = True
            indices.append(pairs[:, 1] + counts[-1])
            counts.append(counts[-1] + len(row))
        lengths.append(np.array([len(ids) for ids in encoded["input_ids"]]))
        tokens.append(np.concatenate(encoded["input_ids"]).astype(np.int32))
        if "token_type_ids" in encoded:
            token_types.append(np.concatenate(encoded["token_type_ids"]).astype(np.int8))
    of_words = None
    if firsts:
        begins = np.cumsum([0, *map(len, indices)])
        of_words = Words(np.concatenate(firsts), np.concatenate(indices), begins, np.array(counts))
    return Rows(
        tokens=np.concatenate(tokens),
        starts=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]),
        padding_id=tokenizer.pad_token_id,
        token_types=np.concatenate(token_types) if token_types else None,
        columns=columns,
        windows=np.cumsum(np.concatenate([[0], *windows])) if stride else None,
        words=of_words,
    )


def read_texts(table: pa.Table) -> tuple[list[str], list[str] | None]:
    """A canonical table's first texts, and its second texts, or None where a row has one text."""
    second = table["text_b"]
    pair = len(second) > 0 and second.null_count < len(second)
    return table["text_a"].to_pylist(), second.to_pylist() if pair else None


def read_rows(
    source: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    stride: int = 0,
    **columns: np.ndarray,
) -> Rows:
    """A canonical table as Rows, with its label, tags (NO_LABEL for null), labels or score (NaN).

    source: a file, or a folder of shards. The texts are streamed; only their tokens stay in memory.
    stride: as of encode. columns: added to the table's own. Raises InputError that names a file
    that is missing or damaged.
    """
    files = [source] if source.suffix == ".parquet" else shard_files(source, "parquet")
    targets: dict[str, list[np.ndarray]] = {}

    def tables() -> Iterator[tuple[list[str], list[str] | None, list[list[str]] | None]]:
        for file in files:
            with reading(file), pq.ParquetFile(file) as table:
                for batch in table.iter_batches(ROWS):
                    chunk = pa.Table.from_batches([batch])
                    for name, values in _targets(chunk).items():
                        targets.setdefault(name, []).append(values)
                    words = chunk["words"].to_pylist() if "words" in chunk.column_names else None
                    yield *read_texts(chunk), words

    rows = _encode(tables(), tokenizer, max_length, stride, columns)
    rows.columns |= {name: np.concatenate(values) for name, values in targets.items()}
    return rows


def read_for_each(
    source: Path, tokenizers: list[PreTrainedTokenizerBase], max_length: int, stride: int = 0
) -> list[Rows]:
    """The rows of a table for each of several models, as read_rows; read once for each tokenizer.
    tokenizers: those of the models, as load_tokenizers returns them."""
    read = {one: read_rows(source, one, max_length, stride) for one in dict.fromkeys(tokenizers)}
    return [read[tokenizer] for tokenizer in tokenizers]


def _targets(table: pa.Table) -> dict[str, np.ndarray]:
    targets = {}
    if "label" in table.column_names:
        targets["label"] = table["label"].fill_null(NO_LABEL).to_numpy()
    if "labels" in table.column_names:
        labels = table["labels"].combine_chunks()
        has_gold = labels.is_valid().to_numpy(zero_copy_only=False)
        count = labels.type.list_size
        targets["labels"] = np.full((len(table), count), np.nan, np.float32)
        targets["labels"][has_gold] = labels.drop_null().flatten().to_numpy().reshape(-1, count)
    if "tags" in table.column_names:
        words = zip(table["words"].to_pylist(), table["tags"].to_pylist(), strict=True)
        rows = [[NO_LABEL] * len(row) if tags is None else tags for row, tags in words]
        targets["tags"] = np.array([tag for row in rows for tag in row], np.int64)
    if "score" in table.column_names:
        targets["score"] = table["score"].fill_null(np.nan).to_numpy().astype(np.float32)
    return targets


def shard_files(folder: Path, suffix: str) -> list[Path]:
    """The shards 00000, 00001, ... in a folder. Raises InputError if there are none."""
    files = sorted(folder.glob(f"*.{suffix}"))
    if not files:
        raise InputError(f"{folder} has no shards *.{suffix}; run dvc repro")
    return files


def read_segments(folder: Path, padding_id: int) -> Rows:
    """The segments of prepare_corpus. Only their starts are in memory; tokens stay in the files.
    Raises InputError that names a file that is missing or damaged."""
    files, sizes, lengths, shards = shard_files(folder, "arrow"), [], [], [0]
    for file in files:
        with reading(file), pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(i).column(0) for i in range(reader.num_record_batches)]
            counts = [np.diff(batch.offsets.to_numpy()) for batch in batches]
        lengths += counts
        sizes.append(sum(int(part.sum()) for part in counts))
        shards.append(shards[-1] + sum(map(len, counts)))
    starts = np.zeros(shards[-1] + 1, np.int64)
    np.cumsum(np.concatenate(lengths), out=starts[1:])
    return Rows(Shards(files, sizes), starts, padding_id, shards=np.array(shards))
