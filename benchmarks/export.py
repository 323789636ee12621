"""Speed and size of student and teacher as deployed: PyTorch, ONNX, and ONNX in 8 bits.

    python -m benchmarks.export [--rows 64] [--json FILE]

A teacher of BERT-base's sizes and the 4x312 student, random weights, rows as long as those of
SST-2. Measured as `tinybert speed` does: single rows and batches of 32, on one thread and on all
cores; the models take turns.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import BertForSequenceClassification

from benchmarks.distillation import STUDENT, TEACHER, rows_of, sst2_lengths
from benchmarks.machine import describe
from tinybert.deploy.onnx import export
from tinybert.deploy.onnx.session import FILES
from tinybert.evaluation import speed
from tinybert.pipeline.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = rows_of(sst2_lengths(options.rows))
    rows.token_types = np.zeros_like(rows.tokens, np.int8)
    with tempfile.TemporaryDirectory() as work:
        models, files, sizes = {}, {}, {}
        for name, config in (("teacher", TEACHER), ("student", STUDENT)):
            model = BertForSequenceClassification(config).eval()
            folder = Path(work) / name
            folder.mkdir()
            models[name] = model
            files[name] = {kind: folder / file for kind, file in FILES.items()}
            export.write(model, files[name], token_types=True)
            sizes[name] = {kind: export.megabytes(file) for kind, file in files[name].items()}
            sizes[name]["torch"] = 4e-6 * sum(p.numel() for p in model.parameters())
        timings = speed.speed(models, files, rows, len(rows))
    print(f"{describe()}\n\n| | | MB | ms, one row | 95 % | rows/s | times the teacher's speed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for threads, roles in timings.items():
        slow = roles["teacher"]["torch"]["latency_ms"]
        for name, kinds in roles.items():
            for kind, values in kinds.items():
                values["ratio_to_teacher"] = slow / values["latency_ms"]
                print(
                    f"| {threads.replace('_', ' ')} | {name}, {kind} | {sizes[name][kind]:.1f} "
                    f"| {values['latency_ms']:.2f} | {values['latency_ms_p95']:.2f} "
                    f"| {values['rows_per_second']:.1f} | {values['ratio_to_teacher']:.1f} |"
                )
    if options.json:
        write_json(options.json, {**timings, "megabytes": sizes, "machine": describe()})


if __name__ == "__main__":
    main()
