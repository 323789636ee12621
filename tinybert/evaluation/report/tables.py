"""The tables of a run: scores, and how much smaller and faster the student is."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tinybert.evaluation.score_warnings import CHEAPER, percent, score_warnings
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, read_json, reading, write_json
from tinybert.tasks.task import scored_on

RUNTIMES = {"torch": "PyTorch", "onnx": "ONNX", "int8": "ONNX, 8 bits"}
PARTS = ("one_thread", "all_cores")  # of the timings
# Of scores, and what people read; the linear model is for classification alone.
COLUMNS = {
    "linear": "linear",
    "baseline": "baseline",
    "finetuned_general": "general, labels alone",
    "teacher": "teacher",
    "student": "student",
    "int8": "student, 8 bits",
}


def read_speeds(tasks: list[str]) -> dict[str, dict]:
    """The content of metrics/speed of each task. Raises InputError that names a file that is
    missing, damaged, or that an earlier version wrote."""

    def show(task: str, speed: dict) -> None:
        if "megabytes" not in speed:
            file = paths.SPEED / f"{task}.json"
            raise InputError(f"{file} was written by an earlier version; run tinybert speed")
        speed["one_thread"], speeds_table({task: speed})

    return {task: _read(paths.SPEED / f"{task}.json", show) for task in tasks}


def read_scores(tasks: list[str]) -> dict[str, dict]:
    """The content of metrics/eval of each task, and with `int8` the scores of the 8-bit student
    from metrics/export. Raises InputError that names a file that is missing, damaged, or that an
    earlier version wrote."""

    def show(task: str, result: dict) -> None:
        if "student" in result and "intervals" not in result:
            file = paths.metrics("eval", task)
            raise InputError(f"{file} was written by an earlier version; run dvc repro")
        scores_table({task: result})
        score_warnings({task: result})

    def show_exported(task: str, exported: dict) -> None:
        scores_table({task: {**results[task], "int8": exported["int8"]}})

    results = {task: _read(paths.metrics("eval", task), show) for task in tasks}
    for task in tasks:
        results[task]["int8"] = _read(paths.metrics("export", task), show_exported)["int8"]
    return results


def _read(file: Path, show: Callable[[str, dict], object]) -> dict:
    """The content of a task's file. What cannot be shown is damaged, and the error names it."""
    content = read_json(file)
    with reading(file):
        show(file.stem, content)
    return content


def scores_table(results: dict[str, dict]) -> pd.DataFrame:
    """A row for each metric of each task, in percent; the interval is the student's. Models that
    learn labels alone have columns if one of the tasks has labels. results: the content of
    metrics/eval by task."""
    rows, columns = [], COLUMNS
    if not any(model in result for result in results.values() for model in CHEAPER):
        columns = {model: title for model, title in COLUMNS.items() if model not in CHEAPER}
    for task, result in results.items():
        parts = {result["split"]: result}
        if "dev_mismatched" in result:
            parts["dev_mismatched"] = result["dev_mismatched"]
        for split, part in parts.items():
            where = scored_on(split, part["rows"])
            for metric in part["student"]:
                values = [
                    f"{100 * part[model][metric]:.1f}" if metric in part.get(model, {}) else ""
                    for model in columns
                ]
                interval = percent(part["intervals"]["student"][metric])
                ratio = f"{100 * part['retention'][metric]:.1f} %"
                rows.append([task, metric, where, *values, interval, ratio])
    header = ["task", "metric", "scored on", *columns.values(), "95 %", "student / teacher"]
    return pd.DataFrame(rows, columns=header)


def speeds_table(speeds: dict[str, dict]) -> pd.DataFrame:
    """Size and speed of teacher and student in each runtime that was measured: beside the teacher
    in the same one, and beside the teacher as it came, in PyTorch; on one thread and on all cores.

    speeds: the content of metrics/speed by task. A task that `dvc repro` measured by a few texts,
    on one thread alone, has no rows.
    """
    rows = []
    for task, speed in speeds.items():
        for part in PARTS if "all_cores" in speed else ():
            came = speed[part]["teacher"]["torch"], speed["megabytes"]["teacher"]["torch"]
            for role, sizes in speed["megabytes"].items():
                for kind, size in sizes.items():
                    runtime = RUNTIMES[kind] if kind == "int8" else f"{RUNTIMES[kind]}, float32"
                    timings, alike = speed[part][role][kind], speed[part]["teacher"].get(kind)
                    faster = [
                        f"{slow['latency_ms'] / timings['latency_ms']:.1f}x" if slow else ""
                        for slow in (alike, came[0])
                    ]
                    rows.append([
                        task, role, runtime, str(speed["threads"][part]), f"{size:.1f}",
                        f"{timings['latency_ms']:.2f}", f"{timings['rows_per_second']:.0f}",
                        *faster, f"{came[1] / size:.1f}x",
                    ])  # fmt: skip
    header = [
        "task", "model", "runtime", "threads", "MB", "ms, one row", "rows/s",
        "faster, same runtime", "faster, PyTorch teacher", "smaller",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=header)


def markdown(table: pd.DataFrame) -> str:
    """Names are aligned to the left, numbers to the right."""
    names = ("task", "metric", "scored on", "model", "runtime")
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
