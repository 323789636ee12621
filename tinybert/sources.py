"""Where general text comes from, in pieces that can be worked through one at a time, by anyone.

A folder holds .txt and .md files, which are cut into stretches of PIECE bytes between paragraphs;
.jsonl, .parquet, .txt.gz, .md.gz and .jsonl.gz files; and NAME.stream.yaml files, which name a data
set of the hub (or any other that `datasets` reads) that is not downloaded but read as a stream.
"""

import gzip
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

import regex
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.errors import InputError
from tinybert.schema import Section

PIECE = 16_000_000  # bytes
BLOCK = 2**20  # bytes that are read at once
PLAIN = (".txt", ".md")
# By the ends of their names, what `datasets` reads files with.
READERS = {
    ".jsonl": "json", ".jsonl.gz": "json", ".json.gz": "json", ".parquet": "parquet",
    ".txt.gz": "text", ".md.gz": "text",
}  # fmt: skip
CLOSING = r"[\"'”’»›)\]）】」』〉》]"
SENTENCE_END = re.compile(rf"[.!?…]+{CLOSING}*(?=\s)|[。！？｡।॥؟۔…]+{CLOSING}*")
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]"
UNSPACED_WRAP = regex.compile(rf"(?<={UNSPACED})[ \t\r]*\n\s*(?={UNSPACED})")
UNWANTED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff\ufffd]")
BLANK_LINE, LINE_END = re.compile(r"\n\s*\n"), re.compile(r"\n")


class Stream(Section):
    """A NAME.stream.yaml: what datasets.load_dataset is asked for."""

    path: str
    name: str | None = None
    split: str = "train"
    column: str = "text"
    revision: str | None = None
    data_files: str | list[str] | None = None


@dataclass(frozen=True)
class Piece:
    """A stretch of a text file, [begin, end) in bytes; or shard number `begin` of a data set."""

    file: Path
    begin: int
    end: int
    size: int


def pieces(folder: Path) -> list[Piece]:
    """All text of a folder, in the order of its files. Raises InputError that names the file."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        if file.suffix in PLAIN:
            starts = [0, *range(PIECE, size, PIECE)]
            for begin, end in pairwise([*starts, size]):
                found.append(Piece(file, begin, end, end - begin))
        elif file.name.endswith(".stream.yaml"):
            found += [Piece(file, i, i + 1, PIECE) for i in range(_dataset(file)[0].num_shards)]
        elif _reader(file):
            found.append(Piece(file, 0, 1, size))
    return found


def shards(folder: Path) -> list[list[Piece]]:
    """The pieces that make a shard each: one of a large file, or those of several small files."""
    found, held, size = [], [], 0
    for piece in pieces(folder):
        held.append(piece)
        size += piece.size
        if size >= PIECE:
            found.append(held)
            held, size = [], 0
    return [*found, held] if held else found


def texts(piece: Piece) -> Iterator[str]:
    """The cleaned paragraphs of a piece; those of all pieces of a file are those of the file."""
    if piece.file.suffix not in PLAIN:
        for text in _column(piece):
            yield from _clean(text, BLANK_LINE)
        return
    by_line = _is_by_line(piece.file)
    with piece.file.open("rb") as stream:
        place, end = (_boundary(stream, at, by_line) for at in (piece.begin, piece.end))
        while place < end:
            stop = min(end, _boundary(stream, place + BLOCK, by_line))
            stream.seek(place)
            data = stream.read(stop - place)
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{piece.file} is not UTF-8: byte {place + error.start} is "
                    f"{data[error.start]:#04x}; save it as UTF-8"
                ) from None
            yield from _clean(text, LINE_END if by_line else BLANK_LINE)
            place = stop


def paragraphs(file: Path) -> Iterator[str]:
    """Cleaned paragraphs of a text file: NFC, no control characters, single spaces.

    Blank lines part paragraphs; in a file whose first thousand lines have none, each line is one.
    Raises InputError for what is not UTF-8.
    """
    size = file.stat().st_size
    return texts(Piece(file, 0, size, size))


def sentences(text: str) -> list[str]:
    """A paragraph's sentences, whole, in order; joined they are the paragraph but for spaces.

    A sentence ends with . ! ? or … before a space, or with their full-width forms, Devanagari's
    danda or Arabic's question mark, and takes the closing quotation marks and brackets with it.
    """
    found, start = [], 0
    for end in SENTENCE_END.finditer(text):
        if end.end() - start > 1:  # no sentence is a full stop alone
            found.append(text[start : end.end()].strip())
            start = end.end()
    if rest := text[start:].strip():
        found.append(rest)
    return found


@lru_cache(1)
def _is_by_line(file: Path) -> bool:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        return all(line.strip() for line in islice(lines, 1000))


def _boundary(stream: BinaryIO, place: int, by_line: bool) -> int:
    """The first line, or the first blank line, that begins at or behind a place."""
    if place == 0:
        return 0
    stream.seek(place - 1)
    stream.readline()
    while not by_line:
        start = stream.tell()
        if not stream.readline().strip():  # a blank line, or the end
            return start
    return stream.tell()


def _clean(text: str, parted: re.Pattern) -> Iterator[str]:
    for part in parted.split(UNWANTED.sub("", text).replace("\r\n", "\n").replace("\r", "\n")):
        # A line end within Chinese or Japanese is no space.
        whole = UNSPACED_WRAP.sub("", unicodedata.normalize("NFC", part).strip())
        if whole := " ".join(whole.split()):
            yield whole


def _reader(file: Path) -> str | None:
    return next((READERS[end] for end in READERS if file.name.endswith(end)), None)


@lru_cache(1)
def _dataset(file: Path) -> tuple:
    """The data set that a file is or names, as a stream, and the column of its text."""
    from datasets import load_dataset  # takes a second to import

    if file.name.endswith(".stream.yaml"):
        try:
            asked = Stream.model_validate(YAML(typ="safe", pure=True).load(file.read_text("utf-8")))
        except (ValidationError, YAMLError) as error:
            keys = ", ".join(Stream.model_fields)
            raise InputError(f"{file}: its keys are {keys}: {error}") from None
    else:
        asked = Stream(path=_reader(file), data_files=str(file))
    words = asked.model_dump(exclude={"column"}, exclude_none=True)
    try:
        if asked.path == "text":
            words["sample_by"] = "line" if _is_by_line(file) else "paragraph"
        return load_dataset(**words, streaming=True), asked.column
    except (OSError, ValueError) as error:  # no such data set or split, no network, no such files
        raise InputError(f"{file}: the data set cannot be read: {error}") from error


def _column(piece: Piece) -> Iterator[str]:
    """The texts of a piece of a data set."""
    from datasets.exceptions import DatasetsError

    dataset, column = _dataset(piece.file)
    if dataset.num_shards > 1:
        dataset = dataset.shard(dataset.num_shards, piece.begin)
    rows = iter(dataset)
    while True:
        try:
            row = next(rows, None)
        except (OSError, ValueError, EOFError, DatasetsError) as error:
            raise InputError(f"{piece.file}: the data set cannot be read: {error}") from error
        if row is None:
            return
        if not isinstance(row.get(column), str):
            raise InputError(
                f"{piece.file}: a row has no text in the column {column}; it has {', '.join(row)}"
            )
        yield row[column]
