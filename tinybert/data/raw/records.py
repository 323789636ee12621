"""A raw file -> rows of fields, with their line or row numbers, as they are read.

Training reads whole files, `tinybert predict` streams them; both use `open_rows`.
"""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import chain
from pathlib import Path

from tinybert.data.raw import separators
from tinybert.data.raw.decoding import lines
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

REMEDY = "docs/data.md shows the formats."
SUFFIXES = (".tsv", ".txt", ".csv", ".jsonl", ".parquet")
WORD_SUFFIXES = (".conll", ".bio", ".iob", ".iob2")  # of sentences whose words have tags
TAG = re.compile(r"[BIES]-.+")  # of a word in an entity
WORDS = (
    "For labels of words put the files into data/raw/TASK and write kind: tokens under the task's "
    "data in params.yaml (docs/words.md)"
)
ONE_LINE = (
    "write each row in one line, as jq -c '.[]' does, or pandas' to_json(orient=\"records\", "
    "lines=True)"
)
csv.field_size_limit(sys.maxsize)  # decoding.LIMIT bounds a line


def in_params(key: str, value: str) -> str:
    """How a user of params.yaml sets one of the options below."""
    return f"set {key}: {value} under the task's data in params.yaml"


@dataclass(frozen=True)
class Options:
    """How the fields of a file are read.

    quoted: whether quotation marks enclose fields; None: in .csv only. is_header: decides by the
    first row's fields. drop_broken: drop and count rows with another number of fields instead of
    raising. label_colon: the lines are `LABEL:fine text`. remedy: how the user sets a key of
    params.yaml's task.<name>.data, for messages.
    """

    is_header: Callable[[list[str]], bool]
    encoding: str = "utf-8"
    quoted: bool | None = None
    drop_broken: bool = False
    label_colon: bool = False
    remedy: Callable[[str, str], str] = in_params


@dataclass
class Stream:
    """A file that is being read. names: the columns', or None without a header. width: fields in a
    row. rows: each row's position in the file, counted in `unit`s ("line" or "row") from 1, and its
    fields. skipped: the number of lines dropped so far."""

    names: list[str] | None
    width: int
    rows: Iterator[tuple[int, list]]
    unit: str = "line"
    skipped: int = 0


@dataclass
class Records:
    """A file that was read: as Stream, with its rows and their positions as lists."""

    names: list[str] | None
    rows: list[list]
    numbers: list[int]
    unit: str
    skipped: int

    @property
    def width(self) -> int:
        return len(self.rows[0] if self.names is None else self.names)


def read(file: Path, options: Options) -> Records:
    """Reads a file by its suffix, as open_rows does."""
    with file.open("rb") as stream:
        return read_rows(stream, str(file), file.suffix, options)


def read_rows(stream: BufferedIOBase, name: str, suffix: str, options: Options) -> Records:
    """As open_rows, all rows at once."""
    records = open_rows(stream, name, suffix, options)
    numbered = list(records.rows)
    rows = [row for _, row in numbered]
    if records.names is not None:  # a later line of .jsonl may add columns
        rows = [[*row, *[None] * (len(records.names) - len(row))] for row in rows]
    numbers = [number for number, _ in numbered]
    return Records(records.names, rows, numbers, records.unit, records.skipped)


def open_rows(stream: BufferedIOBase, name: str, suffix: str, options: Options) -> Stream:
    """Opens a stream of one of SUFFIXES: .tsv, .txt (tabs), .csv (commas, semicolons), .jsonl,
    .parquet. Its rows are read as they are taken.

    name: of the file, for messages. Raises InputError that names file, line and remedy.
    """
    if suffix == ".parquet":
        from tinybert.data.raw.parquet import parquet_rows

        names, rows = parquet_rows(stream, name)
        return Stream(names, len(names), rows, "row")
    text = lines(stream, name, options.encoding, options.remedy, line_end(suffix, options))
    return rows_of_lines(text, name, suffix, options, look_ahead=stream.seekable())


def line_end(suffix: str, options: Options) -> str:
    """What ends the lines of a file of text, as decoding.lines takes it."""
    quoted = options.quoted if options.quoted is not None else suffix == ".csv"
    is_table = suffix != ".jsonl" and not options.label_colon
    return "" if quoted and is_table else "\n"


