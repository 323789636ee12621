"""The exported student in 8 bits: activations quantised dynamically, or with calibrated ranges.

    python -m benchmarks.quantization [pydocs] [--rows 200] [--json FILE]

Static quantisation takes the range of each activation from some rows of train. Size, scores on dev,
latency of single rows and throughput on one thread; the models take turns.
"""

import argparse
import logging
import tempfile
from pathlib import Path

from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from transformers import PreTrainedModel

from benchmarks.machine import describe
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
    print(f"{describe()}\n\n| | MB | {task.metric} on dev | ms, one row | rows/s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, values in results.items():
        print(
            f"| {name} | {values['megabytes']:.1f} | {100 * values[task.metric]:.1f} "
            f"| {values['latency_ms']:.2f} | {values['rows_per_second']:.0f} |"
        )
    if options.json:
        write_json(options.json, {**results, "machine": describe()})


def measure(
    model: PreTrainedModel, files: dict[str, Path], rows: Rows, task: Task
) -> dict[str, dict[str, float]]:
    timings = speed.speed({"student": model}, {"student": files}, {"student": rows}, TIMED)
    return {
        name: {
            "megabytes": export.megabytes(file),
            **export.scores_of(export.alone(export.onnx_run(file)), rows, task, "dev"),
            **timings["one_thread"]["student"][name],
        }
        for name, file in files.items()
    }


if __name__ == "__main__":
    main()
