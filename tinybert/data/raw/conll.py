"""Files with a word and its tag in each line, and blank lines between sentences: CoNLL's forms."""

import re
from collections.abc import Iterator
from pathlib import Path

from tinybert.data.raw.columns import normal
from tinybert.data.raw.records import in_params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural

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
DOCUMENT = "-DOCSTART-"
Sentence = tuple[list[int], list[str], list[str] | None]


def sentences(
    file: Path,
    numbered: list[tuple[int, str]],
    section: TaskData,
    labelled: bool,
    notices: dict[str, str],
) -> Iterator[Sentence]:
    """The lines of each sentence's words, the words, and their tags if they are labelled. The word
    is the first column and its tag the last one.

    numbered: the file's lines and their numbers. section: params.yaml's task.<name>.data. notices:
    gets a line if lines with all columns are taken for comments. Raises InputError that names file,
    line and remedy.
    """
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
    known = {cells[tag_at] for cells in map(split, content) if len(cells) == width}
    comments: list[tuple[int, str]] = []  # with as many columns as words have
    numbers, words, tags = [], [], []
    for number, line in numbered:
        cells = split(line)
        is_break = not line.strip() or cells[0].startswith(DOCUMENT)
        if is_break and words:
            yield numbers, words, tags if labelled else None
            numbers, words, tags = [], [], []
        if is_break:
            continue
        if line.startswith("#") and not words:
            if len(cells) != width:
                continue  # a comment, not the word #
            if line.startswith("# ") and cells[tag_at] not in known:
                comments.append((number, line))
                continue
        if width == 10 and word_at > 0 and re.fullmatch(r"\d+[-.]\d+", cells[0]):
            continue  # CoNLL-U: words as they are written together, or one that is not written
        if line == content[0] and _is_header(cells, section):
            continue
        where = f"{file}, line {number}"
        if len(cells) == width and cells[word_at].isspace():
            raise InputError(
                f"{where}: the word {cells[word_at]!r:.60} is white space alone; remove the line"
            )
        if len(cells) != width or not cells[word_at] or not cells[tag_at].strip():
            raise InputError(
                f"{where}: {line!r:.60} must be a word{' and its tag' * labelled} in {width} "
                f"columns separated by {between}, as the first line {content[0]!r:.60}; sentences "
                "are separated by blank lines"
            )
        numbers.append(number)
        words.append(cells[word_at].strip())
        tags.append(cells[tag_at].strip())
    if words:
        yield numbers, words, tags if labelled else None
    if comments:
        number, line = comments[0]
        count = plural(len(comments), "line counts as a comment", "lines count as comments")
        notices["comments"] = (
            f"{count}, since no other line has such a tag: {file}, line {number}, {line!r:.60}; if "
            "# is a word there, separate its columns by tabs"
        )


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
