"""Metrics against counts made by hand."""

import numpy as np
import pytest
import torch
from tiny import tiny_config
from transformers import BertForSequenceClassification

from tinybert.models.encode import encode
from tinybert.tasks.scores import is_near_chance, prediction, scorer, scores
from tinybert.tasks.task import Task

TEXTS = ["good", "a very bad film", "the plot of this movie is dull and boring", "great story"]


def logits_for(predicted: np.ndarray, classes: int) -> np.ndarray:
    """Logits that predict these classes; none of them is 0 or 1."""
    return 3 * np.eye(classes)[predicted] - 0.5


def test_accuracy_and_macro_f1_by_hand():
    target = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 2, 2])
    values = scores(logits_for(predicted, 3), target, ["accuracy", "f1_macro"])
    assert values["accuracy"] == pytest.approx(4 / 6)
    f1 = [2 * 2 / (2 * 2 + 1), 2 * 1 / (2 * 1 + 2), 2 * 1 / (2 * 1 + 1)]
    assert values["f1_macro"] == pytest.approx(np.mean(f1))


def test_the_requested_metrics_are_returned_in_their_order():
    target = np.array([0, 1, 1])
    for names in (["f1_macro", "accuracy"], ["matthews"], ["f1", "matthews", "accuracy"]):
        values = scores(logits_for(target, 2), target, names)
        assert list(values.items()) == [(name, 1.0) for name in names]
        assert all(type(value) is float for value in values.values())


def test_f1_and_matthews_by_hand():
    """3 true positives, 1 false positive, 2 false negatives, 4 true negatives."""
    target = np.array([1] * 3 + [0] * 1 + [1] * 2 + [0] * 4)
    predicted = np.array([1] * 3 + [1] * 1 + [0] * 2 + [0] * 4)
    values = scores(logits_for(predicted, 2), target, ["f1", "f1_micro", "matthews"])
    assert values["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))  # of class 1, not of class 0
    assert values["f1_micro"] == pytest.approx(7 / 10)  # of single labels: accuracy
    matthews = (3 * 4 - 1 * 2) / np.sqrt((3 + 1) * (3 + 2) * (4 + 1) * (4 + 2))
    assert values["matthews"] == pytest.approx(matthews)


def test_scores_are_defined_if_one_class_is_always_predicted():
    target = np.array([0, 1, 1, 0])
    values = scores(logits_for(np.zeros(4, int), 2), target, ["f1", "f1_macro", "matthews"])
    assert values == pytest.approx(
        {"f1": 0, "f1_macro": (2 * 2 / (2 * 2 + 2) + 0) / 2, "matthews": 0}
    )


def test_multi_label_metrics_by_hand():
    """A label applies where its logit is above 0."""
    logits = np.array([[2.0, -1, -0.1], [0.3, 0.2, -3], [-1, -1, -1], [0.1, -2, 5]])
    target = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=np.float32)
    assert prediction(logits, target).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1]]
    values = scores(logits, target, ["f1_micro", "f1_macro", "accuracy"])
    # true positives, false positives, false negatives of each label
    counts = np.array([[3, 0, 0], [0, 1, 0], [0, 1, 1]])
    true, false, missed = counts.sum(axis=0)
    assert values["f1_micro"] == pytest.approx(2 * true / (2 * true + false + missed))
    of_each = 2 * counts[:, 0] / (2 * counts[:, 0] + counts[:, 1] + counts[:, 2])
    assert values["f1_macro"] == pytest.approx(of_each.mean())
    assert values["accuracy"] == pytest.approx(2 / 4)  # rows all of whose labels are right


def test_multi_label_scores_are_defined_if_no_label_applies():
    names = ["f1_micro", "f1_macro", "accuracy"]
    values = scores(np.full((3, 2), -1.0), np.zeros((3, 2), np.float32), names)
    assert values == {"f1_micro": 0.0, "f1_macro": 0.0, "accuracy": 1.0}


