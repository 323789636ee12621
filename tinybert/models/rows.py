"""Rows of tokens, and batches of them with little padding."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

NO_LABEL = -100  # the class without a gold label, as in torch.nn.functional
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


def _token_batches(file: Path) -> list[np.ndarray]:
    reader = pa.ipc.open_file(pa.memory_map(str(file)))
    segments = [reader.get_batch(i).column(0) for i in range(reader.num_record_batches)]
    return [batch.values.to_numpy() for batch in segments]


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
    def bounds(self) -> np.ndarray:
        """(texts + 1,), the rows at which each text's begin."""
        return np.arange(len(self) + 1) if self.windows is None else self.windows

    @property
    def texts(self) -> int:
        """The number of texts."""
        return len(self.bounds) - 1

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


def evenly_spaced(count: int, limit: int) -> list[int]:
    """At most `limit` indices, evenly spaced over range(count)."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)).tolist()
