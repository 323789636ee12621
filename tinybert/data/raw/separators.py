"""The character that separates the fields of a table of text."""

import csv
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice

from tinybert.pipeline.errors import InputError

NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "vertical bar"}
DECLARED = re.compile(r'"?sep=(\\t|.)"?[,;|\t]*', re.IGNORECASE)
SAMPLE = 100  # lines that show the separator of a .csv


def find(
    numbered: Iterator[tuple[int, str]],
    name: str,
    suffix: str,
    quoted: bool,
    is_header: Callable[[list[str]], bool],
    look_ahead: bool,
) -> tuple[str, Iterator[tuple[int, str]]]:
    """The separator, and the lines of the table. Of a .csv: what a first line `sep=;` says (as
    spreadsheets write it), the one that shows a header, or the one that gives all lines the same
    number of fields. Others have tabs.

    quoted, is_header: as in records.Options. look_ahead: whether more than the first line may be
    read before a row is returned. Raises InputError if the separator is another, or not clear.
    """
    number, first = next(numbered)
    if declared := DECLARED.fullmatch(first.rstrip("\r\n")):
        separator = "\t" if declared[1] == "\\t" else declared[1]
        if separator not in (NAMES if suffix == ".csv" else "\t"):
            raise InputError(
                f"{name}, line {number}: {first.strip()!r}: "
                + ("use one of sep=, sep=; sep=\\t sep=|" if suffix == ".csv" else _only_tabs(name))
            )
        if (second := next(numbered, None)) is None:
            raise InputError(f"{name} has no rows; add some")
        return separator, chain([second], numbered)
    if suffix != ".csv":
        other = of_header(first, is_header)
        if "\t" not in first and other:
            raise InputError(
                f"{name}, line {number}: a {NAMES[other]} separates the names; {_only_tabs(name)}"
            )
        return "\t", chain([(number, first)], numbered)
    sample = [(number, first), *(islice(numbered, SAMPLE - 1) if look_ahead else ())]
    return _shown([line for _, line in sample], name, number, quoted, is_header), chain(
        sample, numbered
    )


def of_header(line: str, is_header: Callable[[list[str]], bool]) -> str | None:
    """The separator other than a tab that makes a header of a line; None if none or several do."""
    cells = {separator: line.split(separator) for separator in NAMES if separator != "\t"}
    shown = [s for s, row in cells.items() if len(row) > 1 and is_header(row)]
    return shown[0] if len(shown) == 1 else None


def _only_tabs(name: str) -> str:
    return (
        f"tabs separate the fields of {name}, others those of a .csv; rename it to .csv (the "
        "commands predict and evaluate: or give --format csv)"
    )


def _shown(
    text: list[str],
    name: str,
    number: int,
    quoted: bool,
    is_header: Callable[[list[str]], bool],
) -> str:
    """The separator of the first lines of a .csv. number: the first one's."""
    rows = {
        separator: list(csv.reader(text, delimiter=separator))
        if quoted
        else [line.split(separator) for line in text]
        for separator in NAMES
    }
    headers = [s for s in NAMES if len(rows[s][0]) > 1 and is_header(rows[s][0])]
    if len(headers) == 1:
        return headers[0]
    # a vertical bar is more often text
    several = [separator for separator in ",;\t" if len(rows[separator][0]) > 1]
    if len(several) < 2:
        return (several or [","])[0]
    # the last row may be the beginning of one that goes on
    fits = [
        s for s in several if len({len(row) for row in rows[s][: max(1, len(rows[s]) - 1)]}) == 1
    ]
    if len(fits) == 1:
        return fits[0]
    likely = min(several, key=lambda separator: len(rows[separator][0][-1]))  # labels are short
    declared = ["sep=" + ("\\t" if s == "\t" else s) for s in several]
    raise InputError(
        f"{name}, line {number}: there are {' and '.join(f'{NAMES[s]}s' for s in several)}, and "
        f"the {NAMES[likely]} seems to separate the fields; say so in a line of its own at the "
        f"top, {declared.pop(several.index(likely))} (or {' or '.join(declared)}), or give the "
        "file a header (text, label)"
    )
