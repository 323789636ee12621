"""Which rows make a batch: those of similar length, so that little is padded."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from tinybert.encode import Rows
from tinybert.errors import InputError

POOL = 50  # batches among whose rows similar lengths are looked for
WINDOW = 2**20  # rows that are shuffled together, of a corpus of more


class BucketSampler(Sampler[list[int]]):
    """Batches of rows of similar length, in a new random order each epoch; every row exactly once.

    The batches are as many as are needed, of one size but for one row. A shuffled epoch is cut into
    pools of POOL batches; each pool is sorted by length and cut into its batches; the batches are
    shuffled. What has more than WINDOW rows is shuffled by shards, and then so many rows at a time.
    Set `epoch` before iterating. The same seed and epoch give the same batches.
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
        rows, first = np.empty(0, np.int64), 0  # those not yet seen, which batch `first` is to have
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
        """Consecutive rows, WINDOW of them or more, or what is left; all of a smaller corpus."""
        if len(self.lengths) <= WINDOW:
            yield np.arange(len(self.lengths))
            return
        held, size = [], 0
        for i in random.permutation(len(self.shards) - 1):
            held.append(np.arange(self.shards[i], self.shards[i + 1]))
            size += len(held[-1])
            if size >= WINDOW:
                yield np.concatenate(held)
                held, size = [], 0
        if held:
            yield np.concatenate(held)

    def _batches(
        self, order: np.ndarray, cuts: np.ndarray, random: np.random.Generator
    ) -> Iterator[list[int]]:
        """order: rows. cuts: where, in their order, batches begin and end."""
        batches = []
        for i in range(0, len(cuts) - 1, POOL):
            own = cuts[i : i + POOL + 1]
            rows = order[own[0] : own[-1]]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += np.split(rows, own[1:-1] - own[0])
        for i in random.permutation(len(batches)):
            yield batches[i].tolist()


def training_batches(
    rows: Rows, batch_size: int, seed: int, rank: int = 0, world: int = 1
) -> tuple[DataLoader, BucketSampler]:
    """A loader for one epoch, and its sampler, whose `epoch` the caller sets.

    Of `world` processes, each gets its part of every batch. Raises InputError if a batch has fewer
    rows than there are processes.
    """
    lengths = rows.lengths.astype(np.int32)  # of a corpus, half as much as starts take
    sampler = BucketSampler(lengths, batch_size, seed, rows.shards)
    if len(rows) < world * max(1, len(sampler)):
        raise InputError(
            f"{len(rows)} rows in batches of {batch_size} are too few for {world} processes; use "
            "fewer processes (accelerate config), or a greater batch_size"
        )
    loader = DataLoader(
        range(len(rows)),
        batch_sampler=sampler,
        collate_fn=lambda indices: rows.batch(indices[rank::world]),
        generator=torch.Generator(),  # it draws at each start: not from what dropout draws from
    )
    return loader, sampler


def inference_batches(rows: Rows, batch_size: int) -> list[list[int]]:
    """Row indices of batches in order of length, longest first, so that memory is tried at once."""
    order = np.argsort(-rows.lengths, kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]
