"""A folder of general text -> pieces that processes can read independently.

The folder may hold .txt and .md files, which are split between paragraphs into pieces of about
PIECE bytes; .jsonl, .parquet, .txt.gz, .md.gz and .jsonl.gz files; and NAME.stream.yaml files, each
of which names a data set of the hub (or another that `datasets` reads) to stream.
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

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.fields import Section

PIECE = 16_000_000  # bytes
BLOCK = 2**20  # bytes read at once
PLAIN = (".txt", ".md")
# A file name's end -> the builder with which `datasets` reads the file.
READERS = {
    ".jsonl": "json", ".jsonl.gz": "json", ".json.gz": "json", ".parquet": "parquet",
    ".txt.gz": "text", ".md.gz": "text",
}  # fmt: skip
CLOSING = r"[\"'”’»›)\]）】」』〉》]"
SENTENCE_END = re.compile(rf"[.!?…]+{CLOSING}*(?=\s)|[。！？｡।॥؟۔…]+{CLOSING}*")
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]"
UNSPACED_WRAP = regex.compile(rf"(?<={UNSPACED})[ \t\r]*\n\s*(?={UNSPACED})")
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff\ufffd]")
BLANK_LINE, LINE_END = re.compile(r"\n\s*\n"), re.compile(r"\n")


class Stream(Section):
    """The content of a NAME.stream.yaml: datasets.load_dataset's arguments, and the text column."""

    path: str
    name: str | None = None
    split: str = "train"
    column: str = "text"
    revision: str | None = None
    data_files: str | list[str] | None = None


@dataclass(frozen=True)
class Piece:
    """Bytes [begin, end) of a text file, or shard `begin` of a data set; size: in bytes."""

    file: Path
    begin: int
    end: int
    size: int


def pieces(folder: Path) -> list[Piece]:
    """The pieces of a folder's files, ordered by path. Raises InputError that names the file."""
    all_pieces = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        if file.suffix in PLAIN:
            starts = [0, *range(PIECE, size, PIECE)]
            for begin, end in pairwise([*starts, size]):
                all_pieces.append(Piece(file, begin, end, end - begin))
        elif file.name.endswith(".stream.yaml"):
            count = _dataset(file)[0].num_shards
            all_pieces += [Piece(file, i, i + 1, PIECE) for i in range(count)]
        elif _reader(file):
            all_pieces.append(Piece(file, 0, 1, size))
    return all_pieces


def shards(folder: Path) -> list[list[Piece]]:
    """Groups of consecutive pieces, each of PIECE bytes or more except the last."""
    groups, group, size = [], [], 0
    for piece in pieces(folder):
        group.append(piece)
        size += piece.size
        if size >= PIECE:
            groups.append(group)
            group, size = [], 0
    return [*groups, group] if group else groups


def texts(piece: Piece) -> Iterator[str]:
    """The cleaned paragraphs of a piece; a file's pieces together have each paragraph once."""
    if piece.file.suffix not in PLAIN:
        for text in _column(piece):
            yield from _clean(text, BLANK_LINE)
        return
    by_line = _is_by_line(piece.file)
    with piece.file.open("rb") as stream:
        position, end = (_boundary(stream, at, by_line) for at in (piece.begin, piece.end))
        while position < end:
            stop = min(end, _boundary(stream, position + BLOCK, by_line))
            stream.seek(position)
            data = stream.read(stop - position)
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{piece.file} is not UTF-8: byte {position + error.start} is "
                    f"{data[error.start]:#04x}; save it as UTF-8"
                ) from None
            yield from _clean(text, LINE_END if by_line else BLANK_LINE)
            position = stop


def paragraphs(file: Path) -> Iterator[str]:
    """Cleaned paragraphs of a text file: NFC, no control characters, single spaces.

    Blank lines separate paragraphs; if the first thousand lines have none, each line is a
    paragraph. Raises InputError if the file is not UTF-8.
    """
    size = file.stat().st_size
    return texts(Piece(file, 0, size, size))


def sentences(text: str) -> list[str]:
    """A paragraph's sentences, each with the space before it; joined, they equal the paragraph.

    A sentence ends with . ! ? or … before a space, or with their full-width forms, Devanagari's
    danda or Arabic's question mark, and includes the closing quotation marks and brackets.
    """
    parts, start = [], 0
    for end in SENTENCE_END.finditer(text):
        if end.end() - start > 1:  # a full stop alone is not a sentence
            parts.append(text[start : end.end()])
            start = end.end()
    if rest := text[start:]:
        parts.append(rest)
    return parts


@lru_cache(1)
def _is_by_line(file: Path) -> bool:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        return all(line.strip() for line in islice(lines, 1000))


def _boundary(stream: BinaryIO, position: int, by_line: bool) -> int:
    """The start of the first line (by_line) or blank line at or after a position."""
    if position == 0:
        return 0
    stream.seek(position - 1)
    stream.readline()
    while not by_line:
        start = stream.tell()
        if not stream.readline().strip():  # a blank line, or the end
            return start
    return stream.tell()


def _clean(text: str, separator: re.Pattern) -> Iterator[str]:
    for part in separator.split(CONTROLS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")):
        # Chinese and Japanese have no spaces: a line end within them is removed.
        paragraph = UNSPACED_WRAP.sub("", unicodedata.normalize("NFC", part).strip())
        if paragraph := " ".join(paragraph.split()):
            yield paragraph


def _reader(file: Path) -> str | None:
    return next((READERS[end] for end in READERS if file.name.endswith(end)), None)


@lru_cache(1)
def _dataset(file: Path) -> tuple:
    """A file's data set (the file itself or the one it names) as a stream, and its text column."""
    from datasets import load_dataset  # takes a second to import

    if file.name.endswith(".stream.yaml"):
        try:
            stream = Stream.model_validate(
                YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
            )
        except (ValidationError, YAMLError) as error:
            keys = ", ".join(Stream.model_fields)
            raise InputError(f"{file} is invalid; its keys may be {keys}: {error}") from None
    else:
        stream = Stream(path=_reader(file), data_files=str(file))
    arguments = stream.model_dump(exclude={"column"}, exclude_none=True)
    try:
        if stream.path == "text":
            arguments["sample_by"] = "line" if _is_by_line(file) else "paragraph"
        return load_dataset(**arguments, streaming=True), stream.column
    except (OSError, ValueError) as error:  # no such data set or split, no network, no such files
        raise InputError(f"{file}: cannot read the data set: {error}") from error


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
            raise InputError(f"{piece.file}: cannot read the data set: {error}") from error
        if row is None:
            return
        if not isinstance(row.get(column), str):
            raise InputError(
                f"{piece.file}: a row has no text in the column {column}; set `column` of a "
                f".stream.yaml to one of {', '.join(row)}, or rename a column"
            )
        yield row[column]
