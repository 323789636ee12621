"""A fine-tuning step with this library's dropout (models/dropout.py), and with torch's own.

    python -m benchmarks.dropout [--steps 40] [--json FILE]

A teacher of MiniLM's sizes (6x384), random weights, batches of 32 rows of 40 random tokens, dropout
0.1 of hidden states and attention; only the function that draws the masks differs. A step is
forward, backward, clipping and update, as training does it; `none` is a step without dropout. The
three take turns, each with its own model, so a noisy machine is fair to each. The ratios are those
of the steps of one turn: the median, and the first and third quartiles.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.machine import describe
from tinybert.models import attention
from tinybert.models.device import accelerator
from tinybert.models.dropout import dropout, set_dropout
from tinybert.pipeline.files import write_json
from tinybert.tasks.gold import GoldLoss

TEACHER = {
    "vocab_size": 30522, "num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12,
    "intermediate_size": 1536,
}  # fmt: skip
ROWS, LENGTH, LABELS = 32, 40, 6
P = 0.1
WARM_UP = 3  # steps, in which kernels are built and memory is allocated
COMPARED = ("ours", "torch", "none")


def stepper(kind: str) -> Callable[[], None]:
    """Returns a function that makes one step of a new model."""
    torch.manual_seed(0)
    config = BertConfig(
        **TEACHER, num_labels=LABELS, hidden_dropout_prob=P, attention_probs_dropout_prob=P
    )
    objective = GoldLoss(BertForSequenceClassification(config))  # with torch's nn.Dropout
    if kind != "torch":
        set_dropout(objective.student, P if kind == "ours" else 0.0)
    machine = accelerator("auto")
    optimizer = torch.optim.AdamW(objective.parameters(), lr=2e-4, fused=True)
    model, optimizer = machine.prepare(objective, optimizer)
    model.train()
    random = torch.Generator().manual_seed(0)

    def step() -> None:
        batch = {
            "input_ids": torch.randint(1000, 30522, (ROWS, LENGTH), generator=random),
            "attention_mask": torch.ones(ROWS, LENGTH, dtype=torch.int64),
            "label": torch.randint(LABELS, (ROWS,), generator=random),
        }
        batch = {name: tensor.to(machine.device) for name, tensor in batch.items()}
        attention.dropout = functional.dropout if kind == "torch" else dropout
        loss = model(batch)["loss"]
        machine.backward(loss)
        machine.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for a GPU

    return step


def measure(steps: int) -> dict[str, np.ndarray]:
    """Milliseconds of each step, (steps,), by kind of dropout."""
    steppers = {kind: stepper(kind) for kind in COMPARED}
    times: dict[str, list[float]] = {kind: [] for kind in COMPARED}
    for turn in tqdm(range(WARM_UP + steps), desc="turns"):
        first = turn % len(COMPARED)  # no kind always follows the same other one
        for kind in (*COMPARED[first:], *COMPARED[:first]):
            start = time.perf_counter()
            steppers[kind]()
            times[kind].append(1000 * (time.perf_counter() - start))
    return {kind: np.array(values[WARM_UP:]) for kind, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times = measure(options.steps)
    result: dict[str, dict[str, float]] = {}
    for kind, values in times.items():
        low, ratio, high = np.quantile(values / times["torch"], [0.25, 0.5, 0.75])
        result[kind] = {
            "ms_per_step": round(float(np.median(values)), 2),
            "ratio_to_torch": round(float(ratio), 3),
            "first_quartile": round(float(low), 3),
            "third_quartile": round(float(high), 3),
        }
    print(f"{describe()}\n\n| dropout | ms per step | ratio to torch | quartiles |")
    print("| --- | ---: | ---: | ---: |")
    for kind, values in result.items():
        print(
            f"| {kind} | {values['ms_per_step']:.1f} | {values['ratio_to_torch']:.3f} "
            f"| {values['first_quartile']:.3f} to {values['third_quartile']:.3f} |"
        )
    if options.json:
        write_json(options.json, {**result, "machine": describe()})


if __name__ == "__main__":
    main()
