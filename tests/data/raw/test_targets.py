"""Labels and scores: the task's kind, the labels' order, and invalid values."""

import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from raw_tasks import TRAIN, column, labels, prepare, refused

from tinybert.models.encode import read_rows
from tinybert.tasks.task import load_task


def json_lines(*rows: dict) -> str:
    return "\n".join(map(json.dumps, rows))


def tsv(values: list, name: str = "label") -> str:
    return "\n".join([f"text\t{name}", *(f"text {i}\t{v}" for i, v in enumerate(values))])


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (["pos", "neg"], ["neg", "pos"]),
        (["10", "2", "1"], ["1", "2", "10"]),
        (["b", "10", "9", "a"], ["9", "10", "a", "b"]),
        (["1", "-1", "0"], ["-1", "0", "1"]),
        (["01", "1"], ["01", "1"]),
        ([" pos ", "neg"], ["neg", "pos"]),
        (["好", "坏", "é"], ["é", "坏", "好"]),
        (["9" * 5000, "2"], ["2", "9" * 5000]),
    ],
)
def test_labels_are_numbered_by_number_then_by_name(tmp_path, given, order):
    content = tsv(given)
    prepared, _ = prepare(tmp_path, train__tsv=content, dev__tsv=content)
    assert (prepared.kind, prepared.labels) == ("classification", order)
    assert labels(tmp_path, "train") == [label.strip() for label in given]


def test_numbers_and_booleans_of_json_are_labels(tmp_path):
    rows = [{"text": "a", "label": value} for value in (1, 1.0, "1", True, 2)]
    prepared, _ = prepare(tmp_path, train__jsonl=json_lines(*rows), dev__tsv=tsv(["1", "2"]))
    assert prepared.labels == ["1", "2", "True"]
    assert column(tmp_path, "train", "label") == [0, 0, 0, 2, 1]
    assert column(tmp_path, "dev", "label") == [0, 1]


@pytest.mark.parametrize(
    ("given", "names", "numbers"),
    [
        (["pos", "neg", "mixed"], ["pos", "neg", "mixed"], [0, 1, 0]),
        ({"pos": "good", "neg": "bad"}, ["good", "bad"], [0, 1, 0]),
        ({"neg": "bad", "pos": "good"}, ["bad", "good"], [1, 0, 1]),
        ({"neg": "pos", "pos": "neg"}, ["pos", "neg"], [1, 0, 1]),
    ],
)
def test_labels_of_params_decide_order_and_names(tmp_path, given, names, numbers):
    files = {"train__tsv": tsv(["pos", "neg", "pos"]), "dev__tsv": tsv(["neg"])}
    prepared, _ = prepare(tmp_path, {"labels": given}, **files)
    assert prepared.labels == names
    assert column(tmp_path, "train", "label") == numbers
    assert column(tmp_path, "dev", "label") == [numbers[1]]


def test_labels_of_params_may_be_numbers(tmp_path):
    prepared, _ = prepare(tmp_path, {"labels": [1, 0]}, train__tsv=tsv([0, 1]), dev__tsv=tsv([1]))
    assert prepared.labels == ["1", "0"]
    assert column(tmp_path, "train", "label") == [1, 0]


MULTI = [["b", "a"], [], ["c"], ["a", "a"]]
COLUMNS = "text,a,b,c\n0,1,1,0\n1,0,0,0\n2,0,false,True\n3,1.0,0,0\n"


