"""Statistics of a task's splits, and what the stage prints of them."""

from collections import Counter

import numpy as np

from tinybert.data.raw.columns import Table
from tinybert.data.raw.repeats import TRAINED_ON
from tinybert.data.raw.targets import preview
from tinybert.pipeline.wording import plural
from tinybert.tasks.task import Task

SMALL = 50  # rows: one of them is two points of a score


def describe(split: str, table: Table, task: Task) -> dict:
    """A split's number of rows, and the rows of each label or the scores' range and median."""
    counts: dict = {"rows": len(table)}
    if task.target not in table.columns:
        return counts
    values = table.columns[task.target]
    if task.kind == "regression":
        middle = float(np.median(values))
        return {**counts, "score": {"min": min(values), "median": middle, "max": max(values)}}
    several = task.kind in ("multi_label", "tokens")
    rows = Counter(label for row in values for label in (set(row) if several else [row]))
    names = dict(enumerate(task.labels))
    if task.has_entities:  # by type of entity
        names = {i: name[2:] for i, name in names.items() if name.startswith("B-")}
    return {**counts, "labels": {name: rows[i] for i, name in names.items()}}


def add_sizes(split: str, table: Table, counts: dict) -> None:
    """Adds lines to a split's notices if it has few rows or lacks a label."""
    if split not in TRAINED_ON and len(table) < SMALL:
        counts["notices"]["small"] = (
            f"only {plural(len(table), 'row', 'rows')} ({table.file}): each is "
            f"{100 / len(table):.1f} points of a score; add rows"
        )
    if absent := [name for name, count in counts.get("labels", {}).items() if not count]:
        counts["notices"]["absent_labels"] = (
            f"{plural(len(absent), 'label has', 'labels have')} no row in {table.file}: "
            f"{preview(absent)}; add rows, or correct labels under the task's data in params.yaml"
        )


def describe_answers(statistics: dict[str, dict], answers: dict[str, dict]) -> None:
    """Adds the counts of a teacher's answers, and a line if they tell the texts of a split apart as
    little as one answer for all does."""
    for split, counts in answers.items():
        statistics[split].update(counts)
        given = [name for name, count in counts.get("labels", {}).items() if count]
        if "labels" in counts and len(given) < 2:
            statistics[split]["notices"]["one_answer"] = (
                f"the teacher gives {' '.join(given) or 'no label'} to all of "
                f"{plural(statistics[split]['rows'], 'text', 'texts')}; is it fine-tuned for them?"
            )


def summary(task: Task, statistics: dict[str, dict]) -> str:
    """A task's kind, labels, sizes and data warnings, one per line.

    statistics: of each split, those of `prepare_task`.
    """
    labels = f", labels: {preview(task.labels)}" if task.labels else ""
    scheme = next((counts["scheme"] for counts in statistics.values() if "scheme" in counts), None)
    scheme = f", scheme of the files: {scheme}" if scheme else ""
    lines = [f"{task.kind}{' of pairs' if task.pair else ''}{labels}{scheme}"]
    if not task.has_labels:
        lines.append("no labels to train on: the teacher's answers decide")
    if task.answered:
        lines.append("dev is held out, and chooses the epoch by agreement with them")
    for split, counts in statistics.items():
        lines.append(f"{split}: {plural(counts['rows'], 'row', 'rows')}")
        lines += [f"  warning: {line}" for line in counts["notices"].values()]
    return "\n".join(lines)
