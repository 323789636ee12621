"""What a model costs that only answers: `label`'s teacher, and the latency of teacher and student.

    python -m benchmarks.inference [--json FILE]

A teacher of BERT-base's sizes and the 4x312 student, random weights. `label`: logits for rows of
SST-2's lengths, as the stage computes them, against the plain way: float32, all rows padded to 64.
`latency`: single rows of 32 tokens in float32 on all cores, as `evaluate` measures it; the two take
turns.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertForSequenceClassification

from benchmarks.distillation import (
    BATCH,
    STUDENT,
    TEACHER,
    bound_rate,
    operations,
    rows_of,
    sst2_lengths,
)
from benchmarks.machine import describe
from tinybert import device, evaluate, predict
from tinybert.encode import model_inputs


def label() -> dict[str, float]:
    lengths = sst2_lengths(40 * BATCH)
    rows, model = rows_of(lengths), BertForSequenceClassification(TEACHER).eval()
    batches = [list(range(i * BATCH, (i + 1) * BATCH)) for i in range(3)]
    seconds = 0.0
    for n, indices in enumerate(batches):
        inputs = model_inputs(rows.batch(indices, pad_to=64))
        start = time.perf_counter()
        with torch.inference_mode():
            model(**inputs)
        seconds += (time.perf_counter() - start) * (n > 0)  # the first builds kernels
    plain = lengths[BATCH : 3 * BATCH].sum() / seconds
    model = device.frozen(model, "auto")
    predict.logits(model, rows_of(lengths[: 8 * BATCH]), BATCH, "auto")
    start = time.perf_counter()
    predict.logits(model, rows, BATCH, "auto")
    rate = lengths.sum() / (time.perf_counter() - start)
    needed = (operations(lengths) - operations(lengths, with_teacher=False)) / lengths.sum()
    return {
        "tokens_per_second": float(rate),
        "plain_tokens_per_second": float(plain),
        "ratio_to_plain": float(rate / plain),
        "share_of_bound": float(rate * needed / bound_rate()),
    }


def latency() -> dict[str, float]:
    rows = rows_of(np.full(64, 32))
    models = {
        "teacher": BertForSequenceClassification(TEACHER),
        "student": BertForSequenceClassification(STUDENT),
    }
    found = evaluate.speed(models, rows, BATCH, 64)
    flat = {f"{m}_{key}": value for m, own in found.items() for key, value in own.items()}
    ratio = flat["teacher_latency_ms"] / flat["student_latency_ms"]
    return {**flat, "latency_ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    found = {"label": label(), "latency": latency()}
    print(f"{describe()}\n\n| | | |\n| --- | --- | ---: |")
    for name, own in found.items():
        for key, value in own.items():
            print(f"| {name} | {key.replace('_', ' ')} | {value:,.2f} |")
    if options.json:
        text = json.dumps({**found, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
