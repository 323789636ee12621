"""Orders of a teacher's outputs: wrong ones are found and named, right ones are left alone."""

import numpy as np
import pytest

from tinybert.tasks.order import better_order, reordered, warn_order
from tinybert.tasks.task import Task

NAMES = ["matplotlib", "networkx", "pandas", "sympy", "torch", "transformers"]
TASK = Task("classification", NAMES, False, ["accuracy"], ["train", "dev"])


def rows(count: int, accuracy: float, labels: int = 6, seed: int = 0, weights=None):
    """Targets, and predictions that are right for this share of the rows."""
    random = np.random.default_rng(seed)
    target = random.choice(labels, count, p=weights)
    wrong = random.choice(labels, count, p=weights)
    return target, np.where(random.random(count) < accuracy, target, wrong)


@pytest.mark.parametrize("order", [[0, 1, 2, 4, 3, 5], [1, 2, 0, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
@pytest.mark.parametrize(("count", "accuracy"), [(600, 0.7), (600, 0.3), (90, 0.9)])
def test_a_wrong_order_is_named(capsys, order, count, accuracy):
    target, predicted = rows(count, accuracy)
    named = np.argsort(order)[predicted]  # output i, which means order[i], has the name i
    assert better_order(target, named, 6) == order
    warn_order("mine", target, named, TASK)
    err = capsys.readouterr().err
    assert "WARNING: the outputs of the teacher of mine" in err and "teacher_labels" in err
    pairs = [f"{NAMES[i]!r} -> {NAMES[label]!r}" for i, label in enumerate(order) if i != label]
    assert all(pair in err for pair in pairs) and err.count("->") == len(pairs)
    assert f"{(target == named).mean():.3f}" in err and f"{(target == predicted).mean():.3f}" in err


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "labels"), [(15, 2), (15, 6), (600, 6), (600, 50), (900, 300)])
@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.5, 1.0])
def test_a_right_order_is_left_alone_however_weak_the_teacher(count, labels, accuracy, seed):
    assert better_order(*rows(count, accuracy, labels, seed), labels) is None


@pytest.mark.parametrize("prediction", [0, 1])
def test_a_teacher_that_always_says_the_same_has_no_better_order(prediction):
    target, _ = rows(600, 1.0, 3, weights=[0.8, 0.1, 0.1])
    assert better_order(target, np.full(600, prediction), 3) is None


def test_a_pair_of_labels_that_is_often_confused_is_no_wrong_order():
    """Of the rows of class 1, two thirds are taken for class 0; those of class 0 are right."""
    target, predicted = rows(600, 0.9, 4)
    confused = (target == 1) & (np.arange(600) % 3 > 0)
    assert better_order(target, np.where(confused, 0, predicted), 4) is None


def test_outputs_of_several_labels_are_named_too(capsys):
    random = np.random.default_rng(0)
    target = (random.random((300, 3)) < [0.7, 0.3, 0.2]).astype(int)
    flipped = random.random((300, 3)) < 0.1
    predicted = np.where(flipped, 1 - target, target)
    task = Task("multi_label", ["fun", "long", "sad"], False, ["f1_micro"], ["train", "dev"])
    assert better_order(target, predicted, 3) is None
    assert better_order(target, predicted[:, [0, 2, 1]], 3) == [0, 2, 1]
    warn_order("mine", target, predicted[:, [0, 2, 1]], task)
    err = capsys.readouterr().err
    assert "'long' -> 'sad'" in err and "'sad' -> 'long'" in err and "'fun'" not in err


def test_outputs_for_words_are_named_too(capsys):
    target, predicted = rows(600, 0.9, 3)
    task = Task("tokens", ["O", "B-a", "I-a"], False, ["entity_f1"], ["train", "dev"])
    warn_order("mine", target, np.array([0, 2, 1])[predicted], task)
    err = capsys.readouterr().err
    assert "'B-a' -> 'I-a'" in err and f"and {(target == predicted).mean():.3f}" in err


def test_reordered_predictions_have_the_labels_of_the_order():
    assert reordered(np.array([0, 1, 2, 1]), [2, 0, 1]).tolist() == [2, 0, 1, 0]
    assert reordered(np.array([[1, 0, 0]]), [2, 0, 1]).tolist() == [[0, 0, 1]]


def test_all_two_labels_exchanged_is_seen_on_fifteen_rows():
    target, _ = rows(15, 1.0, 2)
    assert better_order(target, 1 - target, 2) == [1, 0]
