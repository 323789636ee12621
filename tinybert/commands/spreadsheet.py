"""An Excel file (.xlsx) -> a .csv that the pipeline reads."""

import csv
import datetime
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

LIMIT = 200_000_000  # bytes of the sheets, which take many times that in memory


def write_csv(file: Path, out: Path) -> list[str]:
    """Writes the first visible sheet. Returns lines on what is left out: other sheets, empty rows.

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
    filled = [row for row in rows if any(row)]
    if not filled:
        raise InputError(f"{file}: the first sheet, {sheet.title}, is empty; move the data there")
    width = max(max(i for i, cell in enumerate(row, start=1) if cell) for row in filled)
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([[*row, *[""] * width][:width] for row in filled])
    notes = []
    if others:
        names = ", ".join(other.title for other in others)
        notes.append(f"{file}: the first sheet, {sheet.title}, is read; not {names}")
    last = max(number for number, row in enumerate(rows, start=1) if any(row))
    if empty := last - len(filled):
        notes.append(f"{file}: {plural(empty, 'empty row is', 'empty rows are')} left out")
    return notes


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