def test_correlations_by_hand():
    target, predicted = np.array([1.0, 2, 3, 5]), np.array([1.0, 3, 2, 9])
    values = scores(predicted[:, None], target, ["pearson", "spearman"])
    a, b = target - target.mean(), predicted - predicted.mean()
    assert values["pearson"] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))
    assert values["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_constant_predictions_correlate_with_nothing():
    names = ["pearson", "spearman"]
    assert scores(np.ones((3, 1)), np.arange(3.0), names) == {"pearson": 0.0, "spearman": 0.0}
    assert scores(np.arange(3.0)[:, None], np.ones(3), names) == {"pearson": 0.0, "spearman": 0.0}


RANDOM = np.random.default_rng(0)
CLASSES = RANDOM.integers(0, 3, 600)
SEVERAL = (RANDOM.random((600, 4)) < 0.2).astype(np.float32)
SCORES = RANDOM.normal(size=600)
CASES = {
    "classification": (CLASSES, logits_for(CLASSES, 3)),
    "multi-label": (SEVERAL, SEVERAL - 0.5),
    "regression": (SCORES, 2 * SCORES[:, None] + 1),
}


@pytest.mark.parametrize("kind", CASES)
def test_only_predictions_unrelated_to_the_truth_are_near_chance(kind):
    target, perfect = CASES[kind]
    assert not is_near_chance(perfect, target)
    shuffled = np.random.default_rng(1).permutation(600)
    assert is_near_chance(perfect[shuffled], target)
    assert is_near_chance(np.zeros_like(perfect), target)  # the same for each row
    assert is_near_chance(-perfect, target)  # worse than chance
    half = np.where(np.arange(600) < 300, shuffled, np.arange(600))
    assert not is_near_chance(perfect[half], target)


@pytest.mark.parametrize(
    ("logits", "target"),
    [
        (np.zeros((5, 2)), np.ones(5, int)),
        (np.eye(2)[[0, 1, 1, 0, 1]], np.ones(5, int)),
        (np.eye(4, 2), np.zeros((4, 2), np.float32)),
        (np.arange(5.0)[:, None], np.full(5, 2.5, np.float32)),
    ],
)
def test_nothing_is_near_chance_where_all_rows_have_the_same_truth(logits, target):
    assert not is_near_chance(logits, target)


def test_always_the_most_frequent_class_is_near_chance_despite_a_high_accuracy():
    target = np.array([0] * 95 + [1] * 5)
    logits = logits_for(np.zeros(100, int), 2)
    assert scores(logits, target, ["accuracy"])["accuracy"] == 0.95
    assert is_near_chance(logits, target)


def test_the_scorer_follows_the_model(tokenizer):
    model = BertForSequenceClassification(tiny_config(num_labels=2))
    rows = encode(TEXTS, None, tokenizer, 32, label=np.array([1, 0, 0, 0]))
    task = Task("classification", ["bad", "good"], False, ["accuracy", "f1"], ["train", "dev"])
    score = scorer(model, rows, task, "fp32")
    with torch.no_grad():
        model.classifier.weight.zero_()
        for bias, expected in (([9.0, 0.0], 0.75), ([0.0, 9.0], 0.25)):
            model.classifier.bias.copy_(torch.tensor(bias))
            assert score() == expected
        rows.columns["label"][:] = 1
        assert score() == 1.0


@pytest.mark.parametrize(
    ("kind", "labels", "metrics", "columns", "expected"),
    [
        # The model returns 1, 0.5 and -2 for every row.
        ("classification", ["a", "b", "c"], ["f1_macro"], {"label": [0, 0, 1, 0]}, 6 / 7 / 2),
        (
            "multi_label",
            ["a", "b", "c"],
            ["f1_micro", "accuracy"],
            {"labels": [[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]},
            2 * 5 / (2 * 5 + 3 + 1),
        ),
        ("regression", [], ["pearson"], {"score": [1, 2, 3, 4]}, 0),
    ],
)
def test_the_scorer_returns_the_tasks_first_metric(
    tokenizer, kind, labels, metrics, columns, expected
):
    outputs = len(labels) or 1
    model = BertForSequenceClassification(tiny_config(num_labels=outputs))
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, 0.5, -2.0])[:outputs])
    types = {"label": np.int64, "labels": np.float32, "score": np.float32}
    arrays = {name: np.array(values, types[name]) for name, values in columns.items()}
    rows = encode(TEXTS, None, tokenizer, 32, **arrays)
    task = Task(kind, labels, False, metrics, ["train", "dev"])
    assert scorer(model, rows, task, "fp32")() == pytest.approx(expected)


def test_agreement_is_the_share_of_equal_answers_or_a_correlation():
    logits = np.array([[2.0, 1.0], [0.5, 1.0], [3.0, -1.0], [0.0, 1.0]])
    assert scores(logits, np.array([0, 1, 1, 1]), ["agreement"]) == {"agreement": 0.75}
    decisions = np.array([[1, 1], [1, 0], [1, 0], [0, 1]], np.float32)
    assert scores(logits, decisions, ["agreement"]) == {"agreement": 7 / 8}
    given = np.array([1.0, 2.0, 4.0, 0.5])
    expected = np.corrcoef(given, logits[:, 0])[0, 1]
    result = scores(logits[:, :1], given, ["agreement"])
    assert result == {"agreement": pytest.approx(expected)}
