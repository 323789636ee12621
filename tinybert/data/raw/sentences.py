"""The raw files of a task that labels words -> tables with words and the numbers of their tags."""

from collections.abc import Iterable
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
from tinybert.tasks.entities import OUTSIDE
from tinybert.tasks.task import is_iob2

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

    section: params.yaml's task.<name>.data; without a train file its fine-tuned teacher has the
    labels. notices: by split, gets a line for each thing that looks wrong, and for the first with
    tags `scheme`, how they mark entities. tokenizer: the model's. Raises InputError that names
    file, line and remedy.
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
    names = None if "train" in tables else _of_teacher(section)
    scheme = section.scheme if names is None or is_iob2(names) else schemes.WORDS
    spell = str
    if first := next((split for split in tables if split != "unlabeled"), None):
        file, tags = tables[first].file, tables[first].columns["tags"]
        spell = schemes.plain if schemes.is_respelled(file, tags, scheme) else str
        tags = tables[first].columns["tags"] = [list(map(spell, row)) for row in tags]
        scheme = notices[first]["scheme"] = scheme or schemes.find_scheme(file, tags)
    if names is None:
        tags = [schemes.to_iob2(row, scheme) for row in tags]
        names = _names(tables["train"], tags, scheme, list(map(spell, section.labels or ())))
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
            _number(table, names, "train" in tables)
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


def _of_teacher(section: TaskData) -> list[str]:
    """The labels of a task without a train file: those that params.yaml lists, else the teacher's,
    in its order, but for O: it is the first label if they mark entities, else the last one.

    Raises InputError if the teacher's labels mark entities in another way than IOB2."""
    outputs = teacher.outputs(section)[1]
    source = f"params.yaml: the labels of the teacher {section.teachers[0]}"
    listed, scheme = section.labels or (), schemes.WORDS
    if section.scheme != schemes.WORDS:
        if schemes.is_respelled(source, [[name] for name in outputs]):
            outputs, listed = (list(map(schemes.plain, names)) for names in (outputs, listed))
        scheme = schemes.find_scheme(source, [[name] for name in outputs])
    if scheme != schemes.WORDS and not _are_iob2(outputs):
        other = "" if scheme == "IOB2" else f", not {scheme}"
        raise InputError(
            f"{source} must be O, and B-... and I-... of each type{other}: {preview(outputs)}. Use "
            f"another teacher, or set scheme: none {schemes.SETTING}: each word's label then "
            "stands alone, and there are no entities. If its config.json names them wrongly, set "
            "teacher_labels there"
        )
    if listed:
        return schemes.label_names((), scheme, listed)
    return sorted(outputs, key=lambda name: (name == OUTSIDE) == (scheme == schemes.WORDS))


def _are_iob2(names: Iterable[str]) -> bool:
    """Whether labels are O, and B- or B- and I- of types."""
    names = set(names)
    begun = {name[2:] for name in names if name.startswith("B-")}
    return OUTSIDE in names and all(
        name[:2] in ("B-", "I-") and name[2:] in begun for name in names - {OUTSIDE}
    )


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


def _number(table: Table, names: list[str], has_train: bool) -> None:
    """Replaces the tags of all sentences by their numbers. has_train: the labels are train's, not a
    teacher's, which files may write in another way (teacher.name_key)."""
    number_of = {name: i for i, name in enumerate(names)}
    keys = {teacher.name_key(name): i for i, name in enumerate(names)}
    if not has_train and len(keys) == len(names):
        tags = {tag for row in table.columns["tags"] for tag in row}
        found = {tag: keys.get(teacher.name_key(tag)) for tag in tags - number_of.keys()}
        number_of |= {tag: i for tag, i in found.items() if i is not None}
    where, remedy = "a label of the teacher", ""
    if has_train:
        where, remedy = "in train", f", or list all in labels: [...] {schemes.SETTING}"
    for row, tags in enumerate(table.columns["tags"]):
        for word, tag in enumerate(tags):
            if tag not in number_of:
                raise InputError(
                    f"{tagged.place(table, row, word)}: the tag {tag!r:.60} is not {where}; the "
                    f"labels are {preview(names)}. Correct it, or remove the sentence{remedy}"
                )
    table.columns["tags"] = [tuple(map(number_of.get, tags)) for tags in table.columns["tags"]]
