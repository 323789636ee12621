"""Lines above a header: left out, or refused where they may be rows."""

import pytest
from raw_tasks import column, labels, notices, refused

ROWS = "text;label\ngood, film;pos\nbad film;neg\n"
TITLES = (
    "Support tickets, 2024;\n",
    "Support tickets\n",
    ";\n;\nSupport tickets;\nof May;\n;\n",
    '"Support;\ntickets";\n',
    "\n\nSupport tickets\n",
)


@pytest.mark.parametrize("title", TITLES)
def test_a_title_above_the_header_is_left_out_and_named(tmp_path, title):
    found = notices(tmp_path, train__csv=title + ROWS, dev__csv=ROWS)
    count = title.count("\n")
    expected = f"{count} line{'s' * (count > 1)} above the header left out: train.csv, line "
    assert found["above_header"].startswith(expected) and "Support" in found["above_header"]
    assert column(tmp_path, "train", "text_a") == ["good, film", "bad film"]
    assert labels(tmp_path, "train") == ["pos", "neg"]


def test_lines_are_counted_from_the_top_of_the_file(tmp_path):
    refused(tmp_path, r"train\.csv, line 5: 3 fields", train__csv="Title;\n" + ROWS + "a;b;c\n")


def test_the_users_names_show_the_header(tmp_path):
    section = {"columns": {"text": "comment", "label": "kind"}}
    text = ROWS.replace("text;label", "kind;comment").replace("film;pos", "film;so")
    found = notices(tmp_path, section, train__csv=f"Title;\n{text}", dev__csv=text)
    assert "above_header" in found
    assert column(tmp_path, "train", "text_a") == ["so", "neg"]


def test_a_column_of_texts_with_commas_has_no_title(tmp_path):
    section = {"columns": {"text": "comment", "label": "kind"}}
    message = r"line 2: 2 fields, the first line has 1 \(comment\); if the first line is a title"
    refused(tmp_path, message, section, train__csv="comment\na, b\nc, d\n")


def test_rows_above_a_header_are_refused(tmp_path):
    message = r"train\.csv, line 2: text, label looks like the header; remove the lines above"
    refused(tmp_path, message, train__csv="Support;Anna\n" + ROWS)


def test_a_first_text_without_a_label_may_be_a_title(tmp_path):
    text = "Support tickets;\ncomment;kind\ngood;pos\nbad;neg\n"
    message = r"train\.csv, line 1: 'Support tickets' stands alone; if it is a title, remove it"
    refused(tmp_path, message, train__csv=text)
    section = {"header": False}
    assert "above_header" not in notices(tmp_path, section, train__csv=text, dev__csv="a;pos")
    assert column(tmp_path, "unlabeled", "text_a") == ["Support tickets"]


@pytest.mark.parametrize(
    "text",
    [
        "text;label\nx;pos\ny;neg\ntext;label too\n",
        '"text\nand more";label\nx;pos\ny;neg\n',
        f"sep=;\n{ROWS}",
    ],
)
def test_a_table_without_a_title_gives_no_notice(tmp_path, text):
    section = {"columns": {"text": 1, "label": 2}, "header": True}
    assert "above_header" not in notices(tmp_path, section, train__csv=text, dev__csv="h;l\na;pos")
