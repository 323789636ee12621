"""Probabilities or logits of the labels that something else gave: other models, or people.

They are a column `probabilities` or `logits` of train or unlabeled, with an object from label to
number or a list in the order of the labels; or, named in params.yaml, a column for each label.
"""

import json
import math
from collections.abc import Iterable, Sequence

import numpy as np

from tinybert.data.raw.columns import GIVEN, TARGETS, Columns, Table, index, normal
from tinybert.data.raw.records import Records, in_params
from tinybert.data.raw.targets import as_number
from tinybert.models.encode import TEACHER_LOGITS
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural

SPLITS = ("train", "unlabeled")
EXACT = 1e-3  # how far the sum of a row's probabilities is from 1 without a word
ROUNDED = 0.02  # and how far that of numbers with two digits may be: 0.33 three times
# The smallest probability whose logarithm is a logit: people and votes give 0, which has none. At
# 1e-4, logits differ by at most 9.2, as those of fine-tuned classifiers do, so that one row does
# not outweigh others at a high temperature; the target of the loss moves by 1e-4 a label.
FLOOR = 1e-4
REMEDY = "correct it, or remove it from the row"


def read(name: str, content: Records, columns: Columns | None) -> tuple[str, list] | None:
    """The role, and each row's value as it is written: a list, a mapping from label to number, or
    None. None if the file has no such column. name: of the file, for messages. Raises InputError if
    it has both columns."""
    if columns is not None:
        found = {role: columns[role] for role in GIVEN if role in columns}
    else:
        names = {normal(column): column for column in content.names or ()}
        found = {role: names[role] for role in GIVEN if role in names}
    if len(found) > 1:
        raise InputError(f"{name} has the columns probabilities and logits; remove one of them")
    for role, column in found.items():
        wanted = column if isinstance(column, list) else [column]
        if content.names is not None and not set(wanted) & set(content.names):
            return None  # train or unlabeled may be without
        if isinstance(column, list):
            places = {str(c): index(name, content, c, in_params) for c in column}
            values = [{c: row[place] for c, place in places.items()} for row in content.rows]
            return role, [None if all(map(_is_empty, row.values())) else row for row in values]
        place = index(name, content, column, in_params)
        return role, [None if _is_empty(row[place]) else row[place] for row in content.rows]
    return None


def has_target(content: Records, columns: Columns | None, others: Iterable[Records]) -> bool:
    """Whether a file has a column of labels or scores, too. One that params.yaml names may be a
    column of dev and test alone. others: the task's other files."""
    if columns is None:
        return content.names is None or any(normal(name) in TARGETS for name in content.names)
    named = [columns[role] for role in TARGETS if role in columns]
    elsewhere = {name for other in others for name in other.names or ()} - set(content.names or ())
    return any(isinstance(column, list) or column not in elsewhere for column in named)


def best_labels(table: Table, values: list, section: TaskData) -> list:
    """Labels for a train without labels: each row's most probable one; with several labels a row,
    those that are more probable than not.

    values: each row's role and value. Raises InputError that names the row.
    """
    labels = section.labels if isinstance(section.labels, list) else None
    renamed = section.labels if isinstance(section.labels, dict) else {}
    kind, best = section.kind, []
    for row, (role, value) in enumerate(values):
        where = f"{table.where(row)}: {role}"
        if value is None:
            best.append(None)
            continue
        numbers = _numbers(value, labels, where)
        merged = _merged(numbers, renamed, role, kind, where)
        bound = 0.5 if role == "probabilities" else 0.0
        if kind == "multi_label":
            best.append([name for name, number in numbers.items() if number > bound])
        else:  # a name of the files: it is renamed with the others
            best.append(max(numbers, key=lambda name: merged[renamed.get(name, name)]))
    return best


def describe_labels(tables: dict[str, Table], probable: list[str]) -> str:
    """Says that the labels of these splits are those of best_labels."""
    line = f"{tables['train'].file} has no labels: the most probable one of each row is its label"
    if "dev" in probable:
        line += (
            "; dev is held out from it, so that scores on dev are agreement with these answers, "
            "right or wrong. Add a dev file with labels"
        )
    return line


