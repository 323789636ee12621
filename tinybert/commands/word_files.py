"""Files of words with tags, as `tinybert evaluate` and `tinybert init` read them."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from tinybert.commands import texts
from tinybert.commands.texts import Form
from tinybert.data.raw import spans, tagged
from tinybert.data.raw.columns import SINGLES, TARGETS, Table, normal
from tinybert.data.raw.conll import DOCUMENT, TAGS, TEXTS
from tinybert.data.raw.decoding import lines
from tinybert.data.raw.records import SUFFIXES, WORD_SUFFIXES, Options, in_params, open_rows
from tinybert.models.words import ALONE
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

SAMPLE = 1000  # lines or rows that show what a file is
UNSPACED = re.compile(f"[{ALONE}]")
LONGEST = 8  # characters of a word without spaces
NUMBERS = in_params("labels", "[O, B-..., ...]") + ", the names in the order of the numbers"


def section(**data: object) -> TaskData:
    """params.yaml's task.<name>.data, of a command's options. Raises InputError that names one."""
    try:
        return TaskData.model_validate({k: value for k, value in data.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        option = problem["loc"][0] if problem["loc"] else "columns"  # TaskData._consistent
        raise InputError(f"--{option}: {message}") from None


def labelled(name: str, form: Form) -> Table:
    """The texts, words and tags of a file. Raises InputError that names the line of what is not
    valid."""
    suffixes = ", ".join(tagged.SUFFIXES)
    if name == "-" or form.input_format or Path(name).suffix not in tagged.SUFFIXES:
        raise InputError(
            f"{name}: this model labels words, whose file must end in one of {suffixes}; save "
            "it as one, and give no --format"
        )
    if form.quoted is not None:
        raise InputError("--quoted is not for labels of words; remove it")
    try:
        data = section(
            kind="tokens", columns=form.columns, header=form.header, encoding=form.encoding
        )
        table, notices = tagged.read(Path(name), data, labelled=True)
    except InputError as error:
        message = str(error)
        for names in (NUMBERS, spans.NUMBERS):
            message = message.replace(names, "write the names instead")
        raise InputError(texts.as_options(message)) from None
    for line in notices.values():
        print(f"note: {line}", file=sys.stderr)
    return table


def has_words(files: Iterable[Path], encoding: str, kind: str | None) -> bool:
    """Whether the files of a task label words. kind: the user's, or without train the teacher's;
    None: train shows it. Raises InputError if some of the files have a form that such a task cannot
    have."""
    files = list(files)
    by = next((file.stem for file in files if file.stem == "train"), "the teacher")
    if kind is None:
        [train] = (file for file in files if file.stem == "train")
        kind = "tokens" if _is_of_words(train, encoding) else "classification"
    if kind != "tokens":
        if others := [file for file in files if file.suffix in WORD_SUFFIXES]:
            raise InputError(
                f"{others[0]} has words with tags, and the task labels texts; save it as one of "
                f"{', '.join(SUFFIXES)}, with columns text and label"
            )
        return False
    if others := [file for file in files if file.suffix not in tagged.SUFFIXES]:
        raise InputError(
            f"{others[0]}: {by} labels words, and the files of such a task end in one of "
            f"{', '.join(tagged.SUFFIXES)}; save it as one"
        )
    return True


def _is_of_words(file: Path, encoding: str) -> bool:
    """Whether a file's words have tags: by its suffix, or by its first rows."""
    if file.suffix in WORD_SUFFIXES:
        return True
    if file.suffix == ".csv":
        return False
    with file.open("rb") as stream:
        if file.suffix in (".jsonl", ".parquet"):
            options = Options(lambda cells: True, encoding, remedy=texts.as_option)
            opened = open_rows(stream, str(file), file.suffix, options)
            first = islice(opened.rows, SAMPLE)
            found = [dict(zip(opened.names, row, strict=False)) for _, row in first]
            tagged_rows = Counter(map(_tagged, found))  # sets of labels may be as many by chance
            return tagged_rows[True] > tagged_rows[False] or any(map(_has_spans, found))
        text = lines(stream, str(file), encoding, texts.as_option)
        sample = [line.strip("\r\n") for line in islice(text, SAMPLE)]
    # A blank line between lines of equal columns, which a table of texts cannot have.
    sample = "\n".join(sample).strip().split("\n")
    content = [s for s in sample if s.strip() and not s.startswith(("#", DOCUMENT))]
    separator = "\t" if content and "\t" in content[0] else None
    rows = [line.split(separator) for line in content]
    widths = set(map(len, rows))
    is_in_blocks = "" in map(str.strip, sample) and len(widths) == 1 and min(widths) > 1
    return is_in_blocks and not (separator and _has_texts(rows))


