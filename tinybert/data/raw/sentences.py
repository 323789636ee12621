"""The raw files of a task that labels words -> tables with words and the numbers of their tags."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from tinybert.data.raw import raw_tables, schemes, tagged
from tinybert.data.raw.columns import Table
from tinybert.data.raw.notices.words import check_words
from tinybert.data.raw.targets import preview
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural
from tinybert.tasks import teacher

SHOWN = 5  # broken sequences
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
    tags = train.columns["tags"]
    spell = schemes.plain if schemes.is_respelled(train.file, tags, section.scheme) else str
    tags = train.columns["tags"] = [list(map(spell, row)) for row in tags]
    scheme = section.scheme or schemes.find_scheme(train.file, tags)
    notices["train"]["scheme"] = scheme
    tags = [schemes.to_iob2(row, scheme) for row in tags]
    names = _names(train, tags, scheme, list(map(spell, section.labels or ())))
    if section.teacher:
        names = _with_teacher(names, scheme, section)
    types = {name[2:] for name in names}
    for split, table in tables.items():
        if split != "unlabeled":
            if scheme != schemes.WORDS:
                rows = table.columns["tags"]
                table.columns["tags"] = [schemes.of_types(row, types) for row in rows]
            _check_order(table, scheme, notices[split]["notices"])
            notices[split]["notices"] |= check_words(table)
            rows = [tuple(schemes.to_iob2(row, scheme)) for row in table.columns["tags"]]
            table.columns["tags"] = rows
    for table in tables.values():
        if "tags" in table.columns:
            _number(table, names)
    return names, tables


def _names(train: Table, tags: list[list[str]], scheme: str, listed: list[str]) -> list[str]:
    """The labels of train's tags and of the names or types that params.yaml lists, in the order of
    their numbers. Raises InputError if it lists some, but not all that train has."""
    found, known = (
        schemes.label_names(rows, scheme, more) for rows, more in ((tags, ()), ((), listed))
    )
    if listed and (others := set(found) - set(known)):
        raise InputError(
            f"params.yaml: labels lacks {', '.join(sorted(others))}, which the files have; add it, "
            "or remove labels: for kind: tokens it gives numbers their names"
        )
    if len(found) < 2:
        raise InputError(f"{train.file} has a single tag, {found[0]!r}; add others")
    return known if listed else found


def _with_teacher(names: list[str], scheme: str, section: TaskData) -> list[str]:
    """The labels with those that the given teacher has beside them, as of types that train's
    sentences lack; the labels alone if they would not be the teacher's then."""
    outputs, key = teacher.outputs(section)[1], teacher.name_key
    known = {*map(key, names)}
    more = [name for name in outputs if key(name) not in known]
    if scheme != schemes.WORDS:
        more = [schemes.plain(name) for name in more]
    united = schemes.label_names([names], scheme, more)
    return united if {*map(key, united)} == {*map(key, outputs)} else names


def _check_order(table: Table, scheme: str, notices: dict[str, str]) -> None:
    breaks = {
        row: schemes.first_break(tags, scheme) for row, tags in enumerate(table.columns["tags"])
    }
    breaks = {row: word for row, word in breaks.items() if word is not None}
    if not breaks:
        return
    shown = []
    for row, word in list(breaks.items())[:SHOWN]:
        tags, where = table.columns["tags"][row], tagged.place(table, row, word)
        if shown:
            where = where.removeprefix(f"{table.file}, ")
        shown.append(
            f"{where}, {tags[word]}{f' after {tags[word - 1]}' if word else ' at the begin'}"
        )
    more = f"; and {len(breaks) - SHOWN:,} more" if len(breaks) > SHOWN else ""
    notices["broken_sequences"] = (
        f"{plural(len(breaks), 'sentence has', 'sentences have')} a tag that {scheme} does not "
        f"allow there: {'; '.join(shown)}{more}. An entity begins with any tag of its type that "
        "does not continue one; correct the file, or set scheme: "
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
                    f"labels are {preview(names)}. Correct it, remove the sentence, or list all "
                    "in labels: [...] under the task's data in params.yaml"
                )
    table.columns["tags"] = [tuple(map(number_of.get, tags)) for tags in table.columns["tags"]]
