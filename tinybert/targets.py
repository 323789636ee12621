"""Labels and scores of raw tables: what kind they are, whether they are sound, their numbers."""

import math
import re
from collections import Counter
from decimal import Decimal

from tinybert.errors import InputError
from tinybert.forms import Table
from tinybert.published import FORMS
from tinybert.schema import Task as Section

SHOWN = 20  # labels in a message


def kind(train: Table) -> str:
    """Found out from train: numbers with a fraction are scores, lists are several labels."""
    if "score" in train.columns:
        return "regression"
    if "labels" in train.columns:
        return "multi_label"
    values = train.columns["label"]
    if any(isinstance(value, list) for value in values):
        return "multi_label"
    numbers = [_number(value) for value in values]
    if None not in numbers and any(not number.is_integer() for number in numbers):
        return "regression"
    return "classification"


def parse(table: Table, kind: str) -> list:
    """Each row's target: a str, a float, or a list of str; checked one by one."""
    [role] = set(table.columns) - {"text_a", "text_b"}
    values = table.columns.pop(role)
    read = {"classification": _label, "multi_label": _labels, "regression": _score}[kind]
    return [read(value, f"{table.where(row)}: {role}") for row, value in enumerate(values)]


def number(
    tables: dict[str, Table], section: Section, kind: str
) -> tuple[list[str], dict[str, Table]]:
    """The label names in the order of their numbers, and the tables with numbers for names.

    A label becomes its number; several become a list of 0.0 and 1.0, one for each label.
    Raises InputError for a label that train lacks or that params.yaml does not list; of those, rows
    are left out and counted if broken ones are.
    """
    if kind == "regression":
        return [], tables
    several = kind == "multi_label"
    target = "labels" if several else "label"

    def names(table: Table, row: int) -> list[str]:
        value = table.columns[target][row]
        return value if several else [value]

    train = tables["train"]
    present = Counter(name for row in range(len(train)) for name in names(train, row))
    listed = section.labels or (FORMS[section.form].labels if section.form else None)
    if listed and isinstance(listed, dict):
        order = list(listed.values())
        numbers = {name: order.index(listed.get(name, name)) for name in [*listed, *order]}
    else:
        order = list(listed) if listed else sorted(present, key=_order)
        numbers = {name: i for i, name in enumerate(order)}
    numbered = dict(tables)
    for split, table in tables.items():
        if split == "unlabeled":
            continue
        unknown = {
            row: name
            for row in range(len(table))
            for name in names(table, row)
            if name not in numbers
        }
        if unknown and not (listed and section.drop_broken):
            row, name = next(iter(unknown.items()))
            why = "is not listed under its task in params.yaml" if listed else "is not in train"
            raise InputError(
                f"{table.where(row)}: label {name!r:.80} {why}; there are {shown(order)}. Correct "
                "it or remove the row"
            )
        table = numbered[split] = table.leave_out(unknown)
        found = [{numbers[name] for name in names(table, row)} for row in range(len(table))]
        table.columns[target] = [
            [float(i in own) for i in range(len(order))] if several else min(own) for own in found
        ]
    if len({numbers[name] for name in present if name in numbers}) < 2:
        only = repr(next(iter(present))) if present else "none at all"
        raise InputError(
            f"{train.file} has a single class, {only}; nothing can be learnt; add rows of another"
        )
    return order, numbered


def shown(labels: list[str]) -> str:
    """Labels for a message: not too many, not too long."""
    short = [label if len(label) <= 40 else f"{label[:40]}..." for label in labels[:SHOWN]]
    return ", ".join([*short, *(["..."] if len(labels) > SHOWN else [])])


def check_characters(text: str, where: str) -> None:
    """What no UTF-8 file can hold, and NUL, which C libraries take for the end of a text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {text[error.start]!a} is half a character; remove it") from None
    if "\0" in text:
        raise InputError(f"{where}: there is a NUL character; remove it")


def _label(value: object, where: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what spreadsheets and pandas make of 1
    if value is None or value != value or not str(value).strip():
        raise InputError(f"{where} is empty; fill it or remove the row")
    if not isinstance(value, (str, int, float, Decimal)):
        raise InputError(f"{where} must be a name or a number, it is {value!r:.80}")
    check_characters(str(value), where)
    return str(value).strip()


def _labels(value: object, where: str) -> list[str]:
    """A list, or names with commas between them; none is fine."""
    if value is None or value != value:
        raise InputError(f"{where} is missing; where no label applies, write an empty list")
    if not isinstance(value, (list, str, int, float)):
        raise InputError(f"{where} must be a list of names, it is {value!r:.80}")
    if not isinstance(value, list):
        value = [name for name in str(value).split(",") if name.strip()]
    return [_label(name, where) for name in value]


def _score(value: object, where: str) -> float:
    found = _number(value)
    if found is None:
        raise InputError(f"{where} {value!r:.80} is no finite number; correct it or remove the row")
    return found


def _number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, str) and "_" in value:  # 1_0 is a number to Python alone
        return None
    if not isinstance(value, (str, int, float, Decimal)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _order(name: str) -> tuple:
    """Numbers before names, 2 before 10."""
    is_number = re.fullmatch(r"-?[0-9]{1,18}", name)
    return (0, int(name), name) if is_number else (1, 0, name)