@pytest.mark.parametrize(
    ("name", "content", "section"),
    [
        ("jsonl", json_lines(*({"text": str(i), "labels": v} for i, v in enumerate(MULTI))), {}),
        ("jsonl", json_lines(*({"text": str(i), "label": v} for i, v in enumerate(MULTI))), {}),
        ("tsv", "text\tlabels\n0\tb,a\n1\t\n2\t c \n3\ta, a,\n", {}),
        ("tsv", "text\tlabel\n0\tb,a\n1\t\n2\tc\n3\ta\n", {"kind": "multi_label"}),
        ("csv", 'text,labels\n0,"b,a"\n1,\n2,c\n3,a\n', {}),
        ("csv", COLUMNS, {"columns": {"text": "text", "labels": ["a", "b", "c"]}}),
        ("parquet", pa.table({"text": list("0123"), "labels": MULTI}), {}),
    ],
)
def test_a_row_may_have_several_labels_or_none(tmp_path, tokenizer, name, content, section):
    files = {f"{split}__{name}": content for split in ("train", "dev")}
    prepared, _ = prepare(tmp_path, section, **files)
    assert (prepared.kind, prepared.labels, prepared.target) == (
        "multi_label",
        ["a", "b", "c"],
        "labels",
    )
    assert prepared.head()["problem_type"] == "multi_label_classification"
    expected = [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert column(tmp_path, "dev", "labels") == expected
    rows = read_rows(tmp_path / "out/train.parquet", tokenizer, max_length=8).columns["labels"]
    assert rows.dtype == np.float32 and rows.shape == (4, 3)
    assert rows.tolist() == expected


def test_columns_of_labels_keep_their_order_when_it_is_given(tmp_path):
    section = {"columns": {"text": 1, "labels": [2, 4]}, "header": True, "labels": {4: "c", 2: "a"}}
    prepared, _ = prepare(tmp_path, section, train__csv=COLUMNS, dev__csv=COLUMNS)
    assert prepared.labels == ["c", "a"]
    assert column(tmp_path, "train", "labels") == [[0, 1], [0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("tsv", "text\tscore\na\t1\nb\t-2.5e1\nc\t 3 \n", [1, -25, 3]),
        ("tsv", "text\tlabel\na\t1\nb\t2.5\nc\t3\n", [1, 2.5, 3]),
        ("jsonl", json_lines({"text": "a", "score": 1}, {"text": "b", "score": 0.25}), [1, 0.25]),
        ("parquet", pa.table({"text": ["a", "b"], "score": pa.array([1, 2], pa.int8())}), [1, 2]),
        (
            "parquet",
            pa.table({"text": ["a", "b"], "score": [decimal.Decimal("1.50"), decimal.Decimal(2)]}),
            [1.5, 2],
        ),
    ],
)
def test_scores_and_labels_with_fractions_make_a_regression(tmp_path, name, content, values):
    prepared, _ = prepare(tmp_path, **{f"{s}__{name}": content for s in ("train", "dev")})
    assert (prepared.kind, prepared.labels, prepared.metric) == ("regression", [], "pearson")
    assert prepared.head() == {"num_labels": 1, "problem_type": "regression"}
    assert column(tmp_path, "train", "score") == values
    assert column(tmp_path, "dev", "score") == values


def test_the_kind_may_be_given(tmp_path):
    whole, fractions = tsv(["1", "2", "3"]), tsv(["1.5", "2.5"])
    prepared, _ = prepare(tmp_path, {"kind": "regression"}, train__tsv=whole, dev__tsv=whole)
    assert column(tmp_path, "train", "score") == [1, 2, 3]
    section = {"kind": "classification"}
    prepared, _ = prepare(tmp_path, section, train__tsv=fractions, dev__tsv=fractions)
    assert prepared.labels == ["1.5", "2.5"]


@pytest.mark.parametrize("value", ["bad", "inf", "-inf", "1e999", "1_0", "1,5"])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_scores_must_be_finite_numbers(tmp_path, split, value):
    files = {"train__tsv": tsv([1, 2], "score"), "dev__tsv": tsv([1, 2], "score")}
    files[f"{split}__tsv"] = tsv([1, value], "score")
    refused(tmp_path, rf"{split}\.tsv, line 3: score '.*' is not a finite number", **files)


@pytest.mark.parametrize("value", ["Infinity", "[1]", '{"a": 1}', "1" + "0" * 400])
def test_scores_of_json_must_be_finite_numbers(tmp_path, value):
    content = '{"text": "a", "score": 1}\n{"text": "b", "score": %s}' % value  # noqa: UP031
    refused(
        tmp_path, r"train\.jsonl, line 2: score .* is not a finite number", train__jsonl=content
    )


def test_words_are_not_scores(tmp_path):
    section = {"kind": "regression"}
    message = r"train\.tsv, line 2: label 'pos' is not a finite number; correct it"
    refused(tmp_path, message, section, train__tsv=TRAIN, dev__tsv=TRAIN)


def test_labels_must_be_names(tmp_path):
    content = '{"text": "a", "label": "b"}\n{"text": "b", "label": {"a": 1}}'
    message = r"train\.jsonl, line 2: label must be a name or a number"
    refused(tmp_path, message, train__jsonl=content)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('["a", null]', "labels is empty"),
        ('["a", ""]', "labels is empty"),
        ('["a", ["b"]]', "labels must be a name or a number"),
        ('["a", "\\ud800"]', "labels: .*ud800"),
        ('{"a": 1}', "labels must be"),
    ],
)
def test_lists_of_labels_must_hold_names(tmp_path, value, message):
    content = '{"text": "a", "labels": ["b"]}\n{"text": "b", "labels": %s}' % value  # noqa: UP031
    refused(tmp_path, rf"train\.jsonl, line 2: {message}", train__jsonl=content)


