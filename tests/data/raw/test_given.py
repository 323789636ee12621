"""Probabilities and logits that a task's files give."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from raw_tasks import column, labels, prepare, refused

from tinybert.models.encode import TEACHER_LOGITS
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks.task import load_task

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


def answers(count: int) -> str:
    rows = [("good" if i % 2 else "bad", i) for i in range(count)]
    return "\n".join(
        json.dumps({"text": f"a {w} film {i}", "probabilities": {"pos": i % 2, "neg": 1 - i % 2}})
        for w, i in rows
    )


def test_labels_that_are_the_most_probable_ones_are_said_to_be_such(tmp_path):
    task, statistics = prepare(tmp_path, train__jsonl=answers(40))
    assert task.probable == load_task(tmp_path / "out").probable == ["train", "dev"]
    line = statistics["train"]["notices"]["most_probable"]
    assert "train.jsonl has no labels" in line and "agreement with these answers" in line
    (tmp_path / "gold").mkdir()
    task, statistics = prepare(tmp_path / "gold", train__jsonl=answers(40), dev__tsv=DEV)
    assert task.probable == ["train"]
    assert "agreement" not in statistics["train"]["notices"]["most_probable"]
    (tmp_path / "both").mkdir()
    files = {"train__tsv": TRAIN, "dev__tsv": DEV, "unlabeled__jsonl": answers(4)}
    task, statistics = prepare(tmp_path / "both", **files)
    assert task.probable == [] and "most_probable" not in statistics["train"]["notices"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0.5, 0.6], r"unlabeled.jsonl, line 2: probabilities sum to 1\.1, not 1"),
        ([0.5, 0.53], r"line 2: probabilities sum to 1\.03, not 1 within 0\.02"),
        ([33, 66], r"line 2: probabilities sum to 99, as of percent; write them divided by 100"),
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


def test_the_name_logits_is_no_way_out_for_sums(tmp_path):
    row = json.dumps({"text": "a", "probabilities": {"pos": 0.5, "neg": 0.6}})
    text = refused(tmp_path, "sum to 1.1", train__tsv=TRAIN, dev__tsv=DEV, unlabeled__jsonl=row)
    assert "logits" not in text


THREE = "text\tlabel\na\tgood\nb\tbad\nc\tdull\n"


def test_sums_of_rounded_probabilities_become_1_and_are_counted(tmp_path):
    rows = [{"good": 0.33, "bad": 0.33, "dull": 0.33}, {"good": 0.34, "bad": 0.34, "dull": 0.34}]
    rows += [{"good": 0.5, "bad": 0.3, "dull": 0.2}, {"good": 0.333, "bad": 0.333, "dull": 0.3335}]
    lines = [json.dumps({"text": f"row {i}", "probabilities": p}) for i, p in enumerate(rows)]
    files = {"unlabeled__jsonl": "\n".join(lines), "train__tsv": THREE, "dev__tsv": THREE}
    _, statistics = prepare(tmp_path, **files)
    written = np.exp(column(tmp_path, "unlabeled", TEACHER_LOGITS))
    assert written[:2] == pytest.approx(np.full((2, 3), 1 / 3))
    assert written.sum(axis=1) == pytest.approx(1)
    line = statistics["unlabeled"]["notices"]["rounded_probabilities"]
    assert line.startswith("2 rows have") and "furthest from 1 is 1.02" in line and "line 2" in line
    assert statistics["unlabeled"]["with_probabilities"] == 4


def test_exact_sums_are_not_worth_a_line(tmp_path):
    _, statistics = prepare(tmp_path, train__tsv=TRAIN, dev__tsv=DEV, **FILES["objects"])
    assert "rounded_probabilities" not in statistics["unlabeled"]["notices"]


@pytest.mark.parametrize("role", ["probabilities", "logits"])
def test_unlabelled_texts_with_answers_are_to_be_named_train(tmp_path, role):
    line = json.dumps({"text": "a", role: {"pos": 0.5, "neg": 0.5}})
    message = f"no train file .*unlabeled.jsonl has {role}: name it train.jsonl"
    refused(tmp_path, message, unlabeled__jsonl=line, dev__tsv=DEV)
    (tmp_path / "columns").mkdir()
    section = {"columns": {"text": "body", role: ["pos", "neg"]}}
    message = f"no train file .*unlabeled.csv has {role}: name it train.csv"
    refused(tmp_path / "columns", message, section, unlabeled__csv="body,pos,neg\na,0.5,0.5\n")


POSITIONS = {"columns": {"text": 1, "probabilities": [2, 3]}}


def test_positions_do_not_name_labels():
    with pytest.raises(ValidationError, match=r"header with the labels' names .* labels: {2: NAME"):
        TaskData(**POSITIONS)
    with pytest.raises(ValidationError, match="labels lists positions"):
        TaskData(columns={"text": 1, "labels": [2, 3]}, labels={2: "fun"})


def test_labels_may_name_the_positions(tmp_path):
    section = {**POSITIONS, "header": False, "labels": {2: "pos", 3: "neg"}}
    rows = "a good film,0.9,0.1\na bad film,0.2,0.8\n" + "".join(f"t {i},0.6,0.4\n" for i in "ab")
    task, _ = prepare(tmp_path, section, train__csv=rows)
    assert sorted(task.labels) == ["neg", "pos"]
    written = np.exp(column(tmp_path, "train", TEACHER_LOGITS))[:, task.labels.index("pos")]
    assert pytest.approx(written[-1]) == 0.6


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
