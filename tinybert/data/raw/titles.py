"""Lines above the header of a table of text, as spreadsheets export them: a title, a date."""

import csv
from collections.abc import Callable, Iterator
from itertools import chain, islice

from tinybert.data.raw.separators import DECLARED
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

FIRST = 20  # lines among which the header is looked for


def skip(
    numbered: Iterator[tuple[int, str]],
    name: str,
    separators: str,
    quoted: bool,
    is_header: Callable[[list[str]], bool],
    remedy: Callable[[str, str], str],
) -> tuple[str, Iterator[tuple[int, str]]]:
    """A line on what stands above the header ("": nothing does), and the lines from the header on.

    separators: those that the file may have. quoted, is_header, remedy: as in records.Options.
    Raises InputError if it is not clear whether these lines are rows.
    """
    lines = list(islice(numbered, FIRST))
    everything = chain(lines, numbered)
    texts = [line for _, line in lines]
    if not is_header(["text", "label"]) or DECLARED.fullmatch(texts[0].rstrip("\r\n")):
        return "", everything  # header: false; sep=;
    tables = [_rows(texts, separator, quoted) for separator in separators]
    if any(len(_filled(rows[0][1])) > 1 and is_header(rows[0][1]) for rows in tables):
        return "", everything
    is_told = is_header([""])  # by the user; a header of one name is none of these then
    headers = [
        (start, position, rows)
        for rows in tables
        if len(rows[0][1]) > 1 or not is_told
        for position, (start, row) in enumerate(rows)
        if sum(is_header([cell]) for cell in _filled(row)) > 1 and _goes_on(rows, position)
    ]
    if not headers:
        for rows in tables if len(tables) > 1 else ():  # a .csv
            _refuse_a_title(f"{name}, line {lines[0][0]}", rows, is_header, remedy)
        return "", everything
    start, position, rows = min(headers, key=lambda header: header[0])
    if not all(_is_title(row) for _, row in rows[:position]):
        raise InputError(
            f"{name}, line {lines[start][0]}: {', '.join(rows[position][1])} looks like the "
            "header; remove the lines above it, or, if they are rows, " + remedy("header", "false")
        )
    titles = [(line, row[0]) for line, row in rows[:position] if _filled(row)]
    line, title = titles[0] if titles else (0, "")
    note = (
        f"{plural(start, 'line', 'lines')} above the header left out: {name}, line "
        f"{lines[line][0]}: {title!r:.60}"
    )
    return note, chain(lines[start:], numbered)


def _refuse_a_title(
    where: str,
    rows: list[tuple[int, list[str]]],
    is_header: Callable[[list[str]], bool],
    remedy: Callable[[str, str], str],
) -> None:
    """Raises InputError if of several cells in the first row only the first one is filled, with no
    known name, and rows of more follow."""
    first = rows[0][1]
    is_alone = len(first) > 1 and _filled(first) and _is_title(first) and not is_header(first)
    if is_alone and not all(_is_title(row) for _, row in rows):
        raise InputError(
            f"{where}: {first[0]!r:.60} stands alone; if it is a title, remove it, so that the "
            f"file begins with the header; if it is a row, {remedy('header', 'false')}"
        )


def _rows(lines: list[str], separator: str, quoted: bool) -> list[tuple[int, list[str]]]:
    """Each row, and at which of the lines it begins."""
    if not quoted:
        return [(i, line.rstrip("\r\n").split(separator)) for i, line in enumerate(lines)]
    reader, rows, start = csv.reader(lines, delimiter=separator), [], 0
    for row in reader:
        rows.append((start, row))
        start = reader.line_num
    return rows


def _goes_on(rows: list[tuple[int, list[str]]], position: int) -> bool:
    """Whether the next row, if there is one, is as long."""
    widths = [len(row) for _, row in rows[position : position + 2]]
    return len(set(widths)) == 1


def _filled(row: list[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]


def _is_title(row: list[str]) -> bool:
    """Whether at most its first cell has a text."""
    return not _filled(row[1:])
