"""Labels that look wrong."""

import re

import pytest
from raw_tasks import notices
from ruamel.yaml import YAML


def tsv(values: list, name: str = "label") -> str:
    return "\n".join([f"text\t{name}", *(f"text {i}\t{v}" for i, v in enumerate(values))])


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("positive", "Positive"),
        ("positive", "positive\u200b"),
        ("positive", "\uff50ositive"),
        ("caf\u00e9", "cafe\u0301"),
        ("very good", "very  good"),
        ("1", "1.0"),
        ("1", "01"),
        ("pos", '"pos"'),
        ("positive", "p\u043esitive"),
        ("A", "\u0391"),
        ("positive", "positive."),
        ("sport", "sports"),
        ("not good", "not_good"),
        ("True", "yes"),
        ("don't", "don\u2019t"),
    ],
)
def test_labels_that_look_alike_are_shown_escaped(tmp_path, label, other):
    values = [label] * 5 + ["negative"] * 5 + [other] * 2
    line = notices(tmp_path, train__tsv=tsv(values))["alike_labels"]
    assert line.startswith(f"2 labels look like another one: {label!a} (5), {other!a} (2), in ")
    assert "train.tsv, line 12; " in line and line.isascii()
    section = {"labels": {label: label, other: label, "negative": "negative"}}
    assert "alike_labels" not in notices(tmp_path, section, train__tsv=tsv(values))
    [proposed] = re.findall(r"unless labels: (.*), \.\.\.} under", line)
    assert YAML(typ="safe", pure=True).load(f"{proposed}}}") == {label: label, other: label}


@pytest.mark.parametrize(
    "separator", [",", ";", "|", "/", "\uff0c", "\u3001", ", ", " ", "_", "\\", " and "]
)
def test_labels_of_several_labels_are_named(tmp_path, separator):
    joined = f"\u5c4f\u5e55{separator}\u7535\u6c60"
    values = ["\u5c4f\u5e55", "\u7535\u6c60", joined] * 5
    line = notices(tmp_path, train__tsv=tsv(values))["joined_labels"]
    assert line.startswith(
        f"5 rows have a label whose parts are labels too: {joined!r} in train.tsv"
    )
    assert line.endswith("set kind: multi_label under the task's data in params.yaml")
    assert ("separate the labels by commas" in line) == ("," not in separator)


@pytest.mark.parametrize("label", ["science/technology", "a, b", "C++", "R&D", "1,5", "sports car"])
def test_a_separator_in_a_name_is_not_named(tmp_path, label):
    assert (
        notices(tmp_path, train__tsv=tsv([label, "sports"] * 20), dev__tsv=tsv([label] * 50)) == {}
    )


def test_few_values_taken_for_scores_are_named(tmp_path):
    content = tsv([1.1, 1.2, 2.1] * 50)
    line = notices(tmp_path, train__tsv=content)["few_scores"]
    assert line == (
        "the labels are numbers with fractions, and only 3 different ones (1.1, 1.2, 2.1; "
        "train.tsv, line 2): the task is to estimate them (regression). If they name classes, set "
        "kind: classification under the task's data in params.yaml"
    )
    for section in ({"kind": "classification"}, {"kind": "regression"}):
        assert "few_scores" not in notices(tmp_path, section, train__tsv=content)
    assert "few_scores" not in notices(tmp_path, train__tsv=tsv([i / 7 for i in range(150)]))
    assert "few_scores" not in notices(tmp_path, train__tsv=tsv([1.5, 2.5] * 50, "score"))


def test_many_numbers_with_gaps_are_named(tmp_path):
    line = notices(tmp_path, train__tsv=tsv([5 * (i % 25) for i in range(100)]))["many_numbers"]
    assert "25 labels are whole numbers, from 0 to 120" in line
    ages = notices(tmp_path, train__tsv=tsv([18 + i % 25 for i in range(100)]))
    assert "25 labels are whole numbers, from 18 to 42" in ages["many_numbers"]
    assert "kind: regression" in line
    numbers = tsv([i % 25 for i in range(100)])
    assert "many_numbers" not in notices(tmp_path, train__tsv=numbers)


def test_labels_that_are_different_are_not_alike(tmp_path):
    values = [
        "A",
        "A-",
        "A+",
        "-1",
        "1",
        "<5",
        ">5",
        ":)",
        ":(",
        "no answer",
        "none",
        "new york",
    ] * 3
    assert "alike_labels" not in notices(tmp_path, train__tsv=tsv(values))


def test_numbers_of_several_labels_are_no_decimals(tmp_path):
    lines = notices(tmp_path, train__tsv=tsv(["1", "2", "1,2"] * 5))
    assert lines["joined_labels"].startswith(
        "5 rows have a label whose parts are labels too: '1,2'"
    )
    lines = notices(tmp_path, train__tsv=tsv(["1,5", "2,5"] * 5))
    assert lines["decimal_commas"].startswith(
        "the labels are numbers, some with a comma: '1,5' in "
    )


def test_labels_of_one_row_are_one_line(tmp_path):
    lines = notices(tmp_path, train__tsv=tsv([*"aabb", *(f"label {i}" for i in range(500))]))
    assert lines["labels_of_one_row"].startswith(
        "500 of 502 labels have a single row: 'label 0' in train.tsv, line 6, 'label 1' in "
    )
    assert len(lines["labels_of_one_row"]) < 300


def test_a_label_of_nearly_all_rows_is_named(tmp_path):
    content = tsv(["a"] * 97 + ["b"] * 3)
    line = notices(tmp_path, train__tsv=content)["one_label"]
    assert line.startswith("97 of 100 rows have the label 'a', the first in train.tsv, line 2")
    assert "one_label" not in notices(tmp_path, {"metric": "f1_macro"}, train__tsv=content)


def test_all_labels_that_look_alike_are_counted(tmp_path):
    wide = "".join(chr(ord(c) + 0xFEE0) for c in "positive")
    names = ["Positive", "positive", "positive\u200b", wide, "caf\u00e9", "cafe\u0301"]
    line = notices(tmp_path, train__tsv=tsv(names * 5))["alike_labels"]
    shown = ", ".join(f"{name!a} (5)" for name in names[:4])
    assert line.startswith(f"6 labels look like another one: {shown}, in train.tsv, line 3; ")
    assert line.isascii()
