"""Tables of texts -> token arrays; length-bucketed batches of them, padded no more than needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from transformers import PreTrainedTokenizerBase

CHUNK = 10_000  # texts given to the tokenizer at once
NO_LABEL = -100  # the class of a row without a gold label, as in torch.nn.functional
PAD_TO = 8  # a multiple: fewer different shapes, for each of which the CPU's kernels are built anew
POOL = 50  # batches among whose rows similar lengths are looked for


@dataclass
class Rows:
    """Token rows of any length, one after the other, and what else is known of each row.

    tokens: (sum of lengths,). starts: (rows + 1,), where each row begins. token_types: as tokens,
    or None where the model takes none. columns: arrays whose first axis is the rows.
    """

    tokens: np.ndarray
    starts: np.ndarray
    padding_id: int
    token_types: np.ndarray | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def batch(self, indices: list[int], pad_to: int = PAD_TO) -> dict[str, Tensor]:
        """input_ids, attention_mask, token_type_ids: (batch, longest of these rows, rounded up to
        a multiple of pad_to); the columns; and `row`, (batch,), the indices themselves."""
        lengths = self.lengths[indices]
        length = -(-lengths.max() // pad_to) * pad_to
        real = np.arange(length) < lengths[:, None]  # (batch, length)
        source = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in indices])

        def padded(values: np.ndarray, filler: int) -> Tensor:
            filled = np.full(real.shape, filler, dtype=np.int64)
            filled[real] = values[source]
            return torch.from_numpy(filled)

        batch = {"input_ids": padded(self.tokens, self.padding_id)}
        batch["attention_mask"] = torch.from_numpy(real.astype(np.int64))
        if self.token_types is not None:
            batch["token_type_ids"] = padded(self.token_types, 0)
        for name, values in self.columns.items():
            batch[name] = torch.from_numpy(values[indices])
        batch["row"] = torch.tensor(indices)
        return batch


def model_inputs(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What of a batch an encoder takes."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: batch[name] for name in names if name in batch}


def encode(
    first: list[str],
    second: list[str] | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    **columns: np.ndarray,
) -> Rows:
    """Texts, or pairs of texts, to Rows; what is longer than max_length tokens is cut."""
    tokens, token_types, lengths = [], [], []
    for start in range(0, len(first), CHUNK):
        pair = None if second is None else second[start : start + CHUNK]
        encoded = tokenizer(
            first[start : start + CHUNK], pair, truncation=True, max_length=max_length
        )
        lengths += [len(ids) for ids in encoded["input_ids"]]
        tokens.append(np.concatenate(encoded["input_ids"]).astype(np.int32))
        if "token_type_ids" in encoded:
            token_types.append(np.concatenate(encoded["token_type_ids"]).astype(np.int8))
    return Rows(
        tokens=np.concatenate(tokens),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        padding_id=tokenizer.pad_token_id,
        token_types=np.concatenate(token_types) if token_types else None,
        columns=columns,
    )


def read_texts(table: pa.Table) -> tuple[list[str], list[str] | None]:
    """A canonical table's first texts, and its second texts, or None where a row has one text."""
    second = table["text_b"]
    pair = len(second) > 0 and second.null_count < len(second)
    return table["text_a"].to_pylist(), second.to_pylist() if pair else None


def read_rows(
    file: Path, tokenizer: PreTrainedTokenizerBase, max_length: int, **columns: np.ndarray
) -> Rows:
    """A canonical table as Rows, with its label (NO_LABEL for null), labels or score (NaN)."""
    table = pq.read_table(file)
    if "label" in table.column_names:
        columns["label"] = table["label"].fill_null(NO_LABEL).to_numpy()
    if "labels" in table.column_names:
        labels = table["labels"].combine_chunks()
        given = labels.is_valid().to_numpy(zero_copy_only=False)
        columns["labels"] = np.full((len(table), labels.type.list_size), np.nan, np.float32)
        columns["labels"][given] = labels.drop_null().flatten().to_numpy().reshape(given.sum(), -1)
    if "score" in table.column_names:
        columns["score"] = table["score"].fill_null(np.nan).to_numpy().astype(np.float32)
    return encode(*read_texts(table), tokenizer, max_length, **columns)


def read_segments(path: Path, padding_id: int) -> Rows:
    """The segments of prepare_corpus, memory-mapped."""
    with pa.memory_map(str(path)) as source:
        chunks = pa.ipc.open_file(source).read_all()["input_ids"]
    segments = chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
    starts = segments.offsets.to_numpy().astype(np.int64)
    return Rows(segments.values.to_numpy(), starts, padding_id)


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` indices, evenly over all of them."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int)).tolist()


class BucketSampler(Sampler[list[int]]):
    """Batches of rows of similar length, in a new random order each epoch; every row exactly once.

    A shuffled epoch is cut into pools of POOL batches; each pool is sorted by length and cut into
    batches; the batches are shuffled. The last batch may be smaller; nothing is dropped.
    Set `epoch` before iterating. The same seed and epoch give the same batches.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0
        self.drop_last = False  # read by accelerate

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        pool = POOL * self.batch_size
        batches = []
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        random.shuffle(batches := list(map(np.ndarray.tolist, batches)))
        yield from batches


def training_batches(rows: Rows, batch_size: int, seed: int) -> tuple[DataLoader, BucketSampler]:
    """A loader for one epoch, and its sampler, whose `epoch` the caller sets."""
    sampler = BucketSampler(rows.lengths, batch_size, seed)
    loader = DataLoader(range(len(rows)), batch_sampler=sampler, collate_fn=rows.batch)
    return loader, sampler


def inference_batches(rows: Rows, batch_size: int) -> list[list[int]]:
    """Row indices of batches in order of length, longest first, so that memory is tried at once."""
    order = np.argsort(-rows.lengths, kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]
