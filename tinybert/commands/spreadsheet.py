"""An Excel file (.xlsx) -> a .csv that the pipeline reads."""

import csv
import datetime
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

LIMIT = 200_000_000  # bytes of the sheets, which take many times that in memory
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass
class Written:
    """sheet: the name of the one that was written. rows: the number, from 1, of its row in each
    line of the .csv. notes: lines on what is left out: other sheets, empty rows."""

    sheet: str
    rows: list[int]
    notes: list[str]


def write_csv(file: Path, out: Path) -> Written:
    """Writes the first visible sheet.

    Formulas become the values that Excel saved; cells that are merged over rows all have the value.
    Raises InputError that names the file if it cannot be read or has no rows.
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > LIMIT:
            raise InputError(f"{file} holds {size:,} bytes; save the sheet as .csv in UTF-8")
        book = load_workbook(file, data_only=True)  # read_only would know no merged cells
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        sheet, *others = visible or book.worksheets
        _fill_merged(sheet)
        rows = [[_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
        book.close()
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # openpyxl raises what its parsers do, of many kinds
        raise InputError(
            f"{file} cannot be read as a spreadsheet ({error}); save the sheet as .csv in UTF-8"
        ) from error
    filled = {number: row for number, row in enumerate(rows, start=1) if any(row)}
    names = ", ".join(other.title for other in others)
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
        written.notes.append(f"{file}: {rows_are} left out")
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
