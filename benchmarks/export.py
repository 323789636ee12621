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
from tinybert.evaluation.report import tables
from tinybert.models import pretrained
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
        models, files, weights = {}, {}, {}
        for name, config in (("teacher", TEACHER), ("student", STUDENT)):
            models[name] = BertForSequenceClassification(config).eval()
            folder = Path(work) / name
            models[name].save_pretrained(folder)
            weights[name] = folder / pretrained.WEIGHTS
            files[name] = {kind: folder / file for kind, file in FILES.items()}
            export.write(models[name], files[name], token_types=True)
        sizes = speed.megabytes(weights, files)
        read = dict.fromkeys(models, rows)
        result = {"megabytes": sizes, **speed.speed(models, files, read, len(rows))}
    table = tables.speeds_table({"BERT-base, 4x312": result})
    print(f"{describe()}\n\n{tables.markdown(table)}")
    if options.json:
        write_json(options.json, {**result, "machine": describe()})


if __name__ == "__main__":
    main()
