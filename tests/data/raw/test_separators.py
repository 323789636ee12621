"""The separator of a table: shown, declared, or refused."""

import io

import pytest
from raw_tasks import TRAIN, column, labels, prepare, refused

from tinybert.data.raw.records import Options, open_rows
from tinybert.data.raw.separators import of_header

ROWS = [["good, film", "pos"], ["bad; film", "neg"], ["so | so", "pos"]]


def csv_rows(content: str, known: tuple[str, ...] = ("text", "label")) -> list[list]:
    stream = io.BufferedReader(io.BytesIO(content.encode()))
    opened = open_rows(stream, "a.csv", ".csv", Options(lambda cells: cells[0].strip() in known))
    return [row for _, row in opened.rows]


@pytest.mark.parametrize("separator", ["\t", "|"])
def test_a_csv_with_tabs_or_bars_is_read_by_its_header(tmp_path, separator):
    content = TRAIN.replace("\t", separator)
    prepare(tmp_path, train__csv=content, dev__tsv=TRAIN)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert labels(tmp_path, "train") == ["pos", "neg"]


def test_a_csv_with_tabs_and_without_a_header_is_read_by_its_number_of_fields():
    assert csv_rows("good, film\tpos\nbad\tneg\nbad; or not\tneg\nx\tpos\n") == [
        ["good, film", "pos"], ["bad", "neg"], ["bad; or not", "neg"], ["x", "pos"],
    ]  # fmt: skip
    assert csv_rows("a | b\nc\n") == [["a | b"], ["c"]]


@pytest.mark.parametrize(
    "line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;", "\ufeffsep=;", "sep=\t", "sep=\\t", "sep=|"]
)
def test_a_declared_separator_is_no_row(line):
    separator = "\t" if "t" in line.replace("sep", "") or "\t" in line else line.strip('"')[-1]
    body = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in ROWS)
    assert csv_rows(f"{line}\n{body}\n") == ROWS
    assert csv_rows(f"{line}\r\ntext{separator}label\r\n{body}\n") == ROWS


def test_another_declared_separator_is_refused(tmp_path):
    message = r"train\.csv, line 1: 'sep=:': use one of sep=, sep=;"
    (tmp_path / "csv").mkdir()
    refused(tmp_path / "csv", message, train__csv="sep=:\n" + TRAIN)
    message = r"train\.tsv, line 1: 'sep=;': tabs separate the fields .* rename it to \.csv"
    refused(tmp_path, message, train__tsv="sep=;\n" + TRAIN.replace("\t", ";"))
    prepare(tmp_path, train__tsv="sep=\t\n" + TRAIN, dev__tsv=TRAIN)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]


@pytest.mark.parametrize("ending", ["tsv", "txt"])
@pytest.mark.parametrize(("separator", "name"), [(",", "comma"), (";", "semicolon"), ("|", "bar")])
def test_a_header_without_tabs_is_refused_where_tabs_are_due(tmp_path, ending, separator, name):
    content = {f"train__{ending}": TRAIN.replace("\t", separator), "dev__csv": "text,label\na,pos"}
    message = rf"train\.{ending}, line 1: a .*{name} separates the names; .* rename it to \.csv"
    refused(tmp_path, message, **content)


def test_a_line_shows_one_separator_or_none():
    def is_header(cells: list[str]) -> bool:
        return "text" in cells

    assert of_header("text;label,other", is_header) == ";"
    assert of_header("a text, label", is_header) is None
    assert of_header("text", is_header) is None
