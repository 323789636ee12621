"""The cost of the stage `label`: the teacher's logits.

    python -m benchmarks.inference [--json FILE]

A teacher of BERT-base's sizes, random weights, rows of SST-2's lengths, against the plain way: all
rows are padded to 64, in float32. Both in PyTorch with all threads; on processors that multiply in
bfloat16, the stage does. benchmarks.export compares the latency of teacher and student.
"""

import argparse
import time
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

from benchmarks.distillation import (
    BATCH,
    TEACHER,
    bound_rate,
    operations,
    rows_of,
    sst2_lengths,
)
from benchmarks.machine import describe
from tinybert.models import device, predict
from tinybert.models.rows import model_inputs
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
    model = device.frozen(model, "auto", in_float32=device.heads(model))
    predict.logits(model, rows_of(lengths[: 8 * BATCH]), "auto")
    start = time.perf_counter()
    predict.logits(model, rows, "auto")
    rate = lengths.sum() / (time.perf_counter() - start)
    precision = str(model.dtype).removeprefix("torch.")
    needed = (operations(lengths) - operations(lengths, with_teacher=False)) / lengths.sum()
    return {
        f"tokens_per_second, {precision}": float(rate),
        "plain_tokens_per_second, float32": float(plain),
        "ratio_to_plain": float(rate / plain),
        "share_of_bound": float(rate * needed / bound_rate()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    results = label()
    threads = torch.get_num_threads()
    print(f"{describe()}\n\n| stage label, PyTorch, {threads} threads | |\n| --- | ---: |")
    for key, value in results.items():
        print(f"| {key.replace('_', ' ')} | {value:,.2f} |")
    if options.json:
        write_json(options.json, {**results, "machine": describe()})


if __name__ == "__main__":
    main()
