"""`tinybert init` of a spreadsheet: what it says names the sheet and its rows."""

from pathlib import Path

import openpyxl
import pytest
from tiny import WORDS

from tinybert.commands import init
from tinybert.commands.init import Request
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

ROWS = [[f"the {WORDS[i % 30]} film {WORDS[i // 30]}", ["pos", "neg"][i % 2]] for i in range(60)]


def request(*sheets: list[list], **options) -> Request:
    """Of tickets.xlsx with these sheets."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in zip(("Tickets", "Notes"), sheets, strict=False):
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save("tickets.xlsx")
    return Request(
        [Path("tickets.xlsx")], **{"name": "mine", "model": "data/models/tiny", **options}
    )


def test_an_error_names_the_row_of_the_sheet_and_the_notes_stay(project, capsys):
    rows = [["text", "score"], ["two\nlines", 1], [None, None], ["good", 2], ["bad", "many"]]
    with pytest.raises(InputError, match=r"^tickets\.xlsx \(sheet Tickets\), row 5: "):
        init.init(request(rows, [["x"]]))
    output = capsys.readouterr().out
    assert "the first sheet, Tickets, is read; not Notes" in output
    assert "1 empty row is left out" in output


def test_a_title_is_left_out_and_named(project, capsys):
    init.init(request([["Support tickets 2024"], [None], ["text", "label"], *ROWS]))
    output = capsys.readouterr().out
    assert "above the header left out: tickets.xlsx (sheet Tickets), row 1: 'Support" in output
    task, statistics = prepare_task(Path("data/raw/mine"), project / "out", TaskData())
    assert task.labels == ["neg", "pos"]
    assert sum(counts["rows"] for counts in statistics.values()) == len(ROWS)


def test_a_title_above_unknown_names_is_refused(project):
    rows = [["Support tickets 2024"], ["comment", "kind"], *ROWS]
    message = r"\(sheet Tickets\), row 1: 'Support tickets 2024' stands alone; if it is a title"
    with pytest.raises(InputError, match=message):
        init.init(request(rows))
    init.init(request(rows, columns={"text": "comment", "label": "kind"}))


def test_warnings_name_the_rows_of_the_sheet(project, capsys):
    """After rows became test, lines of the files are others."""
    again = [ROWS[7][0], "pos" if ROWS[7][1] == "neg" else "neg"]
    init.init(request([["text", "label"], *ROWS[:30], [None], *ROWS[30:], again]))
    [warning] = [line for line in capsys.readouterr().out.splitlines() if "another label" in line]
    assert "tickets.xlsx (sheet Tickets), row 9" in warning
