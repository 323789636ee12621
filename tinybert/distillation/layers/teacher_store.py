"""The teacher's targets for all rows, computed once and cached in a scratch file.

In step 1 of task distillation a frozen teacher gives the same targets in every epoch. The size of
the cache is a setting of the machine and not of the pipeline: results with and without a cache
differ by rounding only (the teacher sees the rows in other batches than training does). The file is
in the stage's checkpoint directory; a stage that was killed resumes to fill it.
TINYBERT_SCRATCH_GB: upper bound in units of 10^9 bytes, default 20; half of the free disk space is
another one. 0 disables the cache.
"""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.models.attention import QK, EncoderStates
from tinybert.models.batches import inference_batches
from tinybert.models.rows import Rows
from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write
from tinybert.pipeline.resume import interval, number

BATCH = 64  # rows in a forward pass of the teacher
BLOCK = 2**24  # bytes written at once
DEFAULT_GB = "20"


class Store:
    """The targets of a LayerLoss for each token of each row, in a memory-mapped file.

    The file has one line per token, in the order of the rows: the hidden states of the embedding
    output and of the mapped layers, then the queries and the keys of each mapped layer.
    """

    def __init__(self, loss: LayerLoss, rows: Rows, file: Path):
        config, self.rows, self.loss = loss.teacher.config, rows, loss
        self.dtype = next(loss.teacher.parameters()).dtype
        self.width, self.heads = config.hidden_size, config.num_attention_heads
        self.layers = len(loss.layers)
        self.scalings = [1.0] * self.layers
        shape = (int(rows.starts[-1]), line_size(loss))
        if distributed.local_rank() == 0:
            size = shape[0] * shape[1] * self.dtype.itemsize
            if not file.exists() or file.stat().st_size < size:  # removed, or cut
                for progress in file.parent.glob(f"{file.name}.*.json"):
                    progress.unlink()
            reserve(file, size)
        distributed.barrier()
        kind = np.int16 if self.dtype.itemsize == 2 else np.int32  # NumPy has no bfloat16
        self.lines = np.memmap(file, kind, "r+", shape=shape)
        self.progress = file.with_suffix(f".{distributed.local_rank()}.json")

    def fill(self) -> None:
        """Runs the teacher over all rows; the processes of a machine share the work."""
        batches = inference_batches(self.rows, BATCH, self.loss.teacher.device.type)
        shard = batches[distributed.local_rank() :: distributed.local_world_size()]
        done = self._done()
        saved_at = time.monotonic()
        bar = tqdm(shard, desc="teacher", unit="batch", disable=not distributed.is_main())
        for i, indices in enumerate(bar):
            if i < done - 1:  # the last finished batch runs again, for the scalings
                continue
            batch = self.rows.batch(indices, pad_to=1)
            targets = self.loss.teacher_targets(batch)
            self.scalings = [qk.scaling for qk in targets.attention]
            parts = list(targets.hidden_states)
            for qk in targets.attention:
                parts += [x.transpose(1, 2).flatten(2) for x in (qk.query, qk.key)]
            lines = torch.cat(parts, dim=-1).cpu().view(self._integer()).numpy()
            for k, row in enumerate(indices):
                start, end = self.rows.starts[row], self.rows.starts[row + 1]
                self.lines[start:end] = lines[k, : end - start]
            if time.monotonic() - saved_at > interval() or i == len(shard) - 1:
                self.lines.flush()
                with atomic_write(self.progress) as file:
                    file.write_text(json.dumps(i + 1))
                saved_at = time.monotonic()
        # Also a barrier. With few rows, some processes have had no batch, but rank 0 has.
        self.scalings = distributed.gather(self.scalings)[0]

    def _done(self) -> int:
        """The batches that an earlier run of the same stage finished."""
        try:
            return int(self.progress.read_text())
        except (FileNotFoundError, ValueError):  # none, or emptied when the machine stopped
            return 0

    def read(self, indices: list[int], length: int) -> EncoderStates:
        """The targets of some rows, padded with 0 to `length` tokens."""
        lines = torch.zeros(len(indices), length, self.lines.shape[1], dtype=self._integer())
        for i, row in enumerate(indices):
            start, end = self.rows.starts[row], self.rows.starts[row + 1]
            lines[i, : end - start] = torch.from_numpy(self.lines[start:end])
        lines = lines.to(self.loss.teacher.device, non_blocking=True).view(self.dtype)
        sizes = (self.layers + 1) * self.width, 2 * self.layers * self.width
        hidden, queries_keys = lines.split(sizes, -1)
        pairs = queries_keys.unflatten(-1, (2 * self.layers, self.heads, -1)).transpose(1, 3)
        # (batch, heads, 2 * layers, length, head width)
        attention = [
            QK(pairs[:, :, 2 * m], pairs[:, :, 2 * m + 1], scaling)
            for m, scaling in enumerate(self.scalings)
        ]
        return EncoderStates(hidden.split(self.width, -1), attention)

    def _integer(self) -> torch.dtype:
        return torch.int16 if self.dtype.itemsize == 2 else torch.int32


def reserve(file: Path, size: int) -> None:
    """Extends a file with zeros to `size` bytes that are really on the disk: a memory-mapped file
    without them would end the process later, by a signal, when the disk is full.

    Raises InputError if the disk has less; the file is then as before.
    """
    with file.open("ab", buffering=0) as stream:
        before = stream.tell()
        try:
            if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
                os.posix_fallocate(stream.fileno(), 0, size)
            else:
                for start in range(before, size, BLOCK):
                    stream.write(bytes(min(BLOCK, size - start)))
        except OSError as error:
            stream.truncate(before)
            raise InputError(
                f"{file}: {error.strerror}; the cache of the teacher's outputs needs "
                f"{size / 1e9:.1f} GB there. Free some space, or set TINYBERT_SCRATCH_GB=0 for no "
                "cache"
            ) from None


def line_size(loss: LayerLoss) -> int:
    """The number of values that a Store holds for each token."""
    return (3 * len(loss.layers) + 1) * loss.teacher.config.hidden_size


def cache_targets(loss: LayerLoss, rows: Rows, epochs: int, folder: Path) -> None:
    """Cache the teacher's targets on disk when training for more than one epoch and the cache fits
    the budget.

    folder: of the cache file. Raises InputError if TINYBERT_SCRATCH_GB is not a number.
    """
    budget = number("TINYBERT_SCRATCH_GB", DEFAULT_GB)
    allowed = budget * 1e9
    if epochs < 2 or not allowed:
        return
    dtype = next(loss.teacher.parameters()).dtype
    needed = int(rows.starts[-1]) * line_size(loss) * dtype.itemsize
    machine = f"{os.environ.get('GROUP_RANK', 0)}-{distributed.local_world_size()}"
    file = folder / f"teacher-{machine}-{str(dtype).removeprefix('torch.')}"
    existing = file.stat().st_size if file.exists() else 0
    free = (shutil.disk_usage(folder).free + existing) / 2
    limit = min(allowed, free)
    if needed > limit:
        if distributed.is_main():
            print(
                f"not caching teacher outputs: needs {needed / 1e9:.1f} GB, limit "
                f"{limit / 1e9:.1f} GB; they will be recomputed every epoch (TINYBERT_SCRATCH_GB "
                f"is {budget:g}, half of the free disk space {free / 1e9:.1f} GB)"
            )
        return
    store = Store(loss, rows, file)
    store.fill()
    loss.cached_targets = store.read
