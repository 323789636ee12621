"""What is counted of predictions, against counts by hand and scikit-learn."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score
from tiny import HOSTILE

from tinybert.evaluation.report import predictions
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import Task


def task_of(kind: str, labels: list[str], pair: bool = False) -> Task:
    return Task(kind, labels, pair, ["accuracy"], ["train", "dev"])


@pytest.fixture
def random() -> pd.DataFrame:
    values = np.random.default_rng(0).integers(0, 30, (3, 2000))
    names = np.char.add("label ", values.astype(str))
    return pd.DataFrame(dict(zip(("actual", "teacher", "student"), names, strict=True)))


LABELS = [f"label {i}" for i in range(30)]


def test_scores_of_classes_are_those_of_scikit_learn_the_worst_first(random):
    shown = predictions.per_class(random, task_of("classification", LABELS))
    expected = f1_score(random["actual"], random["student"], labels=LABELS, average=None)
    recall = recall_score(random["actual"], random["student"], labels=LABELS, average=None)
    assert len(shown) == 20
    assert [row["f1"] for row in shown] == sorted(expected)[:20]
    for row in shown:
        assert row["recall"] == recall[LABELS.index(row["label"])]
        assert row["rows"] == (random["actual"] == row["label"]).sum()


def test_each_of_several_labels_has_its_scores():
    table = pd.DataFrame({
        "actual": ["a, bc", "a", "", "bc"], "student": ["a", "a", "b", "bc"],
        "teacher": ["a, bc", "a", "", ""],
    })  # fmt: skip
    task = task_of("multi_label", ["a", "b", "bc"])
    shown = {row["label"]: row for row in predictions.per_class(table, task)}
    assert (shown["a"]["f1"], shown["a"]["rows"]) == (1, 2)
    assert (shown["b"]["precision"], shown["b"]["rows"]) == (0, 0)
    assert (shown["bc"]["precision"], shown["bc"]["recall"]) == (1, 0.5)
    assert shown["bc"]["teacher_f1"] == pytest.approx(2 / 3)


def test_confusion_counts_are_those_of_scikit_learn(random):
    for role in ("teacher", "student"):
        pairs = predictions.counted(random, role)
        matrix = predictions.confusion(pairs, role, LABELS, len(LABELS))
        expected = confusion_matrix(random["actual"], random[role], labels=LABELS)
        assert matrix["counts"] == expected.tolist() and matrix["max"] == expected.max()


def test_of_many_labels_those_with_the_most_errors_are_counted(random):
    pairs = predictions.counted(random, "student")
    shown = predictions.worst(pairs, LABELS)
    wrong = random[random["actual"] != random["student"]]
    errors = {x: ((wrong["actual"] == x) | (wrong["student"] == x)).sum() for x in LABELS}
    assert len(shown) == 20 and shown == sorted(shown, key=LABELS.index)
    assert min(errors[x] for x in shown) >= max(errors[x] for x in LABELS if x not in shown)
    matrix = predictions.confusion(pairs, "student", shown, len(LABELS))
    assert matrix["columns"] == [*shown, "other"]
    for label, counts in zip(shown, matrix["counts"], strict=True):
        assert sum(counts) == (random["actual"] == label).sum()


def write_texts(folder, texts: list[str], others: list[str] | None = None) -> None:
    file = folder / paths.tables("mine") / "dev.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    other = pa.array(others or [None] * len(texts), pa.string())
    pq.write_table(pa.table({"text_a": texts, "text_b": other}), file)


def test_disagreements_come_with_their_texts_the_most_confident_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path, ["one", "two", HOSTILE, "x" * 600], ["1", "2", "3", "4"])
    table = pd.DataFrame({
        "actual": ["a", "b", "a", "b"], "teacher": ["a", "b", "b", "a"],
        "student": ["b", "b", "a", "b"], "student_confidence": [0.5, 0.99, 0.75, 0.6],
        "teacher_confidence": [0.9, 0.9, 0.8, 0.7],
    })  # fmt: skip
    count, rows = predictions.disagreements(
        "mine", task_of("classification", ["a", "b"], True), table
    )
    assert count == 3
    assert [row["text"] for row in rows] == [f"{HOSTILE} | 3", "x" * 500 + " …", "one | 1"]
    assert rows[0] == {
        "text": f"{HOSTILE} | 3", "actual": "a", "teacher": ("b", 0.8), "student": ("a", 0.75),
    }  # fmt: skip


def test_scores_that_differ_most_come_first_and_only_some_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    differences = np.random.default_rng(0).permutation(400)
    write_texts(tmp_path, [str(n) for n in differences])
    table = pd.DataFrame({"actual": 1.0, "teacher": 0.5, "student": 0.5 - differences})
    count, rows = predictions.disagreements("mine", task_of("regression", []), table)
    assert count == 399 and len(rows) == predictions.TEXTS
    assert [int(row["text"]) for row in rows] == list(range(399, 399 - predictions.TEXTS, -1))
    assert rows[0]["student"] == ("-398", None)


def test_predictions_of_an_earlier_version_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "metrics/predictions/mine.csv"
    file.parent.mkdir(parents=True)
    file.write_text("actual,teacher,student\na,a,b\n")
    with pytest.raises(InputError, match=r"mine\.csv was written by an earlier version; run dvc"):
        predictions.read("mine", task_of("classification", ["a", "b"]), 1)
