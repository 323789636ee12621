"""Files of sentences whose words have tags: CoNLL's columns, JSON Lines and Parquet -> tables.

A table has the columns text_a, words (lists) and, except for unlabeled, tags (lists, as the file
has them; spans become tags of IOB2).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from tinybert.data.raw import records
from tinybert.data.raw.columns import GIVEN, Table, normal
from tinybert.data.raw.decoding import lines
from tinybert.data.raw.records import WORD_SUFFIXES, Options, Records, in_params
from tinybert.data.raw.spans import SpanError, span_tags
from tinybert.data.raw.targets import check_text
from tinybert.models import words as words_of
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

SUFFIXES = (*WORD_SUFFIXES, ".txt", ".tsv", ".jsonl", ".parquet")
# Known names of columns; the first of TEXTS that a file has is read.
TEXTS = ("tokens", "words", "token", "word", "text", "sentence")
TAGS = (
    "tags",
    "tag",
    "ner_tags",
    "ner",
    "pos_tags",
    "pos",
    "upos",
    "chunk_tags",
    "label",
    "labels",
)
SPANS = ("spans", "entities", "label", "labels")
DOCUMENT = "-DOCSTART-"
COLUMNS = "{text: ..., label: ...}"


def read(file: Path, section: TaskData, labelled: bool) -> tuple[Table, dict[str, str]]:
    """A file's table, and a line for each thing that looks wrong. labelled: whether its words must
    have tags; without them a .txt file is a text a line.

    section: params.yaml's task.<name>.data. Raises InputError that names file, line and remedy.
    """
    encoding = section.encoding or "utf-8"
    if file.suffix in (".jsonl", ".parquet"):
        content = records.read(file, Options(lambda cells: True, encoding))
        return _records(file, content, section, labelled)
    with file.open("rb") as stream:
        numbered = enumerate(lines(stream, str(file), encoding, in_params), 1)
        if file.suffix == ".txt" and not labelled:
            return _table(file, [(n, s.strip(), None) for n, s in numbered if s.strip()]), {}
        return _table(file, list(_conll(file, list(numbered), section, labelled))), {}


def place(table: Table, row: int, word: int) -> str:
    """File and position of a sentence's word, for messages."""
    if table.file.suffix in (".jsonl", ".parquet"):
        return f"{table.where(row)}, word {word + 1}"
    return f"{table.file}, line {table.numbers[row] + word}"


def _table(file: Path, rows: list[tuple], unit: str = "line") -> Table:
    """rows: (position, words or a text, tags or None)."""
    if not rows:
        raise InputError(f"{file} has no sentences; add some")
    texts = [
        words_of.spaced(part) if isinstance(part, str) else " ".join(part) for _, part, _ in rows
    ]
    table = Table(file, {"text_a": texts}, [number for number, *_ in rows], unit)
    for row, text in enumerate(texts):
        check_text(text, table.where(row), unit)
    table.columns["words"] = [
        words_of.split(part) if isinstance(part, str) else part for _, part, _ in rows
    ]
    if rows[0][2] is not None:
        table.columns["tags"] = [tags for *_, tags in rows]
    return table


def _conll(
    file: Path, numbered: list[tuple[int, str]], section: TaskData, labelled: bool
) -> Iterator[tuple[int, list[str], list[str] | None]]:
    """Sentences of a file with a word in each line and blank lines between sentences: position of
    the first word, words, tags. The word is the first column and its tag the last one."""
    numbered = [(number, line.strip("\r\n")) for number, line in numbered]
    content = [
        line for _, line in numbered if line.strip() and not line.startswith(("#", DOCUMENT))
    ]
    if not content:
        return
    has_tabs = "\t" in content[0]

    def split(line: str) -> list[str]:
        return line.split("\t") if has_tabs else re.split(" +", line.strip(" "))

    width, between = len(split(content[0])), "tabs" if has_tabs else "spaces"
    word_at, tag_at = _positions(file, split(content[0]), section, labelled)
    start, words, tags = 0, [], []
    for number, line in numbered:
        cells = split(line)
        is_break = not line.strip() or cells[0].startswith(DOCUMENT)
        if is_break and words:
            yield start, words, tags if labelled else None
            words, tags = [], []
        if is_break or (line.startswith("#") and not words and len(cells) != width):
            continue  # a comment, not the word #
        if width == 10 and word_at > 0 and re.fullmatch(r"\d+[-.]\d+", cells[0]):
            continue  # CoNLL-U: words as they are written together, or one that is not written
        if line == content[0] and _is_header(cells, section):
            continue
        if len(cells) != width or not cells[word_at].strip() or not cells[tag_at].strip():
            raise InputError(
                f"{file}, line {number}: {line!r:.60} must be a word{' and its tag' * labelled} in "
                f"{width} columns separated by {between}, as the first line {content[0]!r:.60}; "
                "sentences are separated by blank lines"
            )
        start = start if words else number
        words.append(cells[word_at].strip())
        tags.append(cells[tag_at].strip())
    if words:
        yield start, words, tags if labelled else None


