"""The student as it is deployed beside its teacher: PyTorch, ONNX and ONNX in 8 bits.

    python -m benchmarks.export [--rows 64] [--json FILE]

A teacher of BERT-base's sizes and the 4x312 student, random weights, rows as long as those of
SST-2, as the stage `export` measures them: single rows, and batches of 32, on one thread and on all
cores, all taking turns.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import BertForSequenceClassification

from benchmarks.distillation import BATCH, STUDENT, TEACHER, rows_of, sst2_lengths
from benchmarks.machine import describe
from tinybert import export
from tinybert.classifier import FILES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = rows_of(sst2_lengths(options.rows))
    rows.token_types = np.zeros_like(rows.tokens, np.int8)
    with tempfile.TemporaryDirectory() as work:
        models, sizes = {}, {}
        for name, config in (("teacher", TEACHER), ("student", STUDENT)):
            model = BertForSequenceClassification(config).eval()
            model.set_attn_implementation("eager")
            folder = Path(work) / name
            folder.mkdir()
            files = {kind: folder / file for kind, file in FILES.items()}
            export.write(model, files)
            models[name] = model, files
            sizes[name] = {kind: export.megabytes(file) for kind, file in files.items()}
            sizes[name]["torch"] = 4e-6 * sum(p.numel() for p in model.parameters())
        found = export.speed(models, rows, list(range(len(rows))), BATCH)
    print(f"{describe()}\n\n| | | MB | ms, one row | 95 % | rows/s | times the teacher's speed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for threads, own in found.items():
        slow = own["teacher"]["torch"]["latency_ms"]
        for name, kinds in own.items():
            for kind, one in kinds.items():
                one["ratio_to_teacher"] = slow / one["latency_ms"]
                print(
                    f"| {threads.replace('_', ' ')} | {name}, {kind} | {sizes[name][kind]:.1f} "
                    f"| {one['latency_ms']:.2f} | {one['latency_ms_p95']:.2f} "
                    f"| {one['rows_per_second']:.1f} | {one['ratio_to_teacher']:.1f} |"
                )
    if options.json:
        text = json.dumps({**found, "megabytes": sizes, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
