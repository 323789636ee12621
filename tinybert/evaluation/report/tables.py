"""The tables of a run: scores, and how much smaller and faster the student is."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tinybert.evaluation.score_warnings import percent, score_warnings
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, read_json, reading, write_json
from tinybert.tasks.task import scored_on

MODELS = ("baseline", "teacher", "student")  # of sizes and speeds
# Of scores, and what people read; the linear model is for classification alone.
COLUMNS = {
    "linear": "linear",
    "baseline": "baseline",
    "finetuned_general": "general, labels alone",
    "teacher": "teacher",
    "student": "student",
}


def read_speeds(tasks: list[str]) -> dict[str, dict]:
    """The content of metrics/speed of each task. Raises InputError that names a file that is
    missing or damaged."""
    return {
        task: _read(paths.SPEED / f"{task}.json", lambda task, speed: sizes_table({task: speed}))
        for task in tasks
    }


def read_scores(tasks: list[str]) -> dict[str, dict]:
    """The content of metrics/eval of each task. Raises InputError that names a file that is
    missing, damaged, or that an earlier version wrote."""

    def show(task: str, result: dict) -> None:
        if "student" in result and "intervals" not in result:
            file = paths.metrics("eval", task)
            raise InputError(f"{file} was written by an earlier version; run dvc repro")
        scores_table({task: result})
        score_warnings({task: result})

    return {task: _read(paths.metrics("eval", task), show) for task in tasks}


def _read(file: Path, show: Callable[[str, dict], object]) -> dict:
    """The content of a task's file. What cannot be shown is damaged, and the error names it."""
    content = read_json(file)
    with reading(file):
        show(file.stem, content)
    return content


def scores_table(results: dict[str, dict]) -> pd.DataFrame:
    """A row for each metric of each task, in percent; the interval is the student's. results: the
    content of metrics/eval by task."""
    rows = []
    for task, result in results.items():
        parts = {result["split"]: result}
        if "dev_mismatched" in result:
            parts["dev_mismatched"] = result["dev_mismatched"]
        for split, part in parts.items():
            where = scored_on(split, part["rows"])
            for metric in part["student"]:
                values = [
                    f"{100 * part[model][metric]:.1f}" if model in part else "" for model in COLUMNS
                ]
                interval = percent(part["intervals"]["student"][metric])
                ratio = f"{100 * part['retention'][metric]:.1f} %"
                rows.append([task, metric, where, *values, interval, ratio])
    header = ["task", "metric", "scored on", *COLUMNS.values(), "95 %", "student / teacher"]
    return pd.DataFrame(rows, columns=header)


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
    """Names are aligned to the left, numbers to the right."""
    names = ("task", "metric", "scored on", "")
    align = ["left" if column in names else "right" for column in table.columns]
    return table.to_markdown(index=False, disable_numparse=True, colalign=align)


def write_summary(tasks: list[str]) -> None:
    """Writes metrics/summary.json, with each model's score in each task's first metric and the mean
    retention over the tasks, and report/scores.md, the table of all metrics."""
    results = read_scores(tasks)
    retention = [result["retention"][result["metric"]] for result in results.values()]
    summary = {
        "mean_retention": round(sum(retention) / len(retention), 4),
        "tasks": {
            task: {m: result[m][result["metric"]] for m in COLUMNS if m in result}
            for task, result in results.items()
        },
    }
    write_json(paths.SUMMARY, summary)
    paths.SCORES.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(paths.SCORES) as temporary:
        temporary.write_text(f"{markdown(scores_table(results))}\n", encoding="utf-8")