def _positions(file: Path, first: list[str], section: TaskData, labelled: bool) -> tuple[int, int]:
    """The columns of word and tag in a file of CoNLL's form, from 0. first: its first row."""
    width = len(first)
    if section.columns is None:
        if width == 1 and labelled:
            raise InputError(
                f"{file}: {first[0]!r:.60} has one column; write a word, a tab and its tag in each "
                "line"
            )
        if width == 10 and re.fullmatch(r"1(-\d+)?|0\.1", first[0]):
            raise InputError(
                f"{file} is CoNLL-U, whose first column is a number; set columns: "
                "{text: 2, label: 4} under the task's data in params.yaml, for the words and their "
                "parts of speech"
            )
        return 0, width - 1
    given = section.columns.text, section.columns.label if labelled else section.columns.text
    if not all(isinstance(column, int) and column <= width for column in given):
        raise InputError(
            f"{file} has {width} columns without names; give their positions: "
            + in_params("columns", "{text: 1, label: 2}")
        )
    return given[0] - 1, given[1] - 1


def _is_header(cells: list[str], section: TaskData) -> bool:
    if section.header is not None:
        return section.header
    return len(cells) > 1 and normal(cells[0]) in TEXTS and normal(cells[-1]) in TAGS


def _records(
    file: Path, content: Records, section: TaskData, labelled: bool
) -> tuple[Table, dict[str, str]]:
    """JSON Lines or Parquet: lists of words and of tags, or texts and spans of characters."""
    if answers := [name for name in content.names if normal(name) in GIVEN]:
        raise InputError(
            f"{file} has the column {answers[0]}: kind: tokens knows no answers from elsewhere; "
            "remove the column"
        )
    text_at = _column(file, content, section.columns and section.columns.text, TEXTS)
    are_words = isinstance(content.rows[0][text_at], list)
    label_at, names = None, None
    if labelled:
        known = TAGS if are_words else SPANS
        label_at = _column(file, content, section.columns and section.columns.label, known)
        names = _class_names(file, content.names[label_at]) or section.labels
    rows, cut = [], []
    for number, row in zip(content.numbers, content.rows, strict=True):
        where = f"{file}, {content.unit} {number}"
        part, label = row[text_at], row[label_at] if labelled else None
        if are_words:
            part = _words(part, where)
            tags = _tags(label, len(part), names, where) if labelled else None
        else:
            part, tags = check_text(part, where, content.unit), None
            if labelled:
                try:
                    tags, extended = span_tags(part, label)
                except SpanError as error:
                    raise InputError(f"{where}: {error}") from None
                cut += [(where, span) for span in extended]
        if part and not (isinstance(part, str) and not words_of.split(part)):
            rows.append((number, part, tags))
        else:
            raise InputError(f"{where} has no words; remove the {content.unit}")
    notices = {}
    if cut:
        where, span = cut[0]
        notices["cut_words"] = (
            f"{len(cut):,} spans begin or end inside a word and are extended to whole words: "
            f"{where}, {span!r:.60}; correct the file if that is wrong"
        )
    return _table(file, rows, content.unit), notices


def _column(file: Path, content: Records, given: object, known: tuple[str, ...]) -> int:
    """The index of the column that the user names, or of the only known one; of several texts the
    first of `known`."""
    names = [normal(name) for name in content.names]
    if given is not None:
        if given in content.names:
            return content.names.index(given)
        raise InputError(
            f"{file} has no column {given}; it has {', '.join(map(str, content.names))}; correct "
            "columns under the task's data in params.yaml"
        )
    present = [name for name in known if name in names]
    if len(present) == 1 or (present and known is TEXTS):
        return names.index(present[0])
    problem = f"the columns {' and '.join(present)}" if present else f"no column {known[0]}"
    raise InputError(
        f"{file} has {problem}; it has {', '.join(map(str, content.names))}; rename one, or "
        + in_params("columns", COLUMNS)
    )


def _words(value: object, where: str) -> list[str]:
    if not isinstance(value, list):
        raise InputError(f"{where}: the words must be a list, not {value!r:.60}; correct it")
    words = [check_text(word, f"{where}, word {i}", "word") for i, word in enumerate(value, 1)]
    if blank := [i for i, word in enumerate(words, 1) if not word.strip()]:
        raise InputError(f"{where}: word {blank[0]} is blank; remove it and its tag")
    return [word.strip() for word in words]


def _tags(value: object, length: int, names: object, where: str) -> list[str]:
    """A sentence's tags as texts. names: of tags that are numbers."""
    if not isinstance(value, list) or len(value) != length:
        has = f"{len(value)} tags" if isinstance(value, list) else f"{value!r:.60} for its tags"
        raise InputError(f"{where} has {length} words and {has}; write one tag for each word")
    tags = []
    for i, tag in enumerate(value, 1):
        if isinstance(tag, int) and not isinstance(tag, bool):
            if not isinstance(names, list) or not 0 <= tag < len(names):
                raise InputError(
                    f"{where}: the tag of word {i} is the number {tag}, which has no name; "
                    + in_params("labels", "[O, B-..., ...]")
                    + ", the names in the order of the numbers"
                )
            tag = names[tag]
        if not isinstance(tag, str) or not tag.strip():
            raise InputError(f"{where}: the tag of word {i} is {tag!r:.60}; write its name")
        tags.append(tag.strip())
    return tags


def _class_names(file: Path, column: str) -> list[str] | None:
    """The names of numbers that a data set of the Hugging Face hub keeps in its schema."""
    if file.suffix != ".parquet":
        return None
    metadata = (pq.read_schema(file).metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(metadata or "{}")["info"]["features"][column]
        while "names" not in feature:
            feature = feature["feature"]
        return list(feature["names"])
    except (KeyError, TypeError, ValueError):
        return None
