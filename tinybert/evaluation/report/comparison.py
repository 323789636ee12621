"""Runs of the pipeline beside each other on one page: report/compare.html."""

from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import pandas as pd
from markupsafe import Markup

from tinybert.evaluation.report import charts, logs, page, settings, tables
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import reading
from tinybert.tasks import intervals
from tinybert.tasks.scores import METRICS
from tinybert.tasks.task import scored_on

MOST = 10  # runs: the colours that charts have
SCORES_OF_NUMBERS = ("pearson", "spearman")


@dataclass
class Run:
    """settings: the values of params.yaml by dotted key. scores: the content of metrics/eval by
    task, with `int8`. predictions: metrics/predictions by task. curves: (step, value) by series, by
    stage and task."""

    settings: dict[str, str]
    scores: dict[str, dict]
    predictions: dict[str, pd.DataFrame]
    curves: dict[tuple[str, str], dict[str, charts.Points]]


def read() -> Run:
    """The run in the current directory, of which data and models are not needed. Raises InputError
    that names a file that is missing or damaged."""
    values = settings.read()
    with reading(params.FILE):
        flat, tasks = settings.flat(values), [str(task) for task in values["tasks"]]
    predictions = {}
    for task in tasks:
        file = paths.METRICS / f"predictions/{task}.csv"
        with reading(file):
            predictions[task] = pd.read_csv(file, dtype=str, keep_default_na=False)
            predictions[task][["actual", "student"]]  # a column that is missing
    curves = {
        (stage, "" if stage in logs.SHARED else task): logs.series(logs.log_of(stage, task))
        for task in tasks
        for stage in logs.TRAININGS
    }
    return Run(flat, tables.read_scores(tasks), predictions, curves)


def write(runs: dict[str, Run]) -> None:
    """runs: by the name that people read, at most MOST. On the page each also has a letter, which
    charts can show however long the name is."""
    letters = dict(zip(runs, ascii_uppercase[: len(runs)], strict=True))
    tasks = dict.fromkeys(task for run in runs.values() for task in run.scores)
    keys = dict.fromkeys(key for run in runs.values() for key in run.settings)
    values = {key: [run.settings.get(key, "") for run in runs.values()] for key in keys}
    same, curves = _curves({letters[name]: run for name, run in runs.items()})
    page.render(
        "compare.html",
        paths.COMPARISON,
        letters=letters,
        tasks={task: _scores(task, runs, letters) for task in tasks},
        settings={key: row for key, row in values.items() if len(set(row)) > 1},
        same=same,
        curves=curves,
    )


def _scores(task: str, runs: dict[str, Run], letters: dict[str, str]) -> list[dict]:
    """A row for each run that has the task. difference: in points to the first of them, with its
    interval if both scored the same rows; None for the first."""
    rows, first = [], None
    for name, run in runs.items():
        if task not in run.scores:
            continue
        result = run.scores[task]
        metric = result["metric"]
        first = first or run
        difference = None
        if run is not first and first.scores[task]["metric"] == metric:
            before = first.scores[task]["student"][metric]
            predictions = first.predictions[task], run.predictions[task]
            difference = result["student"][metric] - before, _interval(*predictions, metric)
        rows.append({
            "letter": letters[name], "metric": metric, "difference": difference,
            "scored_on": scored_on(result["split"], result["rows"]),
            "student": (result["student"][metric], result["intervals"]["student"][metric]),
            "int8": (result["int8"][metric], result["int8"]["interval"]),
            "teacher": (result["teacher"][metric], result["intervals"]["teacher"][metric]),
            "megabytes": result["int8"]["megabytes"],
        })  # fmt: skip
    return rows


def _interval(before: pd.DataFrame, after: pd.DataFrame, metric: str) -> list[float] | None:
    """The 95 % interval of the difference of two students' scores on the same resampled rows. None
    if the rows differ, and for what names alone do not tell: several labels, and which class f1 is
    of."""
    if len(before) != len(after) or (before["actual"] != after["actual"]).any():
        return None
    columns = [before["actual"], before["student"], after["student"]]
    if metric in SCORES_OF_NUMBERS:
        actual, *students = (column.to_numpy(float) for column in columns)
    elif "student_confidence" in before and metric != "f1":
        numbers, _ = pd.factorize(pd.concat(columns))
        actual, *students = np.split(numbers, 3)
    else:
        return None
    return list(intervals.difference(actual, *reversed(students), METRICS[metric]))


def _curves(runs: dict[str, Run]) -> tuple[list[str], list[tuple[str, Markup]]]:
    """The trainings whose curves are the same in all runs, and charts of the others."""
    same, charted = [], []
    for stage, task in dict.fromkeys(key for run in runs.values() for key in run.curves):
        title = f"{stage} {task}".strip()
        series = {letter: run.curves.get((stage, task), {}) for letter, run in runs.items()}
        first, *others = series.values()
        if all(other == first for other in others):
            same.append(title)
            continue
        parts = (
            {k: lines.get(part, []) for k, lines in series.items()} for part in ("loss", "dev")
        )
        charted.append((title, charts.curves(*parts, f"compare-{title}")))
    return same, charted
