"""Which columns of JSON Lines or Parquet hold words and their tags, or texts and their spans."""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tinybert.data.raw.columns import normal
from tinybert.data.raw.conll import TAGS, TEXTS
from tinybert.data.raw.records import Records, in_params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

SPANS = ("spans", "entities", "label", "labels")
COLUMNS = "{text: ..., label: ...}"


def find(file: Path, content: Records, section: TaskData, labelled: bool) -> tuple[int, int | None]:
    """The indices of the columns of words or texts, and of their tags or spans if labelled.

    A text with spans is read, not its words if these have no tags, as annotation tools write them
    beside it. Raises InputError if it is not clear which columns these are.
    """
    names = [normal(name) for name in content.names]
    forms = [_form(row[at] for row in content.rows) for at in range(len(names))]
    has_tags = any(n in TAGS and form == "words" for n, form in zip(names, forms, strict=True))
    has_spans = any(
        n in SPANS and form in ("spans", None) for n, form in zip(names, forms, strict=True)
    )
    read = {"words": has_tags or not labelled, "text": has_spans or not labelled}
    text_at, label_at = _given(file, content, section, "text"), None
    if text_at is None:
        present = [names.index(name) for name in TEXTS if name in names]
        if not present:
            raise _unclear(file, content, f"no column {TEXTS[0]}")
        text_at = next((at for at in present if read.get(forms[at])), present[0])
    if labelled:
        label_at = _given(file, content, section, "label")
    if labelled and label_at is None:
        are_words = isinstance(content.rows[0][text_at], list)
        known, form = (TAGS, "words") if are_words else (SPANS, "spans")
        present = [names.index(name) for name in known if name in names]
        fit = [at for at in present if forms[at] == form] or [
            at for at in present if forms[at] is None
        ]
        if len(fit) != 1 < len(present):
            found = " and ".join(names[at] for at in present)
            raise _unclear(file, content, f"the columns {found}")
        if not present:
            raise _unclear(file, content, f"no column {known[0]}")
        [label_at] = fit if len(fit) == 1 else present
    return text_at, label_at


def class_names(file: Path, column: str) -> list[str] | None:
    """The names of numbers, also inside of spans, that a data set of the Hugging Face hub keeps in
    its schema."""
    if file.suffix != ".parquet":
        return None
    metadata = (pq.read_schema(file).metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(metadata or "{}")["info"]["features"][column]
        while isinstance(feature, list) or feature.get("_type") != "ClassLabel":
            of_list = feature[0] if isinstance(feature, list) else feature.get("feature")
            feature = of_list or feature["label"]
        return list(feature["names"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _form(values: Iterable[object]) -> str | None:
    """What the first value of a column is that is not empty."""
    for value in values:
        if isinstance(value, list) and value:
            return "spans" if isinstance(value[0], list | dict) else "words"
        if value is not None and not isinstance(value, list):
            return {str: "text", dict: "spans"}.get(type(value), "other")
    return None


def _given(file: Path, content: Records, section: TaskData, role: str) -> int | None:
    """The index of the column that the user names."""
    given = section.columns and getattr(section.columns, role)
    if given is None:
        return None
    if given in content.names:
        return content.names.index(given)
    raise InputError(
        f"{file} has no column {given}; it has {', '.join(map(str, content.names))}; correct "
        "columns under the task's data in params.yaml"
    )


def _unclear(file: Path, content: Records, problem: str) -> InputError:
    return InputError(
        f"{file} has {problem}; it has {', '.join(map(str, content.names))}; rename one, or "
        + in_params("columns", COLUMNS)
    )
