"""Calibration and thresholds, against sums by hand and plain NumPy."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from tinybert.evaluation import reliability as trust


def test_a_model_that_is_as_right_as_it_is_sure_has_no_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.2, 1, 200_000)
    correct = random.random(200_000) < confidence
    bins = trust.reliability(confidence, correct)
    assert len(bins) == 8 and sum(rows for *_, rows in bins) == 200_000
    assert trust.expected_error(bins) < 0.005
    overconfident = trust.reliability(np.minimum(confidence + 0.1, 1), correct)
    assert trust.expected_error(overconfident) == pytest.approx(0.0938, abs=0.01)


def test_the_error_is_the_weighted_mean_distance():
    confidence, correct = np.array([0.95, 0.95, 0.95, 1.0, 0.45]), np.array([1, 1, 0, 1, 1], bool)
    bins = trust.reliability(confidence, correct)
    assert bins == [(0.45, 1, 1), (pytest.approx(0.9625), 0.75, 4)]
    expected = (0.55 * 1 + 0.2125 * 4) / 5
    assert trust.expected_error(bins) == pytest.approx(expected)


def test_a_threshold_answers_the_rows_at_or_above_it():
    rows = trust.thresholds(np.array([0.5, 0.6, 0.9, 0.95]), np.array([0, 0, 1, 1], bool))
    by_threshold = {row["threshold"]: (row["share"], row["accuracy"]) for row in rows}
    assert by_threshold[0.5] == (1, 0.5) and by_threshold[0.6] == (
        0.75,
        pytest.approx(2 / 3, abs=1e-4),
    )
    assert by_threshold[0.9] == (0.5, 1) and by_threshold[0.99] == (0, None)


def random_logits(columns: int, rows: int = 500) -> tuple[np.ndarray, np.random.Generator]:
    random = np.random.default_rng(0)
    return random.normal(size=(rows, columns)).astype(np.float32), random


@pytest.mark.parametrize("classes", [2, 5])
def test_errors_of_classes_are_those_of_plain_numpy(classes):
    """Also if a class has no row."""
    logits, random = random_logits(classes)
    for present in (classes, classes - 1):
        target = random.integers(0, present, len(logits))
        p, hot = softmax(logits, axis=1), np.eye(classes)[target]
        brier = ((p - hot) ** 2).sum(axis=1).mean() / (2 if classes == 2 else 1)
        total = 0.0
        for low in np.arange(10) / 10:
            inside = (p.max(1) >= low) & (p.max(1) < low + 0.1)
            if inside.any():
                hits = (p.argmax(1) == target)[inside]
                total += inside.sum() * abs(hits.mean() - p.max(1)[inside].mean())
        assert trust.errors(logits, target) == {
            "ece": pytest.approx(total / len(logits), abs=6e-5),
            "brier": pytest.approx(brier, abs=6e-5),
        }


def test_each_label_of_a_text_is_an_answer():
    logits, random = random_logits(3)
    target = (random.random(logits.shape) < expit(logits)).astype(np.float32)
    result = trust.errors(logits, target)
    assert result["brier"] == pytest.approx(((expit(logits) - target) ** 2).mean(), abs=6e-5)
    assert result["ece"] < 0.03  # drawn from these probabilities
    assert trust.errors(3 * logits, target)["ece"] > 0.1
    confidence, correct = trust.answers(logits, target)
    by_hand = [(p if p > 0.5 else 1 - p, (p > 0.5) == y) for p, y in zip(
        expit(logits.astype(float)).ravel(), target.ravel(), strict=True
    )]  # fmt: skip
    np.testing.assert_allclose(confidence, [c for c, _ in by_hand])
    np.testing.assert_array_equal(correct, [right for _, right in by_hand])


def test_a_rows_confidence_is_that_of_its_least_sure_answer():
    logits, _ = random_logits(3, 7)
    sure = softmax(logits.astype(float), axis=1).max(axis=1)
    one = trust.least_confidence(logits, np.arange(8), several_labels=False)
    np.testing.assert_allclose(one, sure, atol=6e-5)
    words = trust.least_confidence(logits, np.array([0, 2, 3, 7]), several_labels=False)
    by_hand = [min(sure[:2]), sure[2], min(sure[3:])]
    np.testing.assert_allclose(words, by_hand, atol=6e-5)
    several = trust.least_confidence(logits, np.arange(8), several_labels=True)
    by_hand = [min(max(p, 1 - p) for p in row) for row in expit(logits.astype(float))]
    np.testing.assert_allclose(several, by_hand, atol=6e-5)


def test_the_errors_before_are_those_of_the_logits_times_the_temperature():
    logits, random = random_logits(4)
    target = random.integers(0, 4, len(logits))
    result = trust.calibration(logits / 2, target, {"temperature": 2.0})
    assert result["temperature"] == 2
    for name, scaled in {"": logits / 2, "_before": logits}.items():
        expected = trust.errors(scaled, target)
        assert {key: result[f"{key}{name}"] for key in expected} == expected
    assert result["ece"] < result["ece_before"]
    assert trust.calibration(logits, target, {}).keys() == {"ece", "brier", "thresholds"}


def test_of_a_regression_the_share_within_the_spread_is_counted():
    logits, target = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([1.5, 2.0, 4.0, 3.75])
    result = trust.calibration(logits, target, {"spread": 0.5})
    assert result == {"spread": 0.5, "within_spread": 0.75}
    assert trust.calibration(logits, target, {}) == {}
