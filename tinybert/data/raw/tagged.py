"""Files of sentences whose words have tags: CoNLL's columns, JSON Lines and Parquet -> tables.

A table has the columns text_a, words (lists) and, except for unlabeled, tags (lists, as the file
has them; spans become tags of IOB2).
"""

from pathlib import Path

from tinybert.data.raw import conll, records, span_rows, word_columns
from tinybert.data.raw.columns import GIVEN, Table, normal
from tinybert.data.raw.decoding import lines
from tinybert.data.raw.records import WORD_SUFFIXES, Options, Records, in_params
from tinybert.data.raw.targets import check_text
from tinybert.models import words as words_of
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

SUFFIXES = (*WORD_SUFFIXES, ".txt", ".tsv", ".jsonl", ".parquet")
SPANS = word_columns.SPANS  # the names of columns of spans


def read(file: Path, section: TaskData, labelled: bool) -> tuple[Table, dict[str, str]]:
    """A file's table, and a line for each thing that looks wrong. labelled: whether its words must
    have tags; without them a .txt file is a text a line. Of CoNLL's columns the table has also
    lines, the number of each word's line.

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
        notices: dict[str, str] = {}
        rows = list(conll.sentences(file, list(numbered), section, labelled, notices))
    table = _table(file, [(numbers[0], words, tags) for numbers, words, tags in rows])
    table.columns["lines"] = [numbers for numbers, *_ in rows]
    return table, notices


def place(table: Table, row: int, word: int) -> str:
    """File and position of a sentence's word, for messages."""
    if "lines" in table.columns:
        return f"{table.file}, line {table.columns['lines'][row][word]}"
    return f"{table.where(row)}, word {word + 1}"


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


def _records(
    file: Path, content: Records, section: TaskData, labelled: bool
) -> tuple[Table, dict[str, str]]:
    """JSON Lines or Parquet: lists of words and of tags, or texts and spans of characters."""
    if answers := [name for name in content.names if normal(name) in GIVEN]:
        raise InputError(
            f"{file} has the column {answers[0]}: kind: tokens knows no answers from elsewhere; "
            "remove the column"
        )
    text_at, label_at = word_columns.find(file, content, section, labelled)
    are_words, names = isinstance(content.rows[0][text_at], list), None
    if labelled:
        names = word_columns.class_names(file, content.names[label_at]) or section.labels
    found = span_rows.Spans(content, are_words or not labelled)
    rows = []
    for number, row in zip(content.numbers, content.rows, strict=True):
        where = f"{file}, {content.unit} {number}"
        if found.leaves_out(row, where):
            continue
        part, label = row[text_at], row[label_at] if labelled else None
        if are_words:
            part = _words(part, where)
            tags = _tags(label, len(part), names, where) if labelled else None
        else:
            part = check_text(part, where, content.unit)
            tags = found.tags(part, label, names, where) if labelled else None
        if part and not (isinstance(part, str) and not words_of.split(part)):
            rows.append((number, part, tags))
        else:
            raise InputError(f"{where} has no words; remove the {content.unit}")
    found.check_overlaps()
    return _table(file, rows, content.unit), found.notices()


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
