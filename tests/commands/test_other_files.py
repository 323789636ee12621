"""Files of kinds that are not read, and what to do with them."""

import json
import shlex
import subprocess
import sys

import pytest

from tinybert.commands import raw_files
from tinybert.data.raw import records
from tinybert.data.raw.records import Options
from tinybert.pipeline.errors import InputError

ROWS = [
    {"text": "schön / 好", "label": "01", "id": 7},
    {"text": "2024-05-06", "label": "02", "id": 8},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
PANDAS = {name: dict(enumerate(values)) for name, values in COLUMNS.items()}


def message(file) -> str:
    with pytest.raises(InputError) as error:
        raw_files.splits_of([file])
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train.csv.gz", "is packed; unpack it (gunzip {})"),
        ("train.ZIP", "is packed; unpack it (unzip {})"),
        ("data.tar.gz", "is packed; unpack it (tar -xf {})"),
        ("train.xls", "save it as .xlsx"),
        ("train.docx", "is a document, not a table; copy its texts into a spreadsheet"),
        ("train.pdf", "is a document, not a table; copy its texts into a spreadsheet"),
        ("train.data", "ends in none of .tsv,"),
        ("train", "ends in none of .tsv,"),
    ],
)
def test_the_advice_is_that_of_the_kind(tmp_path, name, expected):
    file = tmp_path / name
    file.write_text("a\tb\n")
    assert expected.format(file) in message(file)


def test_what_a_file_of_an_unknown_name_is_shows_its_begin(tmp_path):
    file = tmp_path / "train.dat"
    file.write_bytes(b"\x1f\x8b\x08\x00")
    assert message(file).startswith(f"{file} is compressed with gzip; unpack it")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("value", [ROWS, COLUMNS, PANDAS, {"version": "1.0", "data": ROWS}])
def test_the_line_of_python_makes_rows_of_json(tmp_path, value, indent):
    file = tmp_path / "train.json"
    file.write_text(json.dumps(value, indent=indent, ensure_ascii=False), encoding="utf-8")
    command = shlex.split(message(file).partition("write each row in one line: ")[2])
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], check=True)
    read = records.read(tmp_path / "train.jsonl", Options(lambda cells: True))
    assert [dict(zip(read.names, row, strict=True)) for row in read.rows] == ROWS


def test_lines_of_json_are_to_be_renamed(tmp_path):
    file = tmp_path / "train.json"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    assert message(file) == f"{file} has an object in each line; rename it to train.jsonl"
