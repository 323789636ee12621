"""Calibration and thresholds, against sums by hand."""

import numpy as np
import pandas as pd
import pytest

from tinybert.evaluation.report import calibration


def test_a_model_that_is_as_right_as_it_is_sure_has_no_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.2, 1, 200_000)
    correct = random.random(200_000) < confidence
    bins = calibration.reliability(confidence, correct)
    assert len(bins) == 8 and sum(rows for *_, rows in bins) == 200_000
    assert calibration.expected_error(bins) < 0.005
    overconfident = calibration.reliability(np.minimum(confidence + 0.1, 1), correct)
    assert calibration.expected_error(overconfident) == pytest.approx(0.0938, abs=0.01)


def test_the_error_is_the_weighted_mean_distance():
    confidence, correct = np.array([0.95, 0.95, 0.95, 1.0, 0.45]), np.array([1, 1, 0, 1, 1], bool)
    bins = calibration.reliability(confidence, correct)
    assert bins == [(0.45, 1, 1), (pytest.approx(0.9625), 0.75, 4)]
    expected = (0.55 * 1 + 0.2125 * 4) / 5
    assert calibration.expected_error(bins) == pytest.approx(expected)


def test_a_threshold_answers_the_rows_at_or_above_it():
    rows = calibration.thresholds(np.array([0.5, 0.6, 0.9, 0.95]), np.array([0, 0, 1, 1], bool))
    by_threshold = {row["threshold"]: (row["share"], row["accuracy"]) for row in rows}
    assert by_threshold[0.5] == (1, 0.5) and by_threshold[0.6] == (0.75, pytest.approx(2 / 3))
    assert by_threshold[0.9] == (0.5, 1) and by_threshold[0.99] == (0, None)


def test_the_curve_is_that_of_all_thresholds_with_enough_rows():
    random = np.random.default_rng(0)
    confidence = random.integers(50, 100, 150) / 100
    correct = random.random(150) < confidence
    expected = []
    for threshold in sorted(set(confidence), reverse=True):
        answered = confidence >= threshold
        if answered.sum() >= calibration.FEWEST:
            expected.append((answered.mean(), pytest.approx(correct[answered].mean())))
    assert calibration.coverage(confidence, correct) == expected
    assert expected[-1][0] == 1
    assert calibration.coverage(confidence[:3], correct[:3]) == [(1, correct[:3].mean())]


def test_a_curve_of_many_rows_is_thinned_and_keeps_its_end():
    random = np.random.default_rng(0)
    confidence, correct = random.random(5000), random.random(5000) < 0.5
    curve = calibration.coverage(confidence, correct)
    assert len(curve) == 200 and curve[-1] == (1, correct.mean())


def test_charts_and_numbers_are_those_of_student_and_teacher():
    table = pd.DataFrame({
        "actual": ["a", "b"] * 20, "teacher": ["a", "b"] * 20, "student": "a",
        "teacher_confidence": 1.0, "student_confidence": 0.75,
    })  # fmt: skip
    result = calibration.calibration(table, "mine")
    assert result["errors"] == {"teacher": 0, "student": pytest.approx(25)}
    assert len(result["charts"]) == 2 and all("student" in chart for chart in result["charts"])
