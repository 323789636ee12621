"""Rows without a label: those of train become unlabelled text, others are left out."""

from collections import Counter

from tinybert.data.raw.columns import TARGETS, Table
from tinybert.data.raw.targets import are_lists, as_number
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural

# How pandas, spreadsheets, MySQL and SNLI write that there is no value; `none` is often a class.
SPELLINGS = {"-", "--", "\u2013", "\u2014", "?", "nan", "NaN", "NaT", "null", "Null", "NULL", "\\N"}
SPELLINGS |= {"None", "N/A", "n/a", "NA", "<NA>", "#N/A", "#NA", "N.A.", "n.a."}
MINUS_ONE = {"-1", "-1.0"}  # in data sets of the Hugging Face hub, beside the numbers of classes
RARE = 0.5  # beside 0 and 1, -1 may be a class of its own, unless half as frequent as the rarer one
REMEDY = "under the task's data in params.yaml"


def set_apart(
    tables: dict[str, Table], section: TaskData, notices: dict[str, dict]
) -> dict[str, Table]:
    """Moves the rows of train that have no label or score to unlabeled, and leaves out those of the
    other splits; the notices count them.

    A label is missing if it is empty (with several labels: that is none at all), null or NaN, or
    one of section.missing_labels; if that is None: one of SPELLINGS that `labels` does not list, or
    -1 beside the numbers of classes. With a column for each label: if one is none of 0 and 1, but
    empty or -1. Raises InputError if no row of a split has a label.
    """
    tables = dict(tables)
    names = {split: _names(t, section) for split, t in tables.items() if split != "unlabeled"}
    if not names:
        return tables
    first = next(iter(names))
    [role] = set(TARGETS) & set(tables[first].columns)
    spellings = _spellings(names[first], tables[first], section, notices[first]["notices"])
    for split, values in names.items():
        table = tables[split]
        missing = {row: name for row, name in enumerate(values) if name in spellings}
        if not missing:
            continue
        written = ", ".join(f"{name!a:.40}" for name in sorted(set(missing.values())))
        written = f", only {written}" if any(missing.values()) else ""
        if section.columns is not None and isinstance(section.columns.labels, list):
            written = ", but -1 or nothing in a column"
        if len(missing) == len(table):
            article = "" if role == "labels" else "a "
            raise InputError(
                f"{table.file}: no row has {article}{role}{written}; correct or remove the file, "
                f"or, if that is a class, set missing_labels: [] {REMEDY}"
            )
        tables[split] = table.take([row for row in range(len(table)) if row not in missing])
        fate = "left out"
        if split == "train":
            fate = "used as unlabeled text"
            moved = table.take(list(missing))
            moved.skipped = 0  # train counts them
            del moved.columns[role]
            tables["unlabeled"] = (
                tables["unlabeled"].join(moved) if "unlabeled" in tables else moved
            )
            notices.setdefault("unlabeled", {"notices": {}})
        notices[split]["without_label"] = len(missing)
        line = (
            f"{plural(len(missing), 'row has', 'rows have')} no {role}{written}, the first in "
            f"{table.where(next(iter(missing)))}; {fate}"
        )
        if any(missing.values()):
            line += f". If it is a class, set missing_labels: [] {REMEDY}"
        notices[split]["notices"]["without_label"] = line
    return tables


def _names(table: Table, section: TaskData) -> list[str | None]:
    """Each row's label as text; null and NaN are empty; None: not a single name."""
    [values] = [table.columns[role] for role in TARGETS if role in table.columns]
    several = section.kind == "multi_label" or "labels" in table.columns
    several = several or are_lists(values)

    def name(value: object) -> str | None:
        if value is None or (not isinstance(value, (list, dict)) and value != value):
            return ""
        if not isinstance(value, (str, int, float)):
            return None
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        return str(value).strip() or (None if several else "")

    return [name(value) for value in values]


def _spellings(
    names: list[str | None], train: Table, section: TaskData, notices: dict[str, str]
) -> set[str]:
    if section.missing_labels is not None:
        return {"", *section.missing_labels}
    listed = set(section.labels or ())
    spellings = {"", *SPELLINGS} - listed
    several = "labels" in train.columns or section.kind == "multi_label"
    if several:
        names = [part.strip() for name in names if name for part in name.split(",")]
    counts = Counter(name for name in names if name not in spellings)
    minus = sum(counts.pop(name, 0) for name in MINUS_ONE)
    is_class = "score" in train.columns or section.kind == "regression" or listed & MINUS_ONE
    numbers = [as_number(name) for name in counts]
    if is_class or len(numbers) < 2 or any(n is None or n < 0 or n % 1 for n in numbers):
        return spellings
    if several or len(numbers) > 2 or minus < RARE * min(counts.values()):
        return spellings | MINUS_ONE
    first = next(row for row, name in enumerate(names) if name in MINUS_ONE)
    notices["minus_one"] = (
        f"{plural(minus, 'row has', 'rows have')} the label -1, the first in "
        f"{train.where(first)}, beside {' and '.join(counts)}: it is taken for a "
        f"class. If it means that a row has no label, set missing_labels: [-1] {REMEDY}"
    )
    return spellings
