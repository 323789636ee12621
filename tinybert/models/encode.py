"""Tables of texts -> token arrays, and batches with little padding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert.models.chunks import ROWS, chunks
from tinybert.models.words import first_pieces, locate
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import reading

NO_LABEL = -100  # the class without a gold label, as in torch.nn.functional
TEACHER_LOGITS = "teacher_logits"  # the column of those that a task's files give
OPEN = 256  # shards that are memory-mapped at the same time


class Shards:
    """The tokens of all shards, one after the other. Keeps an LRU of OPEN memory-mapped shards, so
    neither open files nor memory grow with a corpus. A slice must lie within one segment."""

    def __init__(self, files: list[Path], sizes: list[int]):
        """sizes: the number of tokens of each file."""
        self.files, self.starts = files, np.cumsum([0, *sizes])
        self.batches = lru_cache(OPEN)(_token_batches)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (tokens for file in self.files for tokens in self.batches(file))

    def __getitem__(self, part: slice) -> np.ndarray:
        i = int(np.searchsorted(self.starts, part.start, side="right")) - 1
        begin, end = part.start - self.starts[i], part.stop - self.starts[i]
        for tokens in self.batches(self.files[i]):
            if begin < len(tokens):
                break
            begin, end = begin - len(tokens), end - len(tokens)
        return tokens[begin:end]


class Words(NamedTuple):
    """The words of rows. first: as the rows' tokens, which are the first of a word. index: the word
    of each of these, among those of all rows; words after max_length have no token. begins: (rows +
    1,), where each row begins in index. starts: (rows + 1,), where its words begin among all."""

    first: np.ndarray
    index: np.ndarray
    begins: np.ndarray
    starts: np.ndarray


@dataclass
class Rows:
    """Token rows of any length, one after the other, and other columns.

    tokens: (sum of lengths,). starts: (rows + 1,), where each row begins. token_types: as tokens,
    or None for a model without them. columns: arrays whose first axis is the texts; or, if words
    have labels, the words of all rows, one row after the other. shards: (shards + 1,), the rows at
    which a corpus's shards begin; None: there is one. windows: (texts + 1,), the rows at which each
    text's windows begin; None: each row is a text. words: None: texts have labels.
    """

    tokens: np.ndarray | Shards
    starts: np.ndarray
    padding_id: int
    token_types: np.ndarray | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    shards: np.ndarray | None = None
    windows: np.ndarray | None = None
    words: Words | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    @property
    def texts(self) -> int:
        """The number of texts."""
        return len(self) if self.windows is None else len(self.windows) - 1

    @property
    def labelled(self) -> int:
        """The number of rows, or of words if these have labels: a model gives logits for each."""
        return len(self) if self.words is None else int(self.words.starts[-1])

    def items(self, indices: list[int]) -> np.ndarray:
        """Where the logits of these rows are among all: their own, or those of their words that
        have a token."""
        if self.words is None:
            return np.asarray(indices)
        index, begins = self.words.index, self.words.begins
        return np.concatenate([index[begins[i] : begins[i + 1]] for i in indices])

    def means(self, logits: np.ndarray) -> np.ndarray:
        """(rows, classes) -> (texts, classes), the mean of each text's windows; those of words
        stay."""
        if self.windows is None:
            return logits
        counts = np.diff(self.windows)[:, None].astype(logits.dtype)
        return np.add.reduceat(logits, self.windows[:-1]) / counts

    def counts(self, size: int) -> np.ndarray:
        """(size,), how often the rows have each token."""
        parts = self.tokens if isinstance(self.tokens, Shards) else [self.tokens]
        return sum(np.bincount(part, minlength=size) for part in parts)

    def batch(self, indices: list[int], pad_to: int | None = None) -> dict[str, Tensor]:
        """input_ids, attention_mask, token_type_ids: (batch, longest of these rows, rounded up to
        a multiple of pad_to); the columns, of each row's text; `row`, (batch,), the indices
        themselves; and, if words have labels, `first`, as input_ids: which tokens the entries of
        the columns belong to."""
        begins, ends = self.starts[indices], self.starts[np.add(indices, 1)]
        lengths = ends - begins
        multiple = pad_to or _multiple(int(lengths.max()))
        length = -(-lengths.max() // multiple) * multiple
        real = np.arange(length) < lengths[:, None]  # (batch, length)

        def padded(values: np.ndarray | Shards, filler: int) -> Tensor:
            filled = np.full(real.shape, filler, dtype=np.int64)
            parts = [values[a:b] for a, b in zip(begins, ends, strict=True)]
            filled[real] = np.concatenate(parts)
            return torch.from_numpy(filled)

        batch = {"input_ids": padded(self.tokens, self.padding_id)}
        batch["attention_mask"] = torch.from_numpy(real.astype(np.int64))
        if self.token_types is not None:
            batch["token_type_ids"] = padded(self.token_types, 0)
        if self.words is not None:
            batch["first"] = padded(self.words.first, False).bool()
        items = self.items(indices)
        if self.windows is not None:
            items = np.searchsorted(self.windows, items, side="right") - 1
        for name, values in self.columns.items():
            batch[name] = torch.from_numpy(values[items])
        batch["row"] = torch.tensor(indices)
        return batch


def _multiple(length: int) -> int:
    """The multiple that a batch's length is rounded up to: little padding for short rows, and few
    different shapes for long ones, since a CPU builds new kernels for each shape."""
    return 2 if length <= 16 else 4 if length <= 32 else 8


def model_inputs(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The part of a batch that an encoder takes."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: batch[name] for name in names if name in batch}


def labelled_logits(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """The logits of what has labels in a batch: (batch, classes), or (words, classes)."""
    logits = model(**model_inputs(batch)).logits
    return logits[batch["first"]] if "first" in batch else logits


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


def _token_batches(file: Path) -> list[np.ndarray]:
    reader = pa.ipc.open_file(pa.memory_map(str(file)))
    segments = [reader.get_batch(i).column(0) for i in range(reader.num_record_batches)]
    return [batch.values.to_numpy() for batch in segments]


def evenly_spaced(count: int, limit: int) -> list[int]:
    """At most `limit` indices, evenly spaced over range(count)."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)).tolist()
