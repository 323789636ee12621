"""The raw files of a task that labels words -> tables with words and the numbers of their tags."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from tinybert.data.raw import raw_tables, schemes, tagged
from tinybert.data.raw.columns import Table
from tinybert.data.raw.targets import preview
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural
from tinybert.tasks.entities import OUTSIDE

UNUSED = ("quoted", "missing_labels", "drop_broken")  # keys of task.<name>.data


def read(
    raw: Path,
    section: TaskData,
    notices: dict[str, dict],
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> tuple[list[str], dict[str, Table]]:
    """The labels in the order of their numbers, and each split's table: text_a, words and, except
    for unlabeled, tags, the numbers of the words' labels.

    section: params.yaml's task.<name>.data. notices: by split, gets a line for each thing that
    looks wrong, and for train `scheme`, how its tags mark entities. tokenizer: the model's. Raises
    InputError that names file, line and remedy.
    """
    if tokenizer is not None and not tokenizer.is_fast:
        raise InputError(
            "kind: tokens needs a tokenizer that knows the places of its tokens, and that of "
            "pretrained.model does not; choose one with a tokenizer.json"
        )
    for key in UNUSED:
        if getattr(section, key):
            raise InputError(f"params.yaml: {key} is not defined for kind: tokens; remove it")
    roles = section.columns.model_dump(exclude_none=True) if section.columns else {}
    if others := sorted(roles.keys() - {"text", "label"}):
        raise InputError(
            f"params.yaml: {' and '.join(others)} of columns is not defined for kind: tokens; use "
            "text and label alone"
        )
    if isinstance(section.labels, dict):
        raise InputError(
            "params.yaml: labels with new names are not defined for kind: tokens; rename the tags "
            "in the files"
        )
    files = raw_tables.find_files(raw, section, tagged.SUFFIXES)
    tables = {}
    for split, file in files.items():
        tables[split], lines = tagged.read(file, section, labelled=split != "unlabeled")
        notices[split] = {"notices": lines}
    train = tables["train"]
    scheme = section.scheme or schemes.find_scheme(train.file, train.columns["tags"])
    notices["train"]["scheme"] = scheme
    for split, table in tables.items():
        if split != "unlabeled":
            _check_order(table, scheme, notices[split]["notices"])
            tags = [tuple(schemes.to_iob2(tags, scheme)) for tags in table.columns["tags"]]
            table.columns["tags"] = tags
    names = schemes.label_names(train.columns["tags"], scheme)
    types = {part for name in section.labels or () for part in (name, name[2:])}
    known = {*types, OUTSIDE, *(f"{mark}-{name}" for name in types for mark in "BI")}
    if section.labels and (others := set(names) - known):
        raise InputError(
            f"params.yaml: labels lacks {', '.join(sorted(others))}, which the files have; add it, "
            "or remove labels: for kind: tokens it gives numbers their names"
        )
    if len(names) < 2:
        raise InputError(f"{train.file} has a single tag, {names[0]!r}; add others")
    for table in tables.values():
        if "tags" in table.columns:
            _number(table, names)
    return names, tables


def _check_order(table: Table, scheme: str, notices: dict[str, str]) -> None:
    breaks = {
        row: schemes.first_break(tags, scheme) for row, tags in enumerate(table.columns["tags"])
    }
    breaks = {row: word for row, word in breaks.items() if word is not None}
    if not breaks:
        return
    row, word = next(iter(breaks.items()))
    tags = table.columns["tags"][row]
    before = f" after {tags[word - 1]}" if word else " at the begin"
    notices["broken_sequences"] = (
        f"{plural(len(breaks), 'sentence has', 'sentences have')} a tag that {scheme} does not "
        f"allow there: {tagged.place(table, row, word)}, {tags[word]}{before}. An entity begins "
        "with any tag of its type that does not continue one; correct the file, or set scheme: "
        f"{' | '.join(schemes.SCHEMES)} {schemes.SETTING}"
    )


def _number(table: Table, names: list[str]) -> None:
    """Replaces the tags of all sentences by their numbers."""
    number_of = {name: i for i, name in enumerate(names)}
    for row, tags in enumerate(table.columns["tags"]):
        for word, tag in enumerate(tags):
            if tag not in number_of:
                raise InputError(
                    f"{tagged.place(table, row, word)}: the tag {tag!r:.60} is not in train; the "
                    f"labels are {preview(names)}. Correct it or remove the sentence"
                )
    table.columns["tags"] = [tuple(map(number_of.get, tags)) for tags in table.columns["tags"]]
