"""Columns and texts that are not what they are taken for."""

import pandas as pd
import pytest
from raw_tasks import notices, refused

LABELS = ["pos", "neg"] * 10
TEXTS = [f"film {i} of many" for i in range(20)]
PLAIN = pd.DataFrame({"text": TEXTS, "label": LABELS})


@pytest.mark.parametrize(
    "index",
    [
        range(20),
        range(100, 120),
        [*range(10), *range(10)],  # two tables that were concatenated
        [f"{i}.0" for i in range(20)],
        [f"train-{i}" for i in range(20)],
        [f"{7919 * i:08x}" for i in range(20)],
        ["2026-01-02"] * 20,
    ],
)
def test_a_column_that_counts_or_names_rows_is_named(tmp_path, index):
    """What pandas writes without index=False."""
    table = PLAIN.set_index(pd.Index(index)).sample(frac=1, random_state=0)
    line = notices(tmp_path, train__csv=table.to_csv(header=False))["row_numbers"]
    assert line.startswith("20 rows have only a number or an id as text_a, the first in train.csv")
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


@pytest.mark.parametrize(("table", "quoting", "count"), [(QUOTED, 0, 3), (PLAIN, 1, 40)])
def test_quotes_that_were_not_read_are_named(tmp_path, table, quoting, count):
    files = {"train__tsv": table.to_csv(sep="\t", index=False, header=False, quoting=quoting)}
    line = notices(tmp_path, **files)["quotes"]
    assert line == (
        f"{count} fields begin and end with quotation marks, the first in train.tsv, line 1: if "
        "they are not part of it, set quoted: true under the task's data in params.yaml"
    )
    assert "quotes" not in notices(tmp_path, {"quoted": True}, **files)


def test_a_header_in_quotation_marks_that_were_not_read_is_known(tmp_path):
    content = PLAIN.to_csv(sep="\t", index=False, quoting=1)
    line = notices(tmp_path, train__tsv=content)["quotes"]
    assert line.startswith("40 fields begin and end with quotation marks, the first in train.tsv")


def test_quotes_around_labels_alone_are_named(tmp_path):
    content = "".join(f'{text}\t"{i % 2}"\n' for i, text in enumerate(TEXTS))
    assert "20 fields begin and end" in notices(tmp_path, train__tsv=content)["quotes"]


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


def test_a_text_in_the_place_of_the_label_of_three_columns_is_refused(tmp_path):
    content = PLAIN[["label", "text"]].to_csv(header=False)
    refused(tmp_path, r"2 different texts as text_b.*text: 3, label: 2", train__csv=content)


def test_pairs_of_a_text_and_a_topic_may_have_many_labels(tmp_path):
    table = pd.DataFrame({"text": TEXTS * 3, "topic": ["a", "b", "c"] * 20, "l": TEXTS * 3})
    assert not notices(tmp_path, train__csv=table.to_csv(index=False, header=False)).keys() & {
        "row_numbers", "joined_labels"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("label_is_text", {"label": TEXTS[:15] + LABELS[:5], "text": TEXTS[:15] + LABELS[:5]}),
        ("same_texts", {"text": ["Yes", "yes "] * 7 + TEXTS[:6]}),
        ("entities", {"text": ["Tom &amp; Jerry", *TEXTS[1:]]}),
        ("entities", {"text": ["good<br />film", *TEXTS[1:]]}),
        ("entities", {"text": ["<p>good film</p>", *TEXTS[1:]]}),
        ("entities", {"text": ["a caf&eacute;", *TEXTS[1:]]}),
        ("entities", {"text": ["it #39;s", *TEXTS[1:]]}),  # as in AG's news
        ("mojibake", {"text": ["a caf\u00e9".encode().decode("latin-1"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["it\u2019s".encode().decode("cp1252"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["\U0001f600".encode().decode("cp1252"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["a \ufffd film", *TEXTS[1:]]}),
        ("mojibake", {"text": ["\u597d\u770b".encode().decode("latin-1"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["\u0441\u043e\u043d".encode().decode("latin-1"), *TEXTS[1:]]}),
        ("mojibake", {"text": ["\u597d\u7535\u5f71".encode("gbk").decode("latin-1"), *TEXTS[1:]]}),
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
        "well\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7",
        "aaaa\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4h",
        "\u201call\u00e9\u2026\u201d",
        "Spa\u00df\u201c",
        "\u00c9\u2019",
        "a < b",
    ],
)
def test_sound_data_gets_no_line(tmp_path, text):
    table = PLAIN.assign(text=[text, *TEXTS[1:]])
    assert notices(tmp_path, train__csv=table.to_csv(index=False)) == {}
