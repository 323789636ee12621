"""Baseline, teacher and student over several seeds: mean and spread.

    python -m benchmarks.seeds --seeds 1 2 3 [--json FILE]

Each seed is a DVC experiment, `seed-N`, in a temporary copy of the last commit; what is in DVC's
cache is not computed again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import dvc.api

MODELS = ("baseline", "teacher", "student")


def run(seed: int) -> str:
    """Runs the pipeline with a seed and returns the experiment's name."""
    name = f"seed-{seed}"
    dvc = [sys.executable, "-m", "dvc", "exp"]
    known = subprocess.run(
        [*dvc, "list", "--name-only"], check=True, capture_output=True, text=True
    )
    if name in known.stdout.split():  # it may be of other settings; its results are in the cache
        subprocess.run([*dvc, "remove", name], check=True)
    words = ["run", "--temp", "--name", name, "--set-param", f"seed={seed}"]
    subprocess.run([*dvc, *words], check=True)
    return name


def collect(name: str, task: str) -> dict[str, float]:
    """Percentages: the task's metric of each model, the retention, and the gain in points."""
    result = dvc.api.metrics_show(f"metrics/eval/{task}.json", rev=name)
    scores = {model: 100 * result[model][result["metric"]] for model in MODELS}
    return {
        **scores,
        "student / teacher": 100 * scores["student"] / scores["teacher"],
        "student - baseline": scores["student"] - scores["baseline"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--task", default="pydocs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {seed: collect(run(seed), options.task) for seed in options.seeds}
    columns = list(next(iter(found.values())))
    summary = {column: [row[column] for row in found.values()] for column in columns}
    print("| seed | " + " | ".join(columns) + " |")
    print("| ---: |" + " ---: |" * len(columns))
    for seed, row in found.items():
        print(f"| {seed} | " + " | ".join(f"{row[column]:.1f}" for column in columns) + " |")
    print("| mean | " + " | ".join(f"{mean(values):.1f}" for values in summary.values()) + " |")
    if len(found) > 1:
        print("| sd | " + " | ".join(f"{stdev(values):.1f}" for values in summary.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
