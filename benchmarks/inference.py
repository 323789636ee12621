"""The cost of inference: the teacher in the stage `label`, and the latency of teacher and student.

    python -m benchmarks.inference [--json FILE]

A teacher of BERT-base's sizes and the 4x312 student, random weights. `label`: logits for rows of
SST-2's lengths, as the stage computes them, against the plain way: float32, all rows padded to 64.
`latency`: rows of 32 tokens, alone and in batches of 32, in PyTorch in float32 on all cores, as
`tinybert speed` measures it.
"""

import argparse
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
from tinybert.evaluation import speed
from tinybert.models import device, predict
from tinybert.models.encode import model_inputs
from tinybert.pipeline.files import write_json


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
    predict.logits(model, rows_of(lengths[: 8 * BATCH]), "auto")
    start = time.perf_counter()
    predict.logits(model, rows, "auto")
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
        "teacher": BertForSequenceClassification(TEACHER).eval(),
        "student": BertForSequenceClassification(STUDENT).eval(),
    }
    timings = speed.speed(models, {}, rows, len(rows))["all_cores"]
    flat = {
        f"{role}_{key}": timings[role]["torch"][key]
        for role in models
        for key in ("latency_ms", "rows_per_second")
    }
    ratio = flat["teacher_latency_ms"] / flat["student_latency_ms"]
    return {**flat, "latency_ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    results = {"label": label(), "latency": latency()}
    print(f"{describe()}\n\n| | | |\n| --- | --- | ---: |")
    for name, values in results.items():
        for key, value in values.items():
            print(f"| {name} | {key.replace('_', ' ')} | {value:,.2f} |")
    if options.json:
        write_json(options.json, {**results, "machine": describe()})


if __name__ == "__main__":
    main()