def _has_texts(rows: list[list[str]]) -> bool:
    """Whether rows are those of a table of texts, in which a blank line is a mistake: most cells of
    a column are texts, or the first row names a text and its label, and no tag is O."""
    if any(sum(map(_is_text, column)) > len(rows) / 2 for column in zip(*rows, strict=True)):
        return True
    names = set(map(normal, rows[0]))
    is_header = not names.isdisjoint(SINGLES) and not names.isdisjoint(TARGETS)
    return is_header and all(row[-1].strip() != "O" for row in rows)


def _is_text(cell: str) -> bool:
    return len(cell.split()) > 1 or len(UNSPACED.findall(cell)) > LONGEST


def _tagged(row: dict) -> bool | None:
    """Whether a row of JSON Lines or Parquet has as many tags as words; None without words."""
    values = {normal(name): value for name, value in row.items()}
    words = next((values[name] for name in TEXTS if isinstance(values.get(name), list)), None)
    if not words:
        return None
    has_text = any(isinstance(value, str) and _is_text(value) for value in values.values())
    names = TAGS if has_text else values.keys() - TEXTS  # beside a text, a list may be of lemmas
    lists = [values[name] for name in names if isinstance(values.get(name), list)]
    return any(len(value) == len(words) for value in lists)


def _has_spans(row: dict) -> bool:
    """Whether a row of JSON Lines or Parquet has spans of characters."""
    values = {normal(name): value for name, value in row.items()}
    spans = [values[name] for name in tagged.SPANS if name in values]
    if any(isinstance(value, dict) and {"start", "end"} <= value.keys() for value in spans):
        return True
    return any(
        (isinstance(span, dict) and {"start", "end"} <= span.keys())
        or (isinstance(span, list) and [type(part) for part in span] == [int, int, str])
        for value in spans
        if isinstance(value, list)
        for span in value
    )


def divide(
    file: Path, encoding: str, starts: Collection[int], numbers: Collection[int], other: Path
) -> dict[Path, list[int]]:
    """As raw_files.divide, for a file of CoNLL's form, with the comments before a sentence.

    starts, numbers: the lines at which all sentences, and those that are moved, begin.
    """
    first, starts, numbers = min(starts), set(starts), set(numbers)
    kept = file.with_name(f"kept-{file.name}")
    taken: dict[Path, list[int]] = {file: [], other: []}
    with (
        file.open("rb") as stream,
        kept.open("w", encoding=encoding, newline="") as staying,
        other.open("w", encoding=encoding, newline="") as moving,
    ):
        streams = {file: staying, other: moving}

        def write(targets: Collection[Path], number: int, line: str) -> None:
            for target in targets:
                streams[target].write(line)
                taken[target].append(number)

        targets, before = (), []  # where the sentence goes; lines between two sentences
        for number, line in enumerate(lines(stream, str(file), encoding, texts.as_option), 1):
            line = line if line.endswith(("\n", "\r")) else f"{line}\n"
            if number in starts:
                targets = (other if number in numbers else file,)
                for place, text in before:
                    is_header = number == first and not text.startswith("#")
                    write((file, other) if is_header else targets, place, text)
                before = []
            write(targets, number, line)
            if not targets:
                before.append((number, line))
            elif not line.strip():
                targets = ()
    kept.replace(file)
    return taken
