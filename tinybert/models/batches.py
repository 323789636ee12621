"""Batches of rows of similar length, so that there is little padding."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from tinybert.models.rows import Rows
from tinybert.pipeline.errors import InputError

POOL = 50  # batches whose rows are sorted by length together
WINDOW = 2**20  # rows that are shuffled together in a larger corpus
TOKENS = 2048  # in a batch without training


class BucketSampler(Sampler[list[int]]):
    """Yields each row once per epoch, in batches of rows of similar length, in a new random order.

    There are ceil(n / batch_size) batches whose sizes differ by at most one. A shuffled epoch is
    split into pools of POOL batches; each pool is sorted by length and split into its batches; the
    batches are shuffled. With more than WINDOW rows, first the shards are shuffled, then at least
    WINDOW rows at a time. Set `epoch` before iterating. The same seed and epoch give the same
    batches.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, seed: int, shards: np.ndarray | None = None
    ):
        """lengths: (rows,). shards: where shards begin among the rows, and the number of rows."""
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0
        self.shards = np.array([0, len(lengths)]) if shards is None else shards

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self.seed, self.epoch])
        bounds = np.arange(len(self) + 1) * len(self.lengths) // len(self)  # of batches, in rows
        rows, first = np.empty(0, np.int64), 0  # rows not yet in a batch; `first`: the next batch
        for window in self._windows(random):
            rows = np.concatenate([rows, random.permutation(window)])
            here = bounds[first] + len(rows)
            last = int(np.searchsorted(bounds, here, side="right")) - 1
            if here < len(self.lengths):
                last -= (last - first) % POOL  # whole pools
            cuts = bounds[first : last + 1] - bounds[first]
            yield from self._batches(rows, cuts, random)
            rows, first = rows[cuts[-1] :], last

    def _windows(self, random: np.random.Generator) -> Iterator[np.ndarray]:
        """Rows of whole shards, at least WINDOW except in the last; all of a small corpus."""
        if len(self.lengths) <= WINDOW:
            yield np.arange(len(self.lengths))
            return
        parts, size = [], 0
        for i in random.permutation(len(self.shards) - 1):
            parts.append(np.arange(self.shards[i], self.shards[i + 1]))
            size += len(parts[-1])
            if size >= WINDOW:
                yield np.concatenate(parts)
                parts, size = [], 0
        if parts:
            yield np.concatenate(parts)

    def _batches(
        self, order: np.ndarray, cuts: np.ndarray, random: np.random.Generator
    ) -> Iterator[list[int]]:
        """order: rows. cuts: the positions in `order` at which batches begin and end."""
        batches = []
        for i in range(0, len(cuts) - 1, POOL):
            pool = cuts[i : i + POOL + 1]
            rows = order[pool[0] : pool[-1]]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += np.split(rows, pool[1:-1] - pool[0])
        for i in random.permutation(len(batches)):
            yield batches[i].tolist()


def training_batches(
    rows: Rows, batch_size: int, seed: int, rank: int = 0, world: int = 1
) -> tuple[DataLoader, BucketSampler]:
    """A loader for one epoch, and its sampler, whose `epoch` the caller sets.

    rank, world: each of `world` processes gets its part of every batch. Raises InputError if a
    batch would have fewer rows than there are processes.
    """
    lengths = rows.lengths.astype(np.int32)  # half the memory of int64
    sampler = BucketSampler(lengths, batch_size, seed, rows.shards)
    if len(rows) < world * max(1, len(sampler)):
        raise InputError(
            f"{len(rows)} rows in batches of {batch_size} are too few for {world} processes; use "
            "fewer processes (accelerate config), or a larger batch_size"
        )
    loader = DataLoader(
        range(len(rows)),
        batch_sampler=sampler,
        collate_fn=lambda indices: rows.batch(indices[rank::world]),
        generator=torch.Generator(),  # a new epoch draws from it, not from dropout's generator
    )
    return loader, sampler


def inference_batches(rows: Rows, batch_size: int, device: str = "cpu") -> list[list[int]]:
    """Row indices of batches, longest rows first, so that a lack of memory shows at once.

    device: its type. On a CPU a batch of several rows has at most TOKENS tokens, as if all were as
    long as its longest: the states of more leave the cache (benchmarks/batching.py).
    """
    order, batches, start = np.argsort(-rows.lengths, kind="stable"), [], 0
    while start < len(order):
        most = max(1, TOKENS // max(1, rows.lengths[order[start]]))
        size = min(batch_size, most) if device == "cpu" else batch_size
        batches.append(order[start : start + size].tolist())
        start += size
    return batches
