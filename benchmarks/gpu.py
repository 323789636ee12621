"""General distillation on a GPU: from BERT-base's sizes to the 4x312 and the 6x768 student, bf16.

    python -m benchmarks.gpu [--batch 256] [--steps 50] [--json FILE]

Full rows of 128 random tokens, random weights. Tokens per second, the share of the rate of a large
bf16 product on this device in the same run, and the peak memory of the device.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig

from benchmarks.distillation import STUDENT, fit, layer_loss, operations, rows_of
from benchmarks.machine import describe
from tinybert.commands.cost import matmul_rate
from tinybert.models import device
from tinybert.pipeline.files import write_json

STUDENTS = {"4x312": STUDENT, "6x768": BertConfig(num_hidden_layers=6)}


def measure(student: BertConfig, batch: int, steps: int, kind: str) -> dict[str, float]:
    lengths = np.full(batch * steps, 128)
    fit(layer_loss(student), rows_of(lengths[: 2 * batch]), batch_size=batch)  # builds kernels
    objective, rows = layer_loss(student), rows_of(lengths)
    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rate = lengths.sum() / fit(objective, rows, batch_size=batch)
    bound = matmul_rate(torch.bfloat16, kind)
    needed = operations(lengths, student=student) / lengths.sum()
    return {
        "tokens_per_second": float(rate),
        "share_of_bound": float(rate * needed / bound),
        "matmul_tflops": bound / 1e12,
        "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9 if kind == "cuda" else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kind = device.accelerator("auto").device.type
    results = {
        name: measure(student, options.batch, options.steps, kind)
        for name, student in STUDENTS.items()
    }
    name = torch.cuda.get_device_name() if kind == "cuda" else "no GPU"
    print(f"{name}; {describe()}\n\n| | {' | '.join(results)} |\n| --- |{' ---: |' * len(results)}")
    for key in results["4x312"]:
        values = " | ".join(f"{column[key]:,.2f}" for column in results.values())
        print(f"| {key.replace('_', ' ')} | {values} |")
    if options.json:
        write_json(options.json, {**results, "device": name, "machine": describe()})


if __name__ == "__main__":
    main()
