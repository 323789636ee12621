"""Metrics against counts made by hand."""

import numpy as np
import pytest

from tinybert.scores import scores


def test_accuracy_and_macro_f1_by_hand():
    target = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 2, 2])
    found = scores(np.eye(3)[predicted], target)
    assert found["accuracy"] == pytest.approx(4 / 6)
    f1 = [2 * 2 / (2 * 2 + 1), 2 * 1 / (2 * 1 + 2), 2 * 1 / (2 * 1 + 1)]
    assert found["f1_macro"] == pytest.approx(np.mean(f1))


def test_correlations_by_hand():
    target, predicted = np.array([1.0, 2, 3, 5]), np.array([1.0, 3, 2, 9])
    found = scores(predicted[:, None], target)
    a, b = target - target.mean(), predicted - predicted.mean()
    assert found["pearson"] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_constant_predictions_correlate_with_nothing():
    assert scores(np.ones((3, 1)), np.arange(3.0)) == {"pearson": 0.0, "spearman": 0.0}
