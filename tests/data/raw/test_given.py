"""Probabilities and logits that a task's files give."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from raw_tasks import column, labels, prepare, refused

from tinybert.models.encode import TEACHER_LOGITS

DEV = "text\tlabel\ngood\tpos\nbad\tneg\n"
TRAIN = "text\tlabel\na good film\tpos\na bad film\tneg\n"
ROWS = [("one film", [0.25, 0.75]), ("two films", [0.0, 1.0]), ("three films", None)]
LOGITS = [np.log([0.25, 0.75]), np.log([1e-4, 1.0]), None]  # of neg, pos


def as_jsonl(named: bool) -> str:
    def value(numbers):
        return (
            dict(zip(("pos", "neg"), numbers[::-1], strict=True)) if named and numbers else numbers
        )

    lines = (json.dumps({"text": t, "probabilities": value(p)}) for t, p in ROWS)
    return "\n".join(lines)


def as_csv() -> str:
    file = io.StringIO()
    rows = [(text, "" if p is None else json.dumps(p)) for text, p in ROWS]
    csv.writer(file).writerows([("text", "probabilities"), *rows])
    return file.getvalue()


FILES = {
    "lists": {"unlabeled__jsonl": as_jsonl(named=False)},
    "objects": {"unlabeled__jsonl": as_jsonl(named=True)},
    "csv": {"unlabeled__csv": as_csv()},
    "parquet": {
        "unlabeled__parquet": pa.table(
            {"text": [t for t, _ in ROWS], "probabilities": [p for _, p in ROWS]}
        )
    },
}


@pytest.mark.parametrize("form", FILES)
def test_probabilities_become_logits_in_the_order_of_the_labels(tmp_path, form):
    task, statistics = prepare(tmp_path, train__tsv=TRAIN, dev__tsv=DEV, **FILES[form])
    assert task.labels == ["neg", "pos"]
    written = column(tmp_path, "unlabeled", TEACHER_LOGITS)
    for given, expected in zip(written, LOGITS, strict=True):
        assert (given is None) == (expected is None)
        assert given is None or given == pytest.approx(expected, abs=1e-5)
    assert column(tmp_path, "train", TEACHER_LOGITS) == [None, None]
    assert statistics["unlabeled"]["with_probabilities"] == 2


def test_columns_name_a_column_for_each_label(tmp_path):
    text = "body,y,pos,neg\na good film,pos,0.9,0.1\na bad film,neg,,\n"
    section = {"columns": {"text": "body", "label": "y", "probabilities": ["pos", "neg"]}}
    dev = "body,y\ngood,pos\nbad,neg\n"
    prepare(tmp_path, section, train__csv=text, dev__csv=dev)
    [first, second] = column(tmp_path, "train", TEACHER_LOGITS)
    assert first == pytest.approx(np.log([0.1, 0.9]), abs=1e-5) and second is None


def test_logits_are_taken_as_they_are(tmp_path):
    rows = (
        '{"text": "one", "logits": [-3, 12.5]}\n{"text": "two", "logits": {"pos": 1, "neg": 0}}\n'
    )
    prepare(tmp_path, train__tsv=TRAIN, dev__tsv=DEV, unlabeled__jsonl=rows)
    assert column(tmp_path, "unlabeled", TEACHER_LOGITS) == [[-3, 12.5], [0, 1]]


def test_with_several_labels_each_probability_is_on_its_own(tmp_path):
    rows = [{"text": t, "labels": ["a"] if i else ["b", "a"]} for i, t in enumerate("xyz")]
    lines = "\n".join(map(json.dumps, rows))
    text = '{"text": "more", "probabilities": {"a": 0.9, "b": 0}}\n'
    prepare(tmp_path, train__jsonl=lines, dev__jsonl=lines, unlabeled__jsonl=text)
    [written] = column(tmp_path, "unlabeled", TEACHER_LOGITS)
    assert 1 / (1 + np.exp(-np.array(written))) == pytest.approx([0.9, 1e-4], abs=1e-6)


def test_a_train_without_labels_has_the_most_probable_ones(tmp_path):
    rows = [("a", 0.9), ("b", 0.2), ("c", None), ("d", 0.4)]
    lines = "\n".join(
        json.dumps({"text": t, "probabilities": p and {"pos": p, "neg": 1 - p}}) for t, p in rows
    )
    prepare(tmp_path, train__jsonl=lines, dev__tsv=DEV)
    assert labels(tmp_path, "train") == ["pos", "neg", "neg"]
    assert column(tmp_path, "unlabeled", "text_a") == ["c"]
    assert column(tmp_path, "unlabeled", TEACHER_LOGITS) == [None]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0.5, 0.6], r"unlabeled.jsonl, line 2: probabilities sum to 1\.1, not 1"),
        ([-0.1, 1.1], r"line 2: probabilities: -0\.1 is not within 0 and 1"),
        ([0.2, 0.3, 0.5], r"line 2: probabilities has 3 numbers, and there are 2 labels, neg, pos"),
        (
            {"neg": 0.5, "happy": 0.5},
            r"line 2: probabilities must have .* happy and pos is missing",
        ),
        ({"neg": 0.5, "pos": "much"}, r"line 2: probabilities of 'pos' is not a finite number"),
        (0.5, r"line 2: probabilities must be a list of numbers or an object"),
        ("often", r"line 2: probabilities 'often' must be a list .* in JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path, value, message):
    lines = [{"text": "fine", "probabilities": [0.5, 0.5]}, {"text": "no", "probabilities": value}]
    files = {"train__tsv": TRAIN, "dev__tsv": DEV}
    refused(tmp_path, message, unlabeled__jsonl="\n".join(map(json.dumps, lines)), **files)


def test_lists_need_an_order_and_columns_need_a_file(tmp_path):
    lines = '{"text": "a", "probabilities": [0.5, 0.5]}\n'
    refused(tmp_path, r"nothing says what its numbers mean", train__jsonl=lines, dev__tsv=DEV)
    (tmp_path / "other").mkdir()
    section = {"columns": {"text": "text", "label": "label", "probabilities": "p"}}
    message = "neither train nor unlabeled has the columns"
    refused(tmp_path / "other", message, section, train__tsv=TRAIN, dev__tsv=DEV)


MERGED = {"labels": {"joy": "positive", "love": "positive", "anger": "negative"}}


def test_probabilities_of_labels_that_become_one_are_added(tmp_path):
    rows = [{"joy": 0.3, "love": 0.3, "anger": 0.4}, {"joy": 0.1, "love": 0.1, "anger": 0.8}]
    lines = [json.dumps({"text": f"row {i}", "probabilities": p}) for i, p in enumerate(rows)]
    dev = "text\tlabel\ngood\tjoy\nbad\tanger\n"
    task, _ = prepare(tmp_path, MERGED, train__jsonl="\n".join(lines), dev__tsv=dev)
    assert [task.labels[i] for i in column(tmp_path, "train", "label")] == ["positive", "negative"]
    written = np.array(column(tmp_path, "train", TEACHER_LOGITS))[:, task.labels.index("positive")]
    assert written == pytest.approx(np.log([0.6, 0.2]), abs=1e-5)


def test_logits_of_labels_that_become_one_are_refused(tmp_path):
    row = json.dumps({"text": "a", "logits": {"joy": 4, "love": -3, "anger": 0}})
    refused(tmp_path, "gives several of them the name positive", MERGED, train__jsonl=row,
            dev__tsv="text\tlabel\ngood\tjoy\nbad\tanger\n")  # fmt: skip


def test_an_object_without_numbers_is_refused(tmp_path):
    row = json.dumps({"text": "a", "probabilities": {}})
    refused(tmp_path, r"train\.jsonl, line 1.* must be a list", train__jsonl=row, dev__tsv=DEV)


def test_lists_are_in_the_order_of_labels_alone(tmp_path):
    """Not of the teacher's outputs, which train's own order need not be."""
    row = json.dumps({"text": "a", "probabilities": [0.9, 0.1]})
    section = {"teacher": "data/models/m", "teacher_labels": ["pos", "neg"]}
    refused(tmp_path, "nothing says what its numbers mean", section, train__jsonl=row, dev__tsv=DEV)
