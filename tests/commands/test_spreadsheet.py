"""Excel files become .csv."""

import csv
import datetime
from pathlib import Path

import openpyxl
import pytest

from tinybert.commands.spreadsheet import write_csv
from tinybert.pipeline.errors import InputError


def book(file: Path, *sheets: list[list]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets, start=1):
        sheet = made.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
    made.save(file)
    return file


def test_the_first_sheet_is_read_and_the_others_are_named(tmp_path):
    rows = [["text", "label"], ['say "a", b\nc', 1], ["d", 2.5], [True, datetime.date(2024, 5, 6)]]
    file = book(tmp_path / "a.xlsx", rows, [["x"]], [["y"]])
    notes = write_csv(file, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as stream:
        written = list(csv.reader(stream))
    assert written[:3] == [["text", "label"], ['say "a", b\nc', "1"], ["d", "2.5"]]
    assert written[3][0] == "TRUE" and written[3][1].startswith("2024-05-06")
    assert notes == [f"{file}: the first sheet, sheet 1, is read; not sheet 2, sheet 3"]


def test_empty_rows_and_columns_are_left_out_and_counted(tmp_path):
    rows = [["text", "label", None], ["a", "x", None], [None, None, None], ["b", "y", None]]
    [note] = write_csv(book(tmp_path / "a.xlsx", rows), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "text,label\na,x\nb,y\n"
    assert note.endswith("1 empty row is left out")


def test_damaged_and_empty_files_are_named(tmp_path):
    damaged = tmp_path / "damaged.xlsx"
    damaged.write_bytes(book(tmp_path / "a.xlsx", [["a"]]).read_bytes()[:300])
    for file, message in (
        (damaged, "damaged.xlsx cannot be read as a spreadsheet"),
        (book(tmp_path / "empty.xlsx", []), "the first sheet, sheet 1, is empty"),
    ):
        with pytest.raises(InputError, match=message):
            write_csv(file, tmp_path / "out.csv")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tinybert.commands.spreadsheet.LIMIT", 1000)
    with pytest.raises(InputError, match=r"a.xlsx holds [\d,]+ bytes; save the sheet as .csv"):
        write_csv(book(tmp_path / "a.xlsx", [["a"]]), tmp_path / "a.csv")


def test_cells_that_are_merged_over_rows_have_their_value_in_each(tmp_path):
    file = book(tmp_path / "a.xlsx", [["text", "label"], ["a", "x"], ["b", None], ["c", "y"]])
    made = openpyxl.load_workbook(file)
    made.active.merge_cells("B2:B3")
    made.save(file)
    assert write_csv(file, tmp_path / "a.csv") == []
    assert (tmp_path / "a.csv").read_text() == "text,label\na,x\nb,x\nc,y\n"


def test_a_hidden_sheet_is_not_the_first_one(tmp_path):
    file = book(tmp_path / "a.xlsx", [["secret"]], [["text", "label"], ["a", "x"]])
    made = openpyxl.load_workbook(file)
    made.worksheets[0].sheet_state = "hidden"
    made.active = 1
    made.save(file)
    assert write_csv(file, tmp_path / "a.csv") == []
    assert (tmp_path / "a.csv").read_text() == "text,label\na,x\n"
