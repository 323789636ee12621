"""Rows without a label: where they go, what is said, and which spellings mean one."""

import json

import pyarrow as pa
import pytest
from raw_tasks import TRAIN, column, labels, notices, prepare, refused


def json_lines(values: list) -> str:
    rows = [{"text": f"text {i}", "label": value} for i, value in enumerate(values)]
    return "\n".join(map(json.dumps, rows))


def tsv(values: list, name: str = "label") -> str:
    return "\n".join([f"text\t{name}", *(f"text {i}\t{v}" for i, v in enumerate(values))])


@pytest.mark.parametrize(
    "value",
    ["-", "", " ", "?", "NaN", "null", "None", "N/A", None, float("nan"), "\\N", "--", "\u2014"],
)
def test_rows_without_a_label_become_unlabeled_text(tmp_path, value):
    train = json_lines(["a", "b"] * 20 + [value] * 5)
    prepared, found = prepare(
        tmp_path,
        train__jsonl=train,
        dev__tsv=TRAIN.replace("pos", "a").replace("neg", "b"),
        unlabeled__tsv="text\nmore\n",
    )
    assert (prepared.labels, found["train"]["without_label"]) == (["a", "b"], 5)
    assert len(labels(tmp_path, "train")) == found["train"]["rows"] == 40
    moved = [f"text {i}" for i in range(40, 45)]
    assert column(tmp_path, "unlabeled", "text_a") == ["more", *moved]
    assert (
        "train.jsonl, line 41; used as unlabeled text"
        in (found["train"]["notices"]["without_label"])
    )


def test_rows_of_dev_and_test_without_a_label_are_left_out(tmp_path):
    files = {"train__tsv": tsv(["a", "b"]), "dev__tsv": tsv(["a", "", "b", "-"])}
    assert notices(tmp_path, split="dev", **files)["without_label"] == (
        "2 rows have no label, only '', '-', the first in dev.tsv, line 3; left out. If "
        "it is a class, set missing_labels: [] under the task's data in params.yaml"
    )
    assert labels(tmp_path, "dev") == ["a", "b"]
    assert not (tmp_path / "out/unlabeled.parquet").exists()


def test_a_split_without_any_label_is_refused(tmp_path):
    files = {"train__tsv": tsv(["a", "b"]), "test__tsv": tsv(["-1", "-1"])}
    refused(tmp_path, "not in train", dev__tsv=tsv(["a"]), **files)
    files["test__tsv"] = tsv(["-", ""])
    message = r"test\.tsv: no row has a label, only '', '-'; correct or remove the file"
    refused(tmp_path, message, dev__tsv=tsv(["a"]), **files)


@pytest.mark.parametrize("value", ["", "nan", "null"])
def test_rows_without_a_score_become_unlabeled_text(tmp_path, value):
    files = {"train__tsv": tsv([1.5, value, 2.5], "label"), "dev__tsv": tsv([1, 2], "label")}
    assert prepare(tmp_path, **files)[0].kind == "regression"
    assert column(tmp_path, "unlabeled", "text_a") == ["text 1"]


def test_an_empty_list_of_labels_is_none_of_them_and_null_is_missing(tmp_path):
    rows = [{"text": f"text {i}", "labels": v} for i, v in enumerate([["a"], ["b"], [], None])]
    content = "\n".join(map(json.dumps, rows))
    prepare(tmp_path, train__jsonl=content, dev__jsonl=content)
    assert column(tmp_path, "train", "labels") == [[1, 0], [0, 1], [0, 0]]
    assert column(tmp_path, "unlabeled", "text_a") == ["text 3"]


def test_an_empty_text_of_labels_is_none_of_them(tmp_path):
    content = tsv(["a", "b", ""], "labels")
    assert prepare(tmp_path, train__tsv=content, dev__tsv=content)[1]["train"]["rows"] == 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0", "1"] * 20 + ["-1"] * 5, ["0", "1"]),
        (["0", "1", "2", "-1"], ["0", "1", "2"]),
        ([0, 1, 2, -1.0], ["0", "1", "2"]),
        (["-1", "1"] * 20, ["-1", "1"]),
        (["-1", "0", "1"] * 20, ["-1", "0", "1"]),
        (["-2", "-1", "0", "1", "2"], ["-2", "-1", "0", "1", "2"]),
        (["-1", "a", "b"], ["-1", "a", "b"]),
    ],
)
def test_minus_one_beside_numbers_of_classes_is_no_label(tmp_path, values, expected):
    assert prepare(tmp_path, train__jsonl=json_lines(values), dev__tsv=tsv(expected))[0].labels == (
        expected
    )


@pytest.mark.parametrize("value", ["-1", ""])
def test_minus_one_or_nothing_in_a_column_of_a_label_is_no_label(tmp_path, value):
    """As in the test files of Jigsaw's toxic comments."""
    section = {"columns": {"text": "text", "labels": ["x", "y"]}}
    rows = "text,x,y\na,0,1\nb,1.0,0\nc,0,0\n"
    files = {"train__csv": f"{rows}d,{value},{value}\n", "dev__csv": rows}
    lines = notices(tmp_path, section, **files)
    assert lines["without_label"] == (
        "1 row has no labels, but -1 or nothing in a column, the first in train.csv, line 5; used "
        "as unlabeled text"
    )
    assert column(tmp_path, "train", "labels") == [[0, 1], [1, 0], [0, 0]]
    assert column(tmp_path, "unlabeled", "text_a") == ["d"]


def test_minus_one_beside_numbers_of_several_labels_is_no_label(tmp_path):
    content = tsv(["0", "1", "0,1", "-1"], "labels")
    prepared, found = prepare(tmp_path, train__tsv=content, dev__tsv=content)
    assert (prepared.labels, found["train"]["without_label"]) == (["0", "1"], 1)


def test_minus_one_that_may_be_a_class_is_named(tmp_path):
    lines = notices(tmp_path, train__tsv=tsv(["-1", "0", "1"] * 20))
    assert lines["minus_one"] == (
        "20 rows have the label -1, the first in train.tsv, line 2, beside 0 and 1: it is taken "
        "for a class. If it means that a row has no label, set missing_labels: [-1] under the "
        "task's data in params.yaml"
    )
    assert "minus_one" not in notices(
        tmp_path, {"labels": [-1, 0, 1]}, train__tsv=tsv(["-1", "0", "1"] * 20)
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"missing_labels": []}, ["-", "a", "b", "other"]),
        ({"labels": ["-", "a", "b", "other"]}, ["-", "a", "b", "other"]),
        ({"missing_labels": ["other"]}, ["-", "a", "b"]),
        ({}, ["a", "b", "other"]),
    ],
)
def test_params_say_what_is_a_label(tmp_path, section, expected):
    content = tsv(["a", "b", "-", "other"] * 3)
    prepared, _ = prepare(tmp_path, section, train__tsv=content, dev__tsv=tsv(["a"]))
    assert prepared.labels == expected


def test_null_in_parquet_is_no_label(tmp_path):
    train = pa.table({"text": ["a", "b", "c"], "label": ["x", "y", None]})
    prepare(tmp_path, train__parquet=train, dev__tsv=tsv(["x"]))
    assert labels(tmp_path, "train") == ["x", "y"]


def test_a_single_class_beside_rows_without_one_names_them(tmp_path):
    message = r"single class, 'a'; add rows of another class \(1 row has no label, only 'None'"
    refused(tmp_path, message, train__tsv=tsv(["a", "None"]), dev__tsv=tsv(["a"]))
