"""The exported student in 8 bits, with activations quantised as they come, or by calibration rows.

    python -m benchmarks.quantization [pydocs] [--rows 200] [--json FILE]

Static quantisation takes the range of each activation from so many rows of train. Size, scores on
dev, latency of single rows and throughput on one thread, all taking turns.
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path
from statistics import median

from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from benchmarks.machine import describe
from tinybert import export, params, pretrained, task
from tinybert.classifier import FILES
from tinybert.encode import Rows, read_rows, spread

MEASURED, ROUNDS = 48, 5


class Calibration(CalibrationDataReader):
    def __init__(self, rows: Rows, count: int):
        self.left = iter(export.batches(rows, [[i] for i in spread(len(rows), count)]))

    def get_next(self) -> dict | None:
        return next(self.left, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", nargs="?", default="pydocs")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = params.load()
    source, data = Path(f"models/{options.task}/onnx"), Path(f"data/tasks/{options.task}")
    described, tokenizer = task.load(data), pretrained.load_tokenizer(source)
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
        found = measure(files, dev, described, settings.evaluate)
    metric = described.metric
    print(f"{describe()}\n\n| | MB | {metric} on dev | ms, one row | rows/s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, own in found.items():
        shown = f"{own['megabytes']:.1f} | {100 * own[metric]:.1f} | {own['latency_ms']:.2f}"
        print(f"| {name} | {shown} | {own['rows_per_second']:.0f} |")
    if options.json:
        text = json.dumps({**found, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


def measure(files: dict[str, Path], rows: Rows, described: task.Task, settings) -> dict:
    runs = {name: export.onnx_run(file, threads=1) for name, file in files.items()}
    chosen, size = spread(len(rows), MEASURED), settings.batch_size
    single = export.batches(rows, [[i] for i in chosen])
    many = export.batches(rows, [chosen[i : i + size] for i in range(0, len(chosen), size)])
    latency: dict[str, list[float]] = {name: [] for name in files}
    passes: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(ROUNDS):
        for inputs in single:
            for name, run in runs.items():
                latency[name].append(export.seconds(run, [inputs]))
        for name, run in runs.items():
            passes[name].append(export.seconds(run, many))
    return {
        name: {
            "megabytes": export.megabytes(file),
            **export.scores_of(runs[name], rows, described, settings),
            "latency_ms": 1000 * median(latency[name]),
            "rows_per_second": len(chosen) / median(passes[name]),
        }
        for name, file in files.items()
    }


if __name__ == "__main__":
    main()
