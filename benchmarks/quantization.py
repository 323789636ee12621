"""The exported student in 8 bits: activations quantised dynamically, or with calibrated ranges.

    python -m benchmarks.quantization [pydocs] [--rows 200] [--json FILE]

Static quantisation takes the range of each activation from some rows of train. Size, scores on dev,
the mean Kullback-Leibler divergence there from PyTorch's probabilities, latency of single rows and
throughput on one thread; the models take turns. Then the 8-bit student on each row of dev alone,
and in batches of 32, whose rows share the range of their activations.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from transformers import PreTrainedModel

from benchmarks.machine import describe
from benchmarks.schedules import gap
from tinybert.deploy.onnx import export
from tinybert.deploy.onnx.session import FILES
from tinybert.evaluation import speed
from tinybert.models.encode import read_rows
from tinybert.models.folder import load_classifier
from tinybert.models.rows import Rows, evenly_spaced
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import write_json
from tinybert.tasks.task import Task, load_task

TIMED = 48  # rows
BATCH = 32


class Calibration(CalibrationDataReader):
    def __init__(self, rows: Rows, count: int):
        self.batches = iter(export.batches(rows, [[i] for i in evenly_spaced(len(rows), count)]))

    def get_next(self) -> dict | None:
        return next(self.batches, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", nargs="?", default="pydocs")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = params.load()
    source, data = paths.model(options.task, "onnx"), paths.tables(options.task)
    task, tokenizer = load_task(data), load_tokenizer(source)
    train, dev = (
        read_rows(data / f"{split}.parquet", tokenizer, settings.encode.max_length)
        for split in ("train", "dev")
    )
    files = {"float32": source / FILES["onnx"], "8 bits, dynamic": source / FILES["int8"]}
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        for kind in QuantFormat:
            name = f"8 bits, static, {kind}"
            files[name] = Path(folder) / f"{kind}.onnx"
            quantize_static(
                files["float32"],
                files[name],
                Calibration(train, options.rows),
                quant_format=kind,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                op_types_to_quantize=["MatMul", "Gemm", "Gather"],
                extra_options={"MatMulConstBOnly": True},
            )
        model = load_classifier(paths.model(options.task, "student")).eval()
        results = measure(model, files, dev, task)
    print(f"{describe()}\n\n| | MB | {task.metric} on dev | divergence | ms, one row | rows/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values in results.items():
        print(
            f"| {name} | {values['megabytes']:.1f} | {100 * values[task.metric]:.1f} "
            f"| {values['divergence']:.4f} | {values['latency_ms']:.2f} "
            f"| {values['rows_per_second']:.0f} |"
        )
    batched = in_batches(files["8 bits, dynamic"], dev)
    print(
        f"\nin batches of {BATCH}, a logit moves by up to {batched['moved']:.2f}, and "
        f"{batched['labels']} of {len(dev):,} labels change; rows/s on one thread, alone and in "
        f"batches: {batched['alone']:.0f}, {batched['batches']:.0f}"
    )
    if options.json:
        write_json(options.json, {**results, "in batches": batched, "machine": describe()})


def in_batches(file: Path, rows: Rows) -> dict[str, float]:
    """How far the logits are from those of each row alone, and rows per second of both."""
    run, indices = export.onnx_run(file), list(range(len(rows)))
    logits, rates = [], []
    for size in (1, BATCH):
        inputs = export.batches(rows, [indices[i : i + size] for i in range(0, len(rows), size)])
        start = time.perf_counter()
        logits.append(np.concatenate([run(batch) for batch in inputs]))
        rates.append(len(rows) / (time.perf_counter() - start))
    changed = int((logits[0].argmax(1) != logits[1].argmax(1)).sum())
    moved = float(np.abs(logits[0] - logits[1]).max())
    return {"moved": moved, "labels": changed, "alone": rates[0], "batches": rates[1]}


def measure(
    model: PreTrainedModel, files: dict[str, Path], rows: Rows, task: Task
) -> dict[str, dict[str, float]]:
    timings = speed.speed({"student": model}, {"student": files}, {"student": rows}, TIMED)
    runs = {name: export.alone(export.onnx_run(file)) for name, file in files.items()}
    scored = {name: export.predictions_of(run, rows, task) for name, run in runs.items()}
    inputs = export.batches(rows, [[i] for i in range(len(rows))])
    expected, *actual = (
        np.concatenate([run(row) for row in inputs])
        for run in (export.torch_run(model), *runs.values())
    )
    divergences = dict(zip(runs, (gap(logits, expected) for logits in actual), strict=True))
    return {
        name: {
            "megabytes": export.megabytes(file),
            **export.scores_of(*scored[name], task.metrics_of("dev")),
            "divergence": divergences[name],
            **timings["one_thread"]["student"][name],
        }
        for name, file in files.items()
    }


if __name__ == "__main__":
    main()
