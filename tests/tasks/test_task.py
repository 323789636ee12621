"""What task.json holds, and what a task means for transformers."""

import json

import pytest
from tiny import tiny_config
from transformers import AutoModelForSequenceClassification

from tinybert.tasks.task import Task, load_task


def task_of(kind: str, labels: list[str], splits: tuple[str, ...] = ("train", "dev")) -> Task:
    return Task(kind, labels, False, ["f1_micro", "accuracy"], list(splits))


def test_a_task_is_saved_as_plain_json_and_loaded_again(tmp_path):
    task = Task("multi_label", ["très bien", "<b>"], True, ["f1_micro"], ["train", "dev", "test"])
    task.save(tmp_path / "mine")
    assert json.loads((tmp_path / "mine/task.json").read_text(encoding="utf-8")) == {
        "kind": "multi_label",
        "labels": ["très bien", "<b>"],
        "pair": True,
        "metrics": ["f1_micro"],
        "splits": ["train", "dev", "test"],
        "answered": [],
        "probable": [],
    }
    assert load_task(tmp_path / "mine") == task


def test_the_first_metric_chooses_the_best_epoch():
    assert task_of("multi_label", ["a", "b"]).metric == "f1_micro"


@pytest.mark.parametrize(
    ("splits", "expected"),
    [(("train", "dev", "test"), "test"), (("train", "dev", "unlabeled"), "dev")],
)
def test_reported_scores_come_from_dev_only_where_test_is_missing(splits, expected):
    assert task_of("classification", ["a", "b"], splits).test_split == expected


@pytest.mark.parametrize(
    ("kind", "labels", "target", "outputs", "loss"),
    [
        ("classification", ["a", "b", "c"], "label", 3, "single_label_classification"),
        ("multi_label", ["a", "b"], "labels", 2, "multi_label_classification"),
        ("regression", [], "score", 1, "regression"),
    ],
)
def test_the_head_gives_transformers_a_model_of_the_tasks_kind(kind, labels, target, outputs, loss):
    task = task_of(kind, labels)
    assert task.target == target
    model = AutoModelForSequenceClassification.from_config(tiny_config(**task.head()))
    assert model.classifier.out_features == outputs
    assert model.config.problem_type == loss
    if labels:
        assert model.config.id2label == dict(enumerate(labels))
        assert [model.config.label2id[name] for name in labels] == list(range(outputs))
