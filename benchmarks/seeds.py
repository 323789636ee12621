"""Experiments that differ in their seed: the mean and the spread of their scores.

    dvc exp run --queue -S seed=1,2,3
    dvc queue start
    python -m benchmarks.seeds [NAME ...] [--task pydocs] [--json FILE]

Without names, all experiments on the last commit. There is one table per setting of the other
parameters.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import dvc.api

from tinybert.pipeline.files import write_json

MODELS = ("baseline", "teacher", "student")


def experiments() -> list[str]:
    """The names of the experiments on the last commit."""
    command = [sys.executable, "-m", "dvc", "exp", "list", "--name-only"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def scores(name: str, task: str) -> dict[str, float]:
    """The task's metric of each model, the student's in 8 bits too, and the student's share of the
    teacher's, in %; the student's gain over the baseline in points."""
    result = dvc.api.metrics_show(f"metrics/eval/{task}.json", rev=name)
    exported = dvc.api.metrics_show(f"metrics/export/{task}.json", rev=name)
    values = {model: 100 * result[model][result["metric"]] for model in MODELS}
    values["student, 8 bits"] = 100 * exported["int8"][result["metric"]]
    return {
        **values,
        "student / teacher": 100 * values["student"] / values["teacher"],
        "student - baseline": values["student"] - values["baseline"],
    }


def grouped(names: list[str]) -> dict[str, list[str]]:
    """Names grouped by all parameters except the seed."""
    groups: dict[str, list[str]] = {}
    for name in names:
        settings = {key: v for key, v in dvc.api.params_show(rev=name).items() if key != "seed"}
        groups.setdefault(json.dumps(settings, sort_keys=True), []).append(name)
    return groups


def table(rows: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(rows.values())))
    lines = dict(rows)
    if len(rows) > 1:
        for name, summary in (("mean", mean), ("sd", stdev)):
            lines[name] = {key: summary([row[key] for row in rows.values()]) for key in columns}
    text = [f"| experiment | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, row in lines.items():
        text.append(f"| {name} | {' | '.join(f'{row[column]:.1f}' for column in columns)} |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--task", default="pydocs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for names in grouped(options.names or experiments()).values():
        rows = {name: scores(name, options.task) for name in names}
        print(f"{table(rows)}\n")
        results |= rows
    if not results:
        sys.exit("there are no experiments on the last commit; dvc exp run makes them")
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
