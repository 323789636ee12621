"""The curve of thresholds against a plain loop, and the numbers of the page."""

import numpy as np
import pandas as pd
import pytest

from tinybert.evaluation.report import calibration


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
        "actual": ["a", "b"] * 20, "student": ["a", "b"] * 20, "teacher": "a",
        "student_confidence": 1.0, "teacher_confidence": 0.75,
    })  # fmt: skip
    result = calibration.calibration(table, "mine")
    assert result["teacher_error"] == pytest.approx(25)
    assert len(result["charts"]) == 2 and all("student" in chart for chart in result["charts"])
