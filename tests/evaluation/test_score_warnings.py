"""What is said of scores, and what is not said of good ones."""

import pytest

from tinybert.evaluation.score_warnings import score_warnings

GOOD = {
    "split": "test",
    "rows": 1000,
    "chosen_on_it": False,
    "metric": "accuracy",
    "linear": {"accuracy": 0.6},
    "baseline": {"accuracy": 0.5},
    "finetuned_general": {"accuracy": 0.7},
    "teacher": {"accuracy": 0.9},
    "student": {"accuracy": 0.78},
    "intervals": {"student": {"accuracy": [0.75, 0.81]}},
    "differences": {
        "linear": [0.14, 0.22],
        "baseline": [0.24, 0.32],
        "finetuned_general": [0.04, 0.12],
        "teacher": [-0.15, -0.09],
    },
    "near_chance": [],
}


def lines(**changes) -> list[str]:
    return score_warnings({"mine": {**GOOD, **changes}})


def changed(model: str, score: float, low: float, high: float) -> dict:
    differences = {**GOOD["differences"], model: [low, high]}
    return {model: {"accuracy": score}, "differences": differences}


def test_of_good_scores_nothing_is_said():
    assert lines() == []
    assert lines(split="dev", chosen_on_it=True) == []


@pytest.mark.parametrize("model", ["linear", "baseline", "finetuned_general"])
def test_a_student_that_a_cheaper_model_beats_is_warned_about(model):
    [line] = lines(**changed(model, 0.85, -0.1, -0.04))
    start = (
        "WARNING: mine: the student's accuracy 78.0 (test split, 1,000 rows) is not above the 85.0"
    )
    assert line.startswith(start) and "noise" not in line
    [line] = lines(**changed(model, 0.78, -0.02, 0.02))
    assert "is not above the 78.0 of" in line and "inside the noise" in line


@pytest.mark.parametrize("model", ["linear", "baseline", "finetuned_general", "teacher"])
def test_a_difference_inside_the_noise_is_said_as_such(model):
    [line] = lines(**changed(model, 0.77, -0.015, 0.035))
    assert line.startswith("NOTE: mine: inside the noise")
    assert f"student - {model} +1.0 (-1.5 to 3.5)" in line and "test split, 1,000 rows" in line


def test_a_student_near_chance_is_warned_about():
    [line] = lines(near_chance=["student"])
    assert line.startswith("WARNING: mine: the student's predictions cannot be told from chance")


def test_few_rows_are_named_and_whether_they_chose_the_epoch():
    few = {"rows": 15, "intervals": {"student": {"accuracy": [0.5333, 0.9333]}}}
    [line] = lines(**few)
    assert "the scores are those of 15 rows of test." in line and "53.3 to 93.3" in line
    [line] = lines(**few, split="dev", chosen_on_it=True)
    assert "15 rows of dev, which also chose the epochs: they are too high" in line


def test_a_task_without_a_linear_model_has_no_line_about_it():
    differences = {k: v for k, v in GOOD["differences"].items() if k != "linear"}
    result = {k: v for k, v in GOOD.items() if k != "linear"}
    assert score_warnings({"mine": {**result, "differences": differences}}) == []


def test_without_labels_it_is_said_what_is_missing_and_what_agreement_is():
    models = ("linear", "baseline", "finetuned_general")
    result = {key: value for key, value in GOOD.items() if key not in models}
    result["differences"] = {"teacher": GOOD["differences"]["teacher"]}
    [line] = score_warnings({"mine": result})
    assert line.startswith("NOTE: mine: there are no labels to train on")
    assert "share of equal answers" in line


def test_labels_that_are_the_most_probable_ones_are_said_to_be_such():
    [line] = lines(split="dev", chosen_on_it=True, probable_labels=True)
    assert line.startswith("NOTE: mine: the labels of dev are the most probable ones")
    assert "accuracy is agreement with these answers" in line