def parse(table: Table, labels: list[str], kind: str, section: TaskData) -> dict:
    """Replaces the values of a table by logits in the order of the labels, or None, in place.

    section: with names for the labels of the files. Returns how many rows have them, under
    `with_probabilities`, and a line under `notices` if sums had to be made 1. Raises InputError
    that names the row and what is wrong.
    """
    renamed = section.labels if isinstance(section.labels, dict) else {}
    logits, inexact = [], []  # inexact: rows, and their sums
    for row, (role, value) in enumerate(table.columns[TEACHER_LOGITS]):
        where = f"{table.where(row)}: {role}"
        if value is None:
            logits.append(None)
            continue
        if kind == "regression":
            raise InputError(f"{where} needs labels, and the task has scores; remove the column")
        numbers = _numbers(value, labels, where)
        numbers = _merged(numbers, renamed, role, kind, where)
        if set(numbers) != set(labels):
            names = " and ".join(sorted(set(numbers) ^ set(labels)))
            raise InputError(
                f"{where} must have one number for each of {', '.join(labels)}; {names} is missing "
                f"there, or is no label; {REMEDY}. If it is a label that no row of train has, or "
                "that is nowhere the most probable one, set labels: [...] under the task's data in "
                "params.yaml"
            )
        ordered = np.array([numbers[label] for label in labels])
        if role == GIVEN[0]:
            total = ordered.sum()
            ordered = _logits(ordered, kind, where)
            if kind != "multi_label" and abs(total - 1) > EXACT:
                inexact.append((row, total))
        logits.append(ordered.tolist())
    table.columns[TEACHER_LOGITS] = logits
    count = sum(value is not None for value in logits)
    return {"with_probabilities": count, "notices": _rounded(table, inexact)}


def _rounded(table: Table, inexact: list[tuple[int, float]]) -> dict[str, str]:
    if not inexact:
        return {}
    row, total = max(inexact, key=lambda pair: abs(pair[1] - 1))
    rows = plural(len(inexact), "row has", "rows have")
    return {
        "rounded_probabilities": (
            f"{rows} probabilities whose sum is not quite 1, as of rounded numbers, and they are "
            f"divided by it; furthest from 1 is {total:g}: {table.where(row)}"
        )
    }


def _numbers(value: object, labels: Sequence[str] | None, where: str) -> dict[str, float]:
    if isinstance(value, str):  # of .csv and .tsv
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(
                f"{where} {value!r:.80} must be a list of numbers or an object from label to "
                f"number, in JSON; {REMEDY}"
            ) from None
    if isinstance(value, (list, tuple)):
        if labels is None:
            raise InputError(
                f"{where} is a list, and nothing says what its numbers mean; write an object "
                "{label: number}, or set labels: [...] under the task's data in params.yaml"
            )
        if len(value) != len(labels):
            raise InputError(
                f"{where} has {len(value)} numbers, and there are {len(labels)} labels, "
                f"{', '.join(labels)}; {REMEDY}"
            )
        value = dict(zip(labels, value, strict=True))
    if not isinstance(value, dict) or not value:
        raise InputError(f"{where} must be a list of numbers or an object with some; {REMEDY}")
    numbers = {str(name): as_number(number) for name, number in value.items()}
    if None in numbers.values():
        wrong = next(name for name, number in numbers.items() if number is None)
        raise InputError(f"{where} of {wrong!r:.40} is not a finite number; {REMEDY}")
    return numbers


def _merged(
    numbers: dict[str, float], renamed: dict[str, str], role: str, kind: str | None, where: str
) -> dict[str, float]:
    """The numbers by the names that params.yaml gives; probabilities of labels that become one are
    added. Raises InputError where they cannot be."""
    merged: dict[str, float] = {}
    for name, number in numbers.items():
        new = renamed.get(name, name)
        if new in merged and (role == "logits" or kind == "multi_label"):
            raise InputError(
                f"{where}: labels in params.yaml gives several of them the name {new}; write one "
                "number for each new name"
            )
        merged[new] = merged.get(new, 0.0) + number
    return merged


def _logits(probabilities: np.ndarray, kind: str, where: str) -> np.ndarray:
    low, high, total = probabilities.min(), probabilities.max(), probabilities.sum()
    if low >= 0 and math.isclose(total, 100, rel_tol=ROUNDED):
        raise InputError(f"{where} sum to {total:g}, as of percent; write them divided by 100")
    if low < 0 or high > 1:
        raise InputError(
            f"{where}: {low if low < 0 else high:g} is not within 0 and 1; {REMEDY}, or name the "
            "column logits"
        )
    if kind == "multi_label":
        inside = np.clip(probabilities, FLOOR, 1 - FLOOR)
        return np.log(inside / (1 - inside))
    if not math.isclose(total, 1, rel_tol=0, abs_tol=ROUNDED + 1e-9):
        raise InputError(
            f"{where} sum to {total:g}, not 1 within {ROUNDED:g}; {REMEDY}. If several labels may "
            "apply, set kind: multi_label under the task's data in params.yaml"
        )
    return np.log(np.maximum(probabilities / total, FLOOR))


def _is_empty(value: object) -> bool:
    if isinstance(value, (list, dict)):
        return False
    return value is None or value != value or not str(value).strip()
