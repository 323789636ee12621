"""An Excel file (.xlsx) -> a .csv that the pipeline and the commands read."""

import csv
import datetime
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

SPREADSHEET = ".xlsx"
LIMIT = 200_000_000  # bytes of the sheets, which take many times that in memory
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Origin:
    """Where a staged file comes from. file: its path, or what names its shards. sheet: of a
    spreadsheet. rows: the sheet's row, or the line, in which each of its lines was; empty if each
    was there."""

    file: Path | str
    sheet: str = ""
    rows: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.file} (sheet {self.sheet})" if self.sheet else str(self.file)

    def named(self, text: str, staged: Path) -> str:
        """A message about the staged file, as one about the user's."""

        def place(found: re.Match) -> str:
            return f"{self}, {'row' if self.sheet else 'line'} {self.rows[int(found[1]) - 1]}"

        if self.rows:
            text = re.sub(rf"{re.escape(str(staged))}, line (\d+)", place, text)
        return text.replace(str(staged), str(self))

    def of_lines(self, lines: list[int]) -> "Origin":
        """That of a file which has these lines of the staged one."""
        return replace(self, rows=[self.rows[n - 1] for n in lines] if self.rows else lines)


@contextmanager
def as_csv(
    name: str, options: list[str], notice: Callable[[str], None]
) -> Iterator[tuple[str, Callable[[str], str]]]:
    """The file that a command reads, and what names the user's file in a message: a spreadsheet is
    a temporary .csv, and errors name its sheet and rows; others are as they are.

    options: those given that no spreadsheet has. notice: takes a line on what is left out. Raises
    InputError as write_csv does, and for options.
    """
    if not is_spreadsheet(name):
        yield name, str
        return
    check_options(name, options)
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary, "sheet.csv")
        written = write_csv(Path(name), staged)
        origin = Origin(Path(name), written.sheet, written.rows)
        for line in written.notes:
            notice(line)
        try:
            yield str(staged), lambda text: origin.named(text, staged)
        except InputError as error:
            raise InputError(origin.named(str(error), staged)) from error


def is_spreadsheet(name: str) -> bool:
    return Path(name).suffix.lower() == SPREADSHEET


def check_options(name: str, options: list[str]) -> None:
    """Raises InputError if a file is a spreadsheet and there are options that are not for one."""
    if options and is_spreadsheet(name):
        raise InputError(
            f"{name} is a spreadsheet: leave out {' and '.join(options)}; or save it as .csv"
        )


@dataclass
class Written:
    """sheet: the name of the one that was written. rows: the number, from 1, of its row in each
    line of the .csv. notes: lines on what is left out: other sheets, empty rows."""

    sheet: str
    rows: list[int]
    notes: list[str]


@contextmanager
def _opened(file: Path, **options: bool) -> Iterator[list["Worksheet"]]:
    """The visible sheets; all, if none is. options: of openpyxl. Raises InputError that names the
    file if it cannot be read."""
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > LIMIT:
            raise InputError(f"{file} holds {size:,} bytes; save the sheet as .csv in UTF-8")
        book = load_workbook(file, data_only=True, **options)
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        yield visible or book.worksheets
        book.close()
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # openpyxl raises what its parsers do, of many kinds
        raise InputError(
            f"{file} cannot be read as a spreadsheet ({error}); save the sheet as .csv in UTF-8"
        ) from error


def visible_sheets(file: Path) -> list[str]:
    """The names of the visible sheets, in order. Raises InputError as write_csv does."""
    with _opened(file, read_only=True) as sheets:
        return [sheet.title for sheet in sheets]


def write_csv(file: Path, out: Path, name: str = "") -> Written:
    """Writes the visible sheet of that name, or the first one.

    Formulas become the values that Excel saved; cells that are merged over rows all have the value.
    Raises InputError that names the file if it cannot be read or has no rows.
    """
    with _opened(file) as sheets:  # read_only would know no merged cells
        sheet = next(sheet for sheet in sheets if name in ("", sheet.title))
        others = [] if name else sheets[1:]
        _fill_merged(sheet)
        rows = [[_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    filled = {number: row for number, row in enumerate(rows, start=1) if any(row)}
    names = ", ".join(other.title for other in others)
    if not filled and name:
        raise InputError(f"{file}: the sheet {name} is empty; fill it, or remove it")
    if not filled:
        raise InputError(
            f"{file}: the first sheet, {sheet.title}, is empty; move the data there"
            + (f", from {names}" if others else "")
        )
    width = max(max(i for i, cell in enumerate(row, start=1) if cell) for row in filled.values())
    written = Written(sheet.title, [], [])
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for number, row in filled.items():
            writer.writerow([*row, *[""] * width][:width])
            written.rows += [number] * (1 + sum(len(LINE_END.findall(cell)) for cell in row))
    if others:
        written.notes.append(f"{file}: the first sheet, {sheet.title}, is read; not {names}")
    if empty := max(filled) - len(filled):
        rows_are = plural(empty, "empty row is", "empty rows are")
        where = f"{file} (sheet {name})" if name else file
        written.notes.append(f"{where}: {rows_are} left out")
    return written


def _fill_merged(sheet: "Worksheet") -> None:
    for area in list(sheet.merged_cells.ranges):
        if area.min_col == area.max_col:  # over columns, it is a title
            value = sheet.cell(area.min_row, area.min_col).value
            sheet.unmerge_cells(area.coord)
            for row in range(area.min_row, area.max_row + 1):
                sheet.cell(row, area.min_col).value = value


def _text(value: object) -> str:
    """A cell as Excel shows it; dates in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
