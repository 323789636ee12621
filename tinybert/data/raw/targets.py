"""Labels and scores of raw tables: their kind, validation and numbering."""

import math
import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from tinybert.data.raw.benchmarks import BENCHMARKS
from tinybert.data.raw.columns import TARGETS, Table
from tinybert.data.raw.records import TAG, WORDS
from tinybert.data.raw.spelling import normalised, plain_name
from tinybert.models.chunks import MAX_CHARACTERS
from tinybert.pipeline.errors import InputError

if TYPE_CHECKING:  # pydantic, which tinybert predict does without
    from tinybert.pipeline.task_data import TaskData

PREVIEW = 20  # labels in a message
# How pandas writes a list or an array of names to a .csv.
ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|(-?[0-9]+)")
LIST = re.compile(rf"\[\s*(?:(?:{ITEM.pattern})(?:[\s,]+(?:{ITEM.pattern}))*)?\s*\]")


def kind(train: Table) -> str:
    """The task's kind, inferred from train: fractional numbers are scores, lists are labels.
    Raises InputError for tags of words."""
    if "score" in train.columns:
        return "regression"
    if "labels" in train.columns:
        return "multi_label"
    values = train.columns["label"]
    if are_lists(values):
        return "multi_label"
    tags = sorted({value for value in values if isinstance(value, str)} - {"O"})
    if tags and "O" in values and all(map(TAG.fullmatch, tags)):
        raise InputError(
            f"{train.file}: the labels O, {preview(tags)} look like tags of words. {WORDS}; if "
            "they are labels of texts, kind: classification there"
        )
    numbers = [as_number(value) for value in values]
    if None not in numbers and any(not number.is_integer() for number in numbers):
        return "regression"
    return "classification"


def parse(table: Table, kind: str) -> list:
    """Each row's target, validated: a str, a float, or a list of str. Removes the raw column.

    Raises InputError that names the row of an invalid value.
    """
    [role] = set(table.columns) & set(TARGETS)
    values = table.columns.pop(role)
    parse_value = {"classification": _label, "multi_label": _labels, "regression": _score}[kind]
    return [parse_value(value, f"{table.where(row)}: {role}") for row, value in enumerate(values)]


def number(
    tables: dict[str, Table],
    section: "TaskData",
    kind: str,
    without_label: str = "",
    outputs: list[str] | None = None,
) -> tuple[list[str], dict[str, Table]]:
    """The label names in the order of their numbers, and the tables with numbers instead of names.

    A label becomes its number; multi-label targets become a sorted tuple of numbers. without_label:
    what was said of rows that have none, for a train of one class. outputs: the labels of a
    teacher, if there is no train.
    Raises InputError for a label that train lacks or that params.yaml does not list; with
    drop_broken, rows with unlisted labels are dropped and counted instead.
    """
    if kind == "regression":
        return [], tables
    multi_label = kind == "multi_label"
    target = "labels" if multi_label else "label"

    def names(table: Table, row: int) -> list[str]:
        value = table.columns[target][row]
        return value if multi_label else [value]

    train = tables.get("train")
    rows = range(len(train)) if train else ()
    present = Counter(name for row in rows for name in names(train, row))
    listed = section.labels or (BENCHMARKS[section.benchmark].labels if section.benchmark else None)
    if listed and isinstance(listed, dict):
        order = list(dict.fromkeys(listed.values()))
        numbers = {name: order.index(listed.get(name, name)) for name in [*listed, *order]}
    else:
        order = list(listed or outputs or sorted(present, key=_order))
        numbers = {name: i for i, name in enumerate(order)}
    if outputs and not listed:  # the files may write the teacher's labels in another way
        number_of = {label_key(name): i for i, name in enumerate(order)}
        written = {
            name
            for table in tables.values()
            if target in table.columns
            for row in range(len(table))
            for name in names(table, row)
        }
        if len(number_of) == len(order):
            known = {name: number_of.get(label_key(name)) for name in written - set(order)}
            numbers |= {name: i for name, i in known.items() if i is not None}
    numbered = dict(tables)
    for split, table in tables.items():
        if target not in table.columns:
            continue
        unknown = {
            row: name
            for row in range(len(table))
            for name in names(table, row)
            if name not in numbers
        }
        if unknown and not (listed and section.drop_broken):
            row, name = next(iter(unknown.items()))
            where = "listed under the task's data in params.yaml" if listed else "in train"
            where = "a label of the teacher" if outputs and not listed else where
            alike = [label for label in numbers if label_key(label) == label_key(name)]
            hint = f", which differs from {alike[0]!a:.80}" if alike else ""
            shown = f"{name!a:.80}" if alike else f"{name!r:.80}"
            raise InputError(
                f"{table.where(row)}: label {shown} is not {where}{hint}; the labels are "
                f"{preview(order)}. Correct it or remove the row"
            )
        table = numbered[split] = table.drop(unknown)
        classes = [{numbers[name] for name in names(table, row)} for row in range(len(table))]
        table.columns[target] = [tuple(sorted(c)) if multi_label else min(c) for c in classes]
    if train and len({numbers[name] for name in present if name in numbers}) < 2:
        only = repr(next(iter(present))) if present else "none at all"
        others = f" ({without_label})" if without_label else ""
        raise InputError(
            f"{train.file} has a single class, {only}; add rows of another class{others}"
        )
    return order, numbered


