"""The teacher's inside for all rows, computed once and kept in a scratch file.

In step 1 of task distillation every epoch asks a frozen teacher the same. How much may be kept is
the machine's affair, not the pipeline's: it is set by the environment, and what comes out is the
same but for rounding (rows share a forward pass with others than they would in training).
The file stands with the stage's checkpoints; a run that was killed goes on filling it.
TINYBERT_SCRATCH_GB: at most so many 10^9 bytes, 20 if not set, and never more than half of what is
free; 0: nothing is kept.
"""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from tinybert import processes
from tinybert.batches import inference_batches
from tinybert.capture import QK, Inside
from tinybert.checkpoint import interval
from tinybert.encode import Rows
from tinybert.errors import InputError
from tinybert.files import writing
from tinybert.layer_loss import LayerLoss

BATCH = 64  # rows of the teacher's passes
DEFAULT_GB = 20.0


class Store:
    """What a LayerLoss needs of its teacher, for each token of each row.

    A line for each token, in the order of the rows: the hidden states that teach, the embedding
    output first, then of each layer that teaches its queries and its keys.
    """

    def __init__(self, loss: LayerLoss, rows: Rows, name: Path):
        config, self.rows, self.loss = loss.teacher.config, rows, loss
        self.dtype = next(loss.teacher.parameters()).dtype
        self.width, self.heads = config.hidden_size, config.num_attention_heads
        self.layers = len(loss.layers)
        self.scalings = [1.0] * self.layers
        shape = (int(rows.starts[-1]), self.line())
        if processes.local_rank() == 0:
            with name.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, shape[0] * shape[1] * self.dtype.itemsize)
        processes.barrier()
        kind = np.int16 if self.dtype.itemsize == 2 else np.int32  # NumPy has no bfloat16
        self.lines = np.memmap(name, kind, "r+", shape=shape)
        self.progress = name.with_suffix(f".{processes.local_rank()}.json")

    def line(self) -> int:
        """Numbers for each token."""
        return (3 * self.layers + 1) * self.width

    def fill(self) -> None:
        """Runs the teacher over all rows; the processes of a machine share the work."""
        batches = inference_batches(self.rows, BATCH)
        own = batches[processes.local_rank() :: processes.local_world()]
        done = json.loads(self.progress.read_text()) if self.progress.exists() else 0
        kept = time.monotonic()
        bar = tqdm(own, desc="teacher", unit="batch", disable=not processes.is_main())
        for i, indices in enumerate(bar):
            if i < done - 1:  # the last one tells the scalings
                continue
            batch = self.rows.batch(indices, pad_to=1)
            inside = self.loss.teach(batch)
            self.scalings = [qk.scaling for qk in inside.attention]
            parts = list(inside.hidden_states)
            for qk in inside.attention:
                parts += [x.transpose(1, 2).flatten(2) for x in (qk.query, qk.key)]
            lines = torch.cat(parts, dim=-1).cpu().view(self._integer()).numpy()
            for k, row in enumerate(indices):
                start, end = self.rows.starts[row], self.rows.starts[row + 1]
                self.lines[start:end] = lines[k, : end - start]
            if time.monotonic() - kept > interval() or i == len(own) - 1:
                self.lines.flush()
                with writing(self.progress) as file:
                    file.write_text(json.dumps(i + 1))
                kept = time.monotonic()
        # Also a barrier; and of few rows, not every process has seen any.
        self.scalings = processes.gather(self.scalings)[0]

    def read(self, indices: list[int], length: int) -> Inside:
        """Of some rows, padded to `length`; what stands at the padding is 0."""
        lines = torch.zeros(len(indices), length, self.line(), dtype=self._integer())
        for i, row in enumerate(indices):
            start, end = self.rows.starts[row], self.rows.starts[row + 1]
            lines[i, : end - start] = torch.from_numpy(self.lines[start:end])
        lines = lines.to(self.loss.teacher.device, non_blocking=True).view(self.dtype)
        sizes = (self.layers + 1) * self.width, 2 * self.layers * self.width
        hidden, inner = lines.split(sizes, -1)
        pairs = inner.unflatten(-1, (2 * self.layers, self.heads, -1)).transpose(1, 3)
        # (batch, heads, 2 * layers, length, head width)
        attention = [
            QK(pairs[:, :, 2 * m], pairs[:, :, 2 * m + 1], scaling)
            for m, scaling in enumerate(self.scalings)
        ]
        return Inside(hidden.split(self.width, -1), attention)

    def _integer(self) -> torch.dtype:
        return torch.int16 if self.dtype.itemsize == 2 else torch.int32


def keep(loss: LayerLoss, rows: Rows, epochs: int, folder: Path) -> None:
    """Lets the loss read what its teacher says of these rows from a file in the folder, if the
    teacher would be asked more than once and the file fits into the budget; if not, says so."""
    budget = os.environ.get("TINYBERT_SCRATCH_GB", str(DEFAULT_GB))
    try:
        allowed = float(budget) * 1e9
    except ValueError:
        raise InputError(f"TINYBERT_SCRATCH_GB: {budget!r} is no number of gigabytes") from None
    if epochs < 2 or not allowed:
        return
    config, kind = loss.teacher.config, next(loss.teacher.parameters()).dtype
    numbers = (3 * len(loss.layers) + 1) * config.hidden_size
    needed = int(rows.starts[-1]) * numbers * kind.itemsize
    machine = f"{os.environ.get('GROUP_RANK', 0)}-{processes.local_world()}"
    name = folder / f"teacher-{machine}-{str(kind).removeprefix('torch.')}"
    has = name.stat().st_size if name.exists() else 0
    free = (shutil.disk_usage(folder).free + has) / 2
    if needed > min(allowed, free):
        if processes.is_main():
            print(
                f"the teacher is asked anew in each epoch: to keep what it says takes "
                f"{needed / 1e9:.1f} GB, and {min(allowed, free) / 1e9:.1f} GB may be used "
                f"(TINYBERT_SCRATCH_GB {budget}, half of what is free {free / 1e9:.1f})"
            )
        return
    store = Store(loss, rows, name)
    store.fill()
    loss.kept = store.read
