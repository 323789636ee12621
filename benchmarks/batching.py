"""Whether other batches of short rows are faster, at the same number of updates.

    python -m benchmarks.batching [--batches 50] [--repeats 3]

Rows as long as those of SST-2, models as in benchmarks.distillation; real tokens per second, the
best of the repeats, which alternate.

- Batches of 32 rows, as the pipeline's; of as many tokens each, cut from the same sorted pools; and
  padded to their longest row, where the pipeline rounds lengths up (models/rows.py).
- The teacher's pass alone, by rows in a pass: several batches at once would be one of more rows.
- A batch packed into one row without padding, whose mask lets a row see itself alone.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from transformers import PreTrainedModel

from benchmarks.distillation import BATCH, fit, labelled_rows, layer_loss, step_2
from benchmarks.machine import describe
from tinybert.models import batches, rows
from tinybert.models.attention import use_attention
from tinybert.models.batches import POOL, BucketSampler
from tinybert.models.device import accelerator
from tinybert.models.rows import Rows, model_inputs


def equal_tokens(
    self: BucketSampler, order: np.ndarray, cuts: np.ndarray, random: np.random.Generator
) -> Iterator[list[int]]:
    """In place of BucketSampler._batches: batches of a pool have the same number of tokens."""
    parts = []
    for i in range(0, len(cuts) - 1, POOL):
        pool = cuts[i : i + POOL + 1]
        chosen = order[pool[0] : pool[-1]]
        chosen = chosen[np.argsort(self.lengths[chosen], kind="stable")]
        sums, count = np.cumsum(self.lengths[chosen]), len(pool) - 1
        parts += np.split(chosen, np.searchsorted(sums, sums[-1] * np.arange(1, count) / count))
    for i in random.permutation(len(parts)):
        yield parts[i].tolist()


def variants(count: int, repeats: int) -> None:
    changes = {
        "32 rows": patch.object(batches, "POOL", POOL),  # no change
        "equal tokens": patch.object(BucketSampler, "_batches", equal_tokens),
        "32 rows, not rounded": patch.object(rows, "_multiple", lambda length: 1),
    }
    steps, sample = {"step 1": layer_loss(for_task=True), "step 2": step_2()}, labelled_rows(count)
    print("| batches | padding, % | step 1 | step 2 |\n| --- | ---: | ---: | ---: |")
    cases = {(c, s): partial(_fit, changes[c], steps[s], sample) for c in changes for s in steps}
    rates = best(cases, sample, repeats)
    for name, change in changes.items():
        with change:
            sampler = BucketSampler(sample.lengths, BATCH, 0)
            padded = sum(sample.batch(indices)["input_ids"].numel() for indices in sampler)
        share = 100 * (1 - sample.lengths.sum() / padded)
        first, second = rates[name, "step 1"], rates[name, "step 2"]
        print(f"| {name} | {share:.1f} | {first:,.0f} | {second:,.0f} |")


def _fit(change, objective: torch.nn.Module, sample: Rows) -> None:
    with change:
        fit(objective, sample)


def best(cases: dict, sample: Rows, repeats: int) -> dict:
    """Tokens per second of each case, which is called without arguments."""
    rates = dict.fromkeys(cases, 0.0)
    for repeat in range(repeats + 1):  # the first builds kernels
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            rate = sample.lengths.sum() / (time.perf_counter() - start)
            rates[name] = max(rates[name], rate) if repeat else 0.0
    return rates


def passes(count: int, repeats: int) -> None:
    loss, sample = layer_loss(for_task=True), labelled_rows(count)
    order = np.argsort(-sample.lengths, kind="stable").tolist()

    def run(size: int) -> Callable[[], None]:
        def teach() -> None:
            for i in range(0, len(order), size):
                loss.teacher_targets(sample.batch(order[i : i + size], pad_to=1))

        return teach

    rates = best({size: run(size) for size in (16, 32, 64, 128, 256)}, sample, repeats)
    print("\n| rows in the teacher's pass | tokens per second |\n| ---: | ---: |")
    for size, rate in rates.items():
        print(f"| {size} | {rate:,.0f} |")


def packed(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The rows of a batch one after the other in one row, with the positions that they had."""
    real = batch["attention_mask"].bool()
    row, position = real.nonzero(as_tuple=True)
    mask = (row[:, None] == row)[None, None]
    ids = {"input_ids": batch["input_ids"][real][None], "position_ids": position[None]}
    return {**ids, "attention_mask": mask}


def packing(count: int, repeats: int) -> None:
    loss, sample = layer_loss(), labelled_rows(count)
    machine = accelerator("auto")
    use_attention(loss.student)

    def run(model: PreTrainedModel, pack: bool) -> Callable[[], None]:
        def passes() -> None:
            for indices in BucketSampler(sample.lengths, BATCH, 0):
                inputs = model_inputs(sample.batch(indices))
                with machine.autocast(), torch.set_grad_enabled(model is loss.student):
                    states = model(**(packed(inputs) if pack else inputs)).last_hidden_state
                if model is loss.student:
                    states.sum().backward()
                    model.zero_grad()

        return passes

    models = {"teacher, forward": loss.teacher, "student, forward and backward": loss.student}
    cases = {(name, pack): run(models[name], pack) for name in models for pack in (False, True)}
    rates = best(cases, sample, repeats)
    print("\n| tokens per second | padded | packed |\n| --- | ---: | ---: |")
    for name in models:
        print(f"| {name} | {rates[name, False]:,.0f} | {rates[name, True]:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{describe()}\n")
    for part in (variants, passes, packing):
        part(options.batches * BATCH, options.repeats)


if __name__ == "__main__":
    main()