def test_columns_of_labels_must_hold_0_or_1(tmp_path):
    section = {"columns": {"text": "text", "labels": ["a", "b", "c"]}}
    broken = COLUMNS.replace("false", "2")
    refused(tmp_path, r"train\.csv, line 4: b '2' must be 0 or 1", section, train__csv=broken)


@pytest.mark.parametrize(
    ("section", "dev", "message"),
    [
        (
            {},
            ["pos", "maybe"],
            r"line 3: label 'maybe' is not in train; .* neg, pos\. Correct",
        ),
        (
            {"labels": ["pos", "neg"]},
            ["maybe"],
            r"line 2: label 'maybe' is not listed under the task's data in params.*; .* pos, neg",
        ),
        ({}, ["POS"], r"line 2: label 'POS' is not in train"),
        ({}, ["x" * 3000], r"line 2: label 'x{40,100}[^x]* is not in train"),
    ],
)
def test_unknown_labels_are_refused(tmp_path, section, dev, message):
    refused(tmp_path, rf"dev\.tsv, {message}", section, train__tsv=TRAIN, dev__tsv=tsv(dev))


def test_a_label_that_only_looks_like_one_of_train_is_shown_escaped(tmp_path):
    message = r"label 'pos\\u200b' is not in train, which differs from 'pos'"
    refused(tmp_path, message, train__tsv=TRAIN, dev__tsv=tsv(["pos\u200b"]))


def test_several_labels_may_get_one_name(tmp_path):
    names = {"Pos": "pos", "pos": "pos", "neg": "neg"}
    prepared, notices = prepare(
        tmp_path, {"labels": names}, train__tsv=tsv(["Pos", "pos", "neg"]), dev__tsv=TRAIN
    )
    assert prepared.labels == ["pos", "neg"]
    assert column(tmp_path, "train", "label") == [0, 0, 1]
    assert "alike_labels" not in notices["train"]["notices"]


def test_a_label_of_train_that_is_not_listed_is_refused(tmp_path):
    message = r"train\.tsv, line 3: label 'neg' is not listed"
    refused(tmp_path, message, {"labels": ["pos", "other"]}, train__tsv=TRAIN, dev__tsv=TRAIN)


def test_an_unknown_label_among_several_is_refused(tmp_path):
    files = {"train__tsv": tsv(["a,b", "b"], "labels"), "dev__tsv": tsv(["a,z"], "labels")}
    refused(tmp_path, r"dev\.tsv, line 2: label 'z' is not in train", **files)


def test_a_message_shows_a_few_of_many_labels(tmp_path):
    files = {"train__tsv": tsv([f"label{i:04}" for i in range(999)]), "dev__tsv": tsv(["x"])}
    assert len(refused(tmp_path, r"label0000, .*\.\.\.", **files)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tsv(["a", "a"]), r"train\.tsv has a single class, 'a'"),
        (tsv(["a", "a"], "labels"), r"train\.tsv has a single class, 'a'"),
        (tsv(["", ""], "labels"), r"train\.tsv has a single class, none at all"),
    ],
)
def test_a_single_class_is_refused(tmp_path, content, message):
    refused(tmp_path, message, train__tsv=content, dev__tsv=content)


def test_one_label_in_dev_is_enough(tmp_path):
    prepare(tmp_path, train__tsv=TRAIN, dev__tsv="text\tlabel\na\tpos\n")
    assert load_task(tmp_path / "out").labels == ["neg", "pos"]


@pytest.mark.parametrize("section", [{}, {"kind": "multi_label"}])
def test_lists_that_pandas_wrote_as_text_are_lists(tmp_path, section):
    rows = [["a"], ["b"], ["a", "b"], []]
    table = pd.DataFrame({"text": [f"text {i}" for i in range(4)], "label": rows})
    content = table.to_csv(index=False)
    assert "\"['a', 'b']\"" in content
    prepared, _ = prepare(tmp_path, section, train__csv=content, dev__csv=content)
    assert (prepared.kind, prepared.labels) == ("multi_label", ["a", "b"])
    assert column(tmp_path, "train", "labels") == [[1, 0], [0, 1], [1, 1], [0, 0]]


def test_a_vector_of_zeros_and_ones_is_no_list_of_names(tmp_path):
    rows = "".join(f'{{"text": "{i}", "labels": [0, 1, {i % 2}]}}\n' for i in range(4))
    refused(tmp_path, r"line 1: labels 0, 1, 0 seems to have 0 or 1", train__jsonl=rows)
