"""One raw file -> rows of fields, with their line or row numbers."""

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from charset_normalizer import CharsetMatch, from_bytes

from tinybert.pipeline.errors import InputError

# Common encodings besides UTF-8: East Asian, European, Near Eastern.
COMMON_ENCODINGS = [
    "utf_16", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1250", "cp1251",
    "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256",
]  # fmt: skip
REMEDY = "The README's section on your own data shows the formats."


@dataclass
class Records:
    """names: the columns', or None without a header. rows: lists of fields. numbers: each row's
    position in the file, counted in `unit`s ("line" or "row") from 1. skipped: the number of
    dropped lines."""

    names: list[str] | None
    rows: list[list]
    numbers: list[int]
    unit: str = "line"
    skipped: int = 0

    @property
    def width(self) -> int:
        return len(self.rows[0] if self.names is None else self.names)


def read(
    file: Path,
    encoding: str,
    quoted: bool | None,
    is_header: Callable[[list[str]], bool],
    drop_broken: bool,
    label_colon: bool,
) -> Records:
    """Reads a file by its suffix: .tsv, .txt (tabs), .csv (commas, semicolons), .jsonl, .parquet.

    quoted: whether quotation marks enclose fields; None: in .csv only. is_header: decides by the
    first row's fields. drop_broken: drop and count rows with another number of fields instead of
    raising. label_colon: the lines are `LABEL:fine text`.
    Raises InputError that names file, line and remedy.
    """
    if file.suffix == ".parquet":
        return _parquet(file)
    text = _decoded(file, encoding)
    if label_colon:
        return _label_colon(text, file)
    if file.suffix == ".jsonl":
        return _jsonl(text, file)
    first = text[: text.find("\n")]
    comma = ";" if ";" in first and "," not in first else ","
    separator = comma if file.suffix == ".csv" else "\t"
    split = _quoted if (file.suffix == ".csv" if quoted is None else quoted) else _unquoted
    numbers, rows = split(text, separator, file)
    if not any(cell.strip() for cell in rows[0]):
        raise InputError(f"{file}, line {numbers[0]}: is empty; remove it")
    names = None
    if is_header(rows[0]):
        names, rows, numbers = rows[0], rows[1:], numbers[1:]
    if not rows:
        raise InputError(f"{file} has a header and no rows; add some")
    return _same_width(Records(names, rows, numbers), file, separator, drop_broken)


def _decoded(file: Path, encoding: str) -> str:
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = data.count(b"\n", 0, start) + 1
        guess = _encoding(data[data.rfind(b"\n", 0, max(0, start - 2000)) + 1 : start + 2000])
        looks = f"; it looks like {guess}" if guess else ""
        remedy = f", or set encoding: {guess} under the task's data in params.yaml" if guess else ""
        raise InputError(
            f"{file} is not {encoding.upper()}: byte {start}, in line {line}, is "
            f"{data[start]:#04x}{looks}. Save it as UTF-8{remedy}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        hint = "it looks like UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "remove it"
        raise InputError(f"{file}, line {line}: there is a NUL character; {hint}. Save it as UTF-8")
    if not text.strip():
        raise InputError(f"{file} is empty. {REMEDY}")
    return text


def _encoding(data: bytes) -> str | None:
    """The common encoding that fits the bytes best, by Python's name; None if none fits."""
    try:
        guesses = list(from_bytes(data, cp_isolation=COMMON_ENCODINGS))
    except (ValueError, AttributeError):  # the library fails on some bytes that are not text
        return None

    def rank(guess: CharsetMatch) -> tuple:
        return guess.chaos, -guess.coherence, COMMON_ENCODINGS.index(guess.encoding)

    return min(guesses, key=rank).encoding if guesses else None


def _unquoted(text: str, separator: str, file: Path) -> tuple[list[int], list[list[str]]]:
    """Line numbers and rows; quotation marks have no meaning."""
    rows = [line.rstrip("\r").split(separator) for line in text.rstrip("\r\n").split("\n")]
    return list(range(1, len(rows) + 1)), rows


def _quoted(text: str, separator: str, file: Path) -> tuple[list[int], list[list[str]]]:
    """Line numbers and rows; quotation marks enclose fields that may hold line ends."""
    csv.field_size_limit(sys.maxsize)
    lines = io.StringIO(text.rstrip("\r\n"), newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    numbers, rows, start = [], [], 1
    try:
        for row in reader:
            rows.append(row or [""])
            numbers.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{file}, line {start}: {error}; inside a field in quotation marks they must be "
            'doubled (""), and it must be closed. If none of the file\'s quotation marks enclose '
            "fields, set quoted: false under the task's data in params.yaml"
        ) from None
    return numbers, rows


def _same_width(content: Records, file: Path, separator: str, drop: bool) -> Records:
    """Raises InputError for rows with another number of fields, or drops and counts them."""
    complete = [i for i, row in enumerate(content.rows) if len(row) == content.width]
    if len(complete) < len(content.rows) and not drop:
        i = next(i for i, row in enumerate(content.rows) if len(row) != content.width)
        problem = f"{len(content.rows[i])} fields, the first line has {content.width}"
        if content.names is not None:
            problem = f"{problem} ({', '.join(content.names)})"
        if content.rows[i] == [""]:
            problem = "is empty; remove it"
        name = {"\t": "tab", ",": "comma", ";": "semicolon"}[separator]
        raise InputError(
            f"{file}, line {content.numbers[i]}: {problem}; fields are separated by one {name}"
        )
    rows, numbers = [content.rows[i] for i in complete], [content.numbers[i] for i in complete]
    return Records(content.names, rows, numbers, skipped=len(content.rows) - len(rows))


def _label_colon(text: str, file: Path) -> Records:
    """TREC's lines `LABEL:fine words of the question`; the coarse label is the class."""
    rows = []
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), start=1):
        label, _, words = line.rstrip("\r").partition(" ")
        coarse, colon, _ = label.partition(":")
        if not colon or not words.strip():
            raise InputError(f"{file}, line {number}: must be `LABEL:fine text` (benchmark: trec)")
        rows.append([coarse, words])
    return Records(None, rows, list(range(1, len(rows) + 1)))


def _jsonl(text: str, file: Path) -> Records:
    objects = []
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = "empty line" if not line.strip() else f"not valid JSON: {error}"
            raise InputError(f"{file}, line {number}: {problem}; correct or remove it") from None
        if not isinstance(row, dict):
            raise InputError(f'{file}, line {number}: must be an object like {{"text": ...}}')
        objects.append(row)
    names = list(dict.fromkeys(name for row in objects for name in row))
    rows = [[row.get(name) for name in names] for row in objects]
    return Records(names, rows, list(range(1, len(rows) + 1)))


def _parquet(file: Path) -> Records:
    try:
        table = pq.ParquetFile(file).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"{file} cannot be read as Parquet; save it again ({error})") from None
    if not len(table):
        raise InputError(f"{file} has no rows; add some")
    names, columns = [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append(column.to_pylist())
            names.append(name)
        except OverflowError:  # dates out of Python's range are neither texts nor labels
            continue
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Records(names, rows, list(range(1, len(rows) + 1)), "row")
