"""Students of several sizes: score, operations, size and time, as a table and a picture.

    python -m benchmarks.frontier [--json benchmarks/quality.json] [--picture docs/frontier.svg]

The scores are those of benchmarks.quality, rows of sizes, `no general text`, `small` and `best`, of
English tasks; the Chinese have other layers and a teacher of 12.
Operations are the encoder's, relative to the default's student. MB and ms: of exported models of
these sizes in 8 bits, one row at a time, as long as those of SST-2, all cores.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.distillation import rows_of, sst2_lengths
from benchmarks.machine import describe
from benchmarks.quality import ROOT, SOURCES
from tinybert.deploy.onnx import export
from tinybert.deploy.onnx.session import FILES
from tinybert.evaluation import speed
from tinybert.pipeline.files import read_json

# Layers, width, neurons.
SIZES = {
    "1x192": (1, 192, 768), "2x192": (2, 192, 768), "3x312": (3, 312, 1200),
    "4x312": (4, 312, 1200), "6x384": (6, 384, 1536),
}  # fmt: skip
# Of a smaller feed-forward, and more layers or width: the operations of 2x192 and of 3x312.
NARROW = {"3x240": (3, 240, 128), "6x264": (6, 264, 552)}
ALL = SIZES | NARROW
TEACHER = (6, 384, 1536)
DEFAULT = "3x312"
RECIPES = {"no general text": DEFAULT, "small": "3x240", "best": "6x264"}  # rows, and their sizes
ROWS = 64


def operations(layers: int, width: int, inner: int) -> int:
    """Of the encoder's matrix products with weights, for a token."""
    return 2 * layers * (4 * width * width + 2 * width * inner)


def config(layers: int, width: int, inner: int) -> BertConfig:
    return BertConfig(
        num_hidden_layers=layers, hidden_size=width, num_attention_heads=12, intermediate_size=inner
    )


def measure(rows: int) -> dict[str, dict[str, float]]:
    """MB and ms of each size; the teacher's are those of 6x384."""
    models, files = {}, {}
    with tempfile.TemporaryDirectory() as work:
        for name, sizes in ALL.items():
            models[name] = BertForSequenceClassification(config(*sizes)).eval()
            folder = Path(work) / name
            folder.mkdir()
            files[name] = {kind: folder / file for kind, file in FILES.items()}
            export.write(models[name], files[name], token_types=True)
        sample = rows_of(sst2_lengths(rows))
        sample.token_types = np.zeros_like(sample.tokens, np.int8)
        timings = speed.speed(models, files, dict.fromkeys(models, sample), rows)["all_cores"]
        return {
            name: {
                "MB": export.megabytes(files[name]["int8"]),
                "ms": timings[name]["int8"]["latency_ms"],
            }
            for name in ALL
        }


def scores(results: dict) -> dict[str, dict[str, list[float]]]:
    """Task -> size -> score and retention, means over the seeds."""
    tasks = {}
    for task, rows in results.items():
        rows = {RECIPES.get(row, row): runs for row, runs in rows.items()}
        measured = [name for name in ALL if name in rows]
        if len(measured) > 1 and not SOURCES[task].chinese:
            tasks[task] = {
                name: [
                    mean(run["score"] for run in rows[name].values()),
                    mean(run["retention"] for run in rows[name].values()),
                ]
                for name in measured
            }
    return tasks


def draw(tasks: dict, file: Path) -> None:
    """Retention against operations: a line for each task, and NARROW as hollow points."""
    with rc_context({"svg.hashsalt": "", "font.size": 9}):
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        largest = operations(*TEACHER)
        shares = {name: 100 * operations(*sizes) / largest for name, sizes in ALL.items()}
        line, hollow = {"marker": "o"}, {"marker": "o", "fillstyle": "none", "linestyle": ""}
        for i, (task, values) in enumerate(tasks.items()):
            for names, style in ((SIZES, {**line, "label": task}), (NARROW, hollow)):
                points = [(shares[name], values[name][1]) for name in names if name in values]
                if points:
                    axes.plot(*zip(*points, strict=True), color=f"C{i}", **style)
        axes.axhline(100, color="grey", linewidth=0.8)
        axes.set(xscale="log", xlabel="operations of the encoder, % of the teacher's")
        axes.set(ylabel="student / teacher, %")
        labels = [f"{name}\n{shares[name]:.0f}" for name in SIZES]
        axes.set_xticks([shares[name] for name in SIZES], labels)
        axes.minorticks_off()
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/quality.json")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/frontier.svg")
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    torch.manual_seed(0)
    tasks, costs = scores(read_json(options.json)), measure(options.rows)
    print(f"{describe()}\n")
    print(f"| student | {' | '.join(tasks)} | operations | MB, 8 bits | ms, one row |")
    print("| --- |" + " ---: |" * (len(tasks) + 3))
    base = operations(*SIZES[DEFAULT])
    for name, sizes in ALL.items():
        measured = [values.get(name) for values in tasks.values()]
        cells = [f"{score[0]:.1f} ({score[1]:.1f} %)" if score else "" for score in measured]
        print(
            f"| {name} | {' | '.join(cells)} | {operations(*sizes) / base:.2f} "
            f"| {costs[name]['MB']:.1f} | {costs[name]['ms']:.2f} |"
        )
    if tasks:
        draw(tasks, options.picture)


if __name__ == "__main__":
    main()
