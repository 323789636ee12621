"""Columns and texts that are not what they are taken for."""

import pandas as pd
import pytest
from raw_tasks import notices, refused

LABELS = ["pos", "neg"] * 10
TEXTS = [f"film {i} of many" for i in range(20)]
PLAIN = pd.DataFrame({"text": TEXTS, "label": LABELS})


@pytest.mark.parametrize("first", [0, 1, 100])
def test_a_column_that_counts_rows_is_named(tmp_path, first):
    """What pandas writes without index=False."""
    table = PLAIN.set_index(pd.RangeIndex(first, first + 20)).sample(frac=1, random_state=0)
    line = notices(tmp_path, train__csv=table.to_csv(header=False))["row_numbers"]
    assert line.startswith("20 rows have a number of their own as text_a, the first in train.csv, ")
    assert "set columns: {text: 2, label: 3}" in line


def test_a_counter_under_a_header_of_unknown_names_is_refused(tmp_path):
    table = PLAIN.rename(columns={"text": "film", "label": "class"})
    message = "is the first line a header"
    for content in (table.to_csv(), table.reset_index(names="Unnamed: 0").to_csv(index=False)):
        refused(tmp_path, message, train__csv=content)


def test_the_proposed_columns_are_right(tmp_path):
    section = {"columns": {"text": 2, "label": 3}}
    assert not notices(tmp_path, section, train__csv=PLAIN.to_csv(header=False)).keys() & {
        "row_numbers", "same_texts"
    }  # fmt: skip


def test_a_counter_beside_known_names_is_not_read(tmp_path):
    assert "row_numbers" not in notices(tmp_path, train__csv=PLAIN.to_csv())


QUOTED = PLAIN.assign(text=[f'say "hi" {i}' if i < 3 else text for i, text in enumerate(TEXTS)])


@pytest.mark.parametrize(("table", "quoting", "count"), [(QUOTED, 0, 3), (PLAIN, 1, 20)])
def test_quotes_that_were_not_read_are_named(tmp_path, table, quoting, count):
    files = {"train__tsv": table.to_csv(sep="\t", index=False, header=False, quoting=quoting)}
    line = notices(tmp_path, **files)["quotes"]
    assert line == (
        f"{count} texts begin and end with quotation marks, the first in train.tsv, line 1, as if "
        "they enclosed fields: set quoted: true under the task's data in params.yaml"
    )
    assert "quotes" not in notices(tmp_path, {"quoted": True}, **files)


def test_quotes_that_are_text_are_not_named(tmp_path):
    texts = ['"He said it"', '"One," he said, "or two"', 'a "" b', '"']
    table = PLAIN.assign(text=[*texts, *TEXTS[4:]])
    content = "text\tlabel\n" + "\n".join(table["text"] + "\t" + table["label"])
    assert "quotes" not in notices(tmp_path, train__tsv=content)


def test_exchanged_columns_are_refused(tmp_path):
    content = PLAIN[["label", "text"]].to_csv(index=False, header=False)
    refused(
        tmp_path, r"20 different labels and only 2 different texts.*label: 1", train__csv=content
    )


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("label_is_text", {"label": TEXTS[:15] + LABELS[:5], "text": TEXTS[:15] + LABELS[:5]}),
        ("same_texts", {"text": ["Yes", "yes "] * 7 + TEXTS[:6]}),
        ("entities", {"text": ["Tom &amp; Jerry", *TEXTS[1:]]}),
        ("entities", {"text": ["good<br />film", *TEXTS[1:]]}),
        ("mojibake", {"text": ["a caf\u00e9".encode().decode("latin-1"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["it\u2019s".encode().decode("cp1252"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["\U0001f600".encode().decode("cp1252"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["a \ufffd film", *TEXTS[1:]]}),
    ],
)
def test_what_is_in_the_texts_is_named(tmp_path, key, changes):
    lines = notices(tmp_path, train__csv=PLAIN.assign(**changes).to_csv(index=False))
    assert "train.csv, line 2" in lines[key]


def test_equal_texts_of_pairs_are_named(tmp_path):
    table = pd.DataFrame({"text_a": TEXTS, "text_b": TEXTS, "label": LABELS})
    line = notices(tmp_path, train__csv=table.to_csv(index=False))["equal_pairs"]
    assert line.startswith("20 rows have text_a as text_b: train.csv, line 2; set columns: ")


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 na\u00efve S\u00c3O \u00c2NGELO",
        "R&D; Q&A",
        "5 \u2264 6",
        "\u00abFIM\u00bb",
        "a < b",
    ],
)
def test_sound_data_gets_no_line(tmp_path, text):
    table = PLAIN.assign(text=[text, *TEXTS[1:]])
    assert notices(tmp_path, train__csv=table.to_csv(index=False)) == {}