def label_key(name: str) -> str:
    """Equal for labels that look alike: another way to write the same number, or the same
    plain_name."""
    number = as_number(normalised(name).strip("'\"()[] "))
    if number is None:
        key = plain_name(name)
        number = as_number(key)
    return key if number is None else repr(number)


def are_lists(values: list) -> bool:
    """Whether some labels are lists, or most are lists written as text, as in ['a', 'b']."""
    texts = sum(isinstance(value, str) and bool(LIST.fullmatch(value)) for value in values)
    return texts > len(values) / 2 or any(isinstance(value, list) for value in values)


def preview(labels: list[str]) -> str:
    """The first labels, shortened, for a message."""
    short = [label if len(label) <= 40 else f"{label[:40]}..." for label in labels[:PREVIEW]]
    return ", ".join([*short, *(["..."] if len(labels) > PREVIEW else [])])


def as_number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, str) and "_" in value:  # only Python reads 1_0 as a number
        return None
    if not isinstance(value, (str, int, float, Decimal)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def check_characters(text: str, where: str) -> None:
    """Raises InputError for unpaired surrogates, which UTF-8 cannot encode, for NUL, which C
    libraries take for the end of a text, and for more than MAX_CHARACTERS."""
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{where} has {len(text):,} characters, more than {MAX_CHARACTERS:,}; if it is several "
            "texts, write each on a line of its own, else shorten it: a model reads only the "
            "first encode.max_length tokens"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {text[error.start]!a} is an unpaired surrogate; remove it"
        ) from None
    if "\0" in text:
        raise InputError(f"{where}: there is a NUL character; remove it")


def check_text(value: object, where: str, unit: str) -> str:
    """A row's text; numbers become texts. where: file, position and role, for messages, as is
    unit, "line" or "row". Raises InputError if it is missing or not a text."""
    if isinstance(value, (int, float)) and abs(value) < math.inf:
        value = str(value)
    if value is None or value != value:
        raise InputError(f"{where} is missing; fill it or remove the {unit}")
    if not isinstance(value, str):
        raise InputError(f"{where} must be a text, not {value!r:.80}")
    check_characters(value, where)
    return value


def _label(value: object, where: str) -> str:
    if isinstance(value, (float, Decimal)) and (number := as_number(value)) is not None:
        value = int(value) if number.is_integer() else value  # pandas turns 1 into 1.0
    if value is None or value != value or not str(value).strip():
        raise InputError(f"{where} is empty; fill it or remove the row")
    is_number = isinstance(value, (int, float, Decimal)) and abs(value) < math.inf
    if not (isinstance(value, str) or is_number):
        raise InputError(f"{where} must be a name or a number, not {value!r:.80}; correct it")
    check_characters(str(value), where)
    return str(value).strip()


def _labels(value: object, where: str) -> list[str]:
    """A list, or names separated by commas or written as a list; it may be empty."""
    if value is None or value != value:
        raise InputError(f"{where} is missing; where no label applies, write an empty list")
    if not isinstance(value, (list, str, int, float)):
        raise InputError(f"{where} must be a list of names, not {value!r:.80}")
    if isinstance(value, str) and LIST.fullmatch(value):
        value = ["".join(found) for found in ITEM.findall(value)]
    if not isinstance(value, list):
        value = [name for name in str(value).split(",") if name.strip()]
    names = [_label(name, where) for name in value]
    if len(set(names)) < len(names) and set(names) <= {"0", "1"}:
        raise InputError(
            f"{where} {', '.join(names):.40} seems to have 0 or 1 for each label; write the names "
            "of those that apply, or a column for each label"
        )
    return names


def _score(value: object, where: str) -> float:
    score = as_number(value)
    if score is None:
        raise InputError(
            f"{where} {value!r:.80} is not a finite number; correct it or remove the row"
        )
    return score


def _order(name: str) -> tuple:
    """A sort key: numbers before names, 2 before 10."""
    is_number = re.fullmatch(r"-?[0-9]{1,18}", name)
    return (0, int(name), name) if is_number else (1, 0, name)