def rows_of_lines(
    text: Iterator[str], name: str, suffix: str, options: Options, look_ahead: bool
) -> Stream:
    """As open_rows, for lines with their ends. look_ahead: whether more lines than are needed may
    be read before the first row is returned."""
    numbered = _without_blank_end(text)
    if (first := next(numbered, None)) is None:
        raise InputError(f"{name} is empty. {REMEDY}")
    numbered = chain([first], numbered)
    if options.label_colon:
        return Stream(None, 2, _label_colon(numbered, name))
    if suffix == ".jsonl":
        return _jsonl(numbered, name)
    quoted = options.quoted if options.quoted is not None else suffix == ".csv"
    separator, numbered = separators.find(
        numbered, name, suffix, quoted, options.is_header, look_ahead
    )
    split = _quoted if quoted else _unquoted
    rows = split(numbered, separator, name, options)
    number, first = next(rows)
    if not any(cell.strip() for cell in first):
        raise InputError(f"{name}, line {number}: is empty; remove it")
    names = None
    if options.is_header(first):
        names = first
        if (second := next(rows, None)) is None:
            raise InputError(f"{name} has a header and no rows; add some")
        rows = chain([second], rows)
    else:
        rows = chain([(number, first)], rows)
    opened = Stream(names, len(first), rows)
    opened.rows = _same_width(opened, rows, name, separator, options.drop_broken)
    return opened


def _without_blank_end(text: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Numbers the lines from 1. Blank ones at the end do not count; a file of spaces is empty."""
    waiting, is_empty = [], True
    for number, line in enumerate(text, start=1):
        waiting.append((number, line))
        if line.strip() or (not is_empty and line.strip("\r\n")):
            yield from waiting
            waiting, is_empty = [], False


def _unquoted(
    numbered: Iterator[tuple[int, str]], separator: str, name: str, options: Options
) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and rows; quotation marks have no meaning."""
    for number, line in numbered:
        yield number, line.removesuffix("\n").rstrip("\r").split(separator)


def _quoted(
    numbered: Iterator[tuple[int, str]], separator: str, name: str, options: Options
) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and rows; quotation marks enclose fields that may hold line ends."""
    number, start = 0, None

    def text() -> Iterator[str]:
        nonlocal number, start
        for number, line in numbered:
            start = start or number
            yield line

    try:
        for row in csv.reader(text(), delimiter=separator, strict=True):
            yield start, row or [""]
            start = None
    except csv.Error as error:
        raise InputError(
            f"{name}, line {start or number}: {error}; inside a field in quotation marks they "
            'must be doubled (""), and it must be closed. If none of the file\'s quotation marks '
            f"enclose fields, {options.remedy('quoted', 'false')}"
        ) from None


def _same_width(
    opened: Stream, rows: Iterator[tuple[int, list]], name: str, separator: str, drop: bool
) -> Iterator[tuple[int, list]]:
    """Raises InputError for rows with another number of fields, or drops and counts them."""
    last = ""
    for number, row in rows:
        if len(row) == opened.width:
            last = row[-1]
            yield number, row
            continue
        if drop:
            opened.skipped += 1
            continue
        problem = f"{plural(len(row), 'field', 'fields')}, the first line has {opened.width}"
        if opened.names is not None:
            problem = f"{problem} ({', '.join(opened.names)})"
        if row == [""]:
            problem = "is empty; remove it"
            if last == "O" or TAG.fullmatch(last):
                problem = f"{problem}, or, if it separates sentences: {WORDS}"
        raise InputError(
            f"{name}, line {number}: {problem}; fields are separated by one "
            f"{separators.NAMES[separator]}"
        )


def _label_colon(numbered: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, list]]:
    """TREC's lines `LABEL:fine words of the question`; the coarse label is the class."""
    for number, line in numbered:
        label, _, words = line.removesuffix("\n").rstrip("\r").partition(" ")
        coarse, colon, _ = label.partition(":")
        if not colon or not words.strip():
            raise InputError(f"{name}, line {number}: must be `LABEL:fine text` (benchmark: trec)")
        yield number, [coarse, words]


def _jsonl(numbered: Iterator[tuple[int, str]], name: str) -> Stream:
    """The columns are the keys of the first object, then those that later ones add."""
    objects = _objects(numbered, name)
    number, first = next(objects)
    names, known = list(first), set(first)

    def rows() -> Iterator[tuple[int, list]]:
        for position, row in chain([(number, first)], objects):
            if new := [key for key in row if key not in known]:
                names.extend(new)
                known.update(new)
            yield position, [row.get(key) for key in names]

    return Stream(names, len(names), rows())


def _objects(numbered: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, dict]]:
    for number, line in numbered:
        # a whole file as one value, or a part of it
        remedy = ONE_LINE if line[:1] == "[" or line.strip() == "{" else "correct or remove it"
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            problem = error
            if isinstance(error, json.JSONDecodeError):
                problem = f"{error.msg}, at character {error.pos + 1}"
            problem = "empty line" if not line.strip() else f"not valid JSON: {problem}"
            raise InputError(f"{name}, line {number}: {problem}; {remedy}") from None
        if not isinstance(row, dict):
            raise InputError(
                f'{name}, line {number}: must be an object like {{"text": ...}}; {remedy}'
            )
        yield number, row


def _object(pairs: list[tuple[str, object]]) -> dict:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r:.40} occurs twice")
    return row
