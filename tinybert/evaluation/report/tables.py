"""The tables of a run: scores, and how much smaller and faster the student is."""

from pathlib import Path

import pandas as pd

from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, write_json

MODELS = ("baseline", "teacher", "student")
KEYS = {  # in a folder's files
    "eval": ("split", "rows", "metric", *MODELS, "retention"),
    "speed": ("sizes", "all_cores"),
}
ROWS = ("linear", *MODELS)  # of scores; the linear model is for classification alone


def read(folder: Path, tasks: list[str]) -> dict[str, dict]:
    """The metrics of each task, folder/TASK.json. Raises InputError that names a file that is
    missing or damaged."""
    results = {}
    for task in tasks:
        file = folder / f"{task}.json"
        results[task] = read_json(file, *KEYS.get(folder.name, ()))
    return results


def scores_table(results: dict[str, dict]) -> pd.DataFrame:
    """A row for each metric of each task, in percent. results: the content of
    metrics/eval by task."""
    rows = []
    for task, result in results.items():
        parts = {task: result}
        if "dev_mismatched" in result:
            parts[f"{task} (mismatched)"] = result["dev_mismatched"]
        for name, part in parts.items():
            for metric in part["student"]:
                values = [
                    f"{100 * part[model][metric]:.1f}" if model in part else "" for model in ROWS
                ]
                rows.append([name, metric, *values, f"{100 * part['retention'][metric]:.1f} %"])
    return pd.DataFrame(rows, columns=["task", "metric", *ROWS, "student / teacher"])


def warnings(results: dict[str, dict]) -> list[str]:
    """A line for each task whose student a cheaper model beats. results: as in scores_table."""
    lines = []
    for task, result in results.items():
        metric = result["metric"]
        student = result["student"][metric]
        cheaper = {
            "linear": "a linear model of its words, which takes a second to train",
            "baseline": "a model of its sizes that was trained on the labels alone",
        }
        for model, description in cheaper.items():
            if model in result and result[model][metric] >= student:
                lines.append(
                    f"WARNING: {task}: the student's {metric} {100 * student:.1f} on "
                    f"{result['split']} ({result['rows']} rows) is not above the "
                    f"{100 * result[model][metric]:.1f} of {description}. Does the teacher suit "
                    "the task, are there enough texts, did it train long enough?"
                )
    return lines


def sizes_table(speeds: dict[str, dict]) -> pd.DataFrame:
    """Parameters, size, latency and throughput of each task's models, in PyTorch on all cores.

    speeds: the content of metrics/speed by task.
    """
    rows = []
    for task, speed in speeds.items():
        cores = {model: speed["all_cores"][model]["torch"] for model in MODELS}
        sizes = speed["sizes"]
        lines = [
            ("parameters (millions)", {m: sizes[m]["parameters"] / 1e6 for m in MODELS}, ".1f"),
            ("size on disk (MB)", {m: sizes[m]["megabytes"] for m in MODELS}, ".1f"),
            ("latency, one row (ms)", {m: cores[m]["latency_ms"] for m in MODELS}, ".1f"),
            ("throughput (rows/s)", {m: cores[m]["rows_per_second"] for m in MODELS}, ".0f"),
        ]
        for name, values, form in lines:
            ratio = values["teacher"] / values["student"]
            if name.startswith("throughput"):
                ratio = 1 / ratio
            word = "faster" if "row" in name else "smaller"
            shown = [format(values[model], form) for model in MODELS]
            rows.append([task, name, *shown, f"{ratio:.1f}x {word}"])
    return pd.DataFrame(rows, columns=["task", "", *MODELS, "student is"])


def markdown(table: pd.DataFrame) -> str:
    """The first two columns are aligned to the left, the others to the right."""
    align = ("left", "left", *["right"] * (len(table.columns) - 2))
    return table.to_markdown(index=False, disable_numparse=True, colalign=align)


def write_summary(tasks: list[str]) -> None:
    """Writes metrics/summary.json, with each model's score in each task's first metric and the mean
    retention over the tasks, and report/scores.md, the table of all metrics."""
    results = read(paths.METRICS / "eval", tasks)
    retention = [result["retention"][result["metric"]] for result in results.values()]
    summary = {
        "mean_retention": round(sum(retention) / len(retention), 4),
        "tasks": {
            task: {m: result[m][result["metric"]] for m in ROWS if m in result}
            for task, result in results.items()
        },
    }
    write_json(paths.SUMMARY, summary)
    paths.SCORES.parent.mkdir(parents=True, exist_ok=True)
    paths.SCORES.write_text(f"{markdown(scores_table(results))}\n", encoding="utf-8")
