"""`tinybert predict` and `tinybert evaluate` of spreadsheets, through the same code as init."""

import json
from pathlib import Path

import openpyxl
import pytest
from tiny import HOSTILE

from tinybert.commands import cli, init
from tinybert.commands.init import Request
from tinybert.deploy.classifier import Classifier
from tinybert.pipeline.errors import InputError

TEXTS = ["good film", "the plot\nis dull", 'a "quoted" text']


def write(rows: list[list], *other: str) -> None:
    """x.xlsx, with further sheets."""
    made = openpyxl.Workbook()
    made.active.title = "Mail"
    for row in rows:
        made.active.append(row)
    for name in other:
        made.create_sheet(name)
    made.save("x.xlsx")


@pytest.fixture
def run(exported, monkeypatch, capsys):
    """Runs a command on x.xlsx; returns its output and notices."""
    exported("classification")

    def command(name: str, *options: str) -> tuple[str, str]:
        words = ["tinybert", name, "models/mine/onnx", "x.xlsx", *options]
        monkeypatch.setattr("sys.argv", words)
        capsys.readouterr()
        cli.main()
        return capsys.readouterr()

    return command


def test_predict_reads_the_texts_of_a_spreadsheet(run):
    write([["id", "text"], *([i, text] for i, text in enumerate(TEXTS))], "Notes")
    output, notices = run("predict")
    expected = Classifier(Path("models/mine/onnx"))(TEXTS)
    assert [json.loads(line) for line in output.splitlines()] == expected
    assert notices == "note: x.xlsx: the first sheet, Mail, is read; not Notes\n"


def test_evaluate_reads_the_labels_of_a_spreadsheet(run):
    write([["text", "label"], *([text, "bad"] for text in TEXTS)])
    output, _ = run("evaluate")
    assert "models/mine/onnx (int8) on x.xlsx (sheet Mail): 3 rows" in output
    write([["comment", "kind"], *([text, HOSTILE] for text in TEXTS)])
    assert ": 3 rows" in run("evaluate", "--columns", "text=comment", "label=kind")[0]


def test_errors_name_the_sheet_and_its_row(run):
    """Empty rows are left out, and a cell with a line end has two lines."""
    rows = [["text", "label"], ["two\nlines", "bad"], [None], ["good", "unknown"]]
    write(rows)
    with pytest.raises(SystemExit, match=r"error: x\.xlsx \(sheet Mail\), row 4: .*unknown"):
        run("evaluate")
    write([*rows[:3], ["good", None]])
    with pytest.raises(SystemExit, match=r"error: x\.xlsx \(sheet Mail\), row 4: .*empty"):
        run("evaluate")
    Path("x.xlsx").write_bytes(b"PK half")
    with pytest.raises(SystemExit, match=r"error: x\.xlsx cannot be read as a spreadsheet"):
        run("predict")


def test_notices_name_the_sheet(run):
    write([["All mails of May"], [None], ["text", "label"], *([text, "bad"] for text in TEXTS)])
    notices = run("predict")[1]
    assert "x.xlsx (sheet Mail)" in notices and "sheet.csv" not in notices


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (["--format", "csv"], "--format csv"),
        (["--encoding", "gb18030"], "--encoding gb18030"),
        (["--no-quoted"], "--no-quoted"),
    ],
)
def test_options_of_text_files_are_refused(run, options, left_out):
    write([["text", "label"], ["good", "bad"]])
    for command in ("predict", "evaluate"):
        with pytest.raises(SystemExit, match=f"x.xlsx is a spreadsheet: leave out {left_out};"):
            run(command, *options)


def test_init_refuses_them_too(project):
    write([["text", "label"], ["good", "bad"]])
    with pytest.raises(InputError, match=r"x\.xlsx is a spreadsheet: leave out --encoding gb18030"):
        init.init(Request([Path("x.xlsx")], "mine", encoding="gb18030"))
