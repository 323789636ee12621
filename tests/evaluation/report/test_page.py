"""The report's page: its content and order, and that texts stay text."""

import hashlib
import re
import shutil
from base64 import b64encode
from pathlib import Path

import pandas as pd
import pytest
from runs import Page, write_few_timings, write_predictions, write_run
from tiny import HOSTILE

from tinybert.evaluation.report import logs, page
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json, write_json
from tinybert.tasks.task import Task

KINDS = [("classification", False), ("classification", True), ("regression", False)]
ORDER = (
    "The student, in 8 bits as it is served", "All models", "Where student and teacher disagree",
    "Scores of the labels", "How far its confidence can be trusted", "What looks wrong in the data",
    "Training", "What the stages did, and how long they took", "General distillation", "Settings",
)  # fmt: skip


@pytest.mark.parametrize(("kind", "pair"), KINDS)
def test_the_page_shows_all_parts_of_a_run_in_order_and_texts_as_text(written, kind, pair):
    shown = Page(written(kind, pair))
    is_classification = kind == "classification"
    classes = ("Scores of the labels", "How far its confidence can be trusted")
    expected = [title for title in ORDER if is_classification or title not in classes]
    places = [shown.text.index(f" {title}") for title in expected]
    assert places == sorted(places)
    assert all((title in shown.text) == is_classification for title in classes)
    assert HOSTILE in shown.text  # of the environment, and as a label
    assert "img" not in shown.tags
    # Two pictures of the models, two of the confidence, the trainings.
    assert shown.tags.count("svg") == 2 + 2 * is_classification + 6
    stages = shown.rows("stage")
    assert stages["prepare_task"] == {
        "stage": "prepare_task", "seconds": "2.5", "what it did": "train 1,234",
    }  # fmt: skip
    assert stages["augment"]["what it did"] == "rows in 5"
    assert stages["label"]["what it did"] == "rows 7"
    assert stages["distill_prediction"]["what it did"] == "at the end, step 3: loss 1.5"
    assert stages["all"]["seconds"] == str(2.5 * len(logs.STAGES))
    assert f"What looks wrong in the data train: 2 rows repeat {HOSTILE} Training" in shown.text
    assert "num_hidden_layers 3, hidden_size 312" in shown.text
    assert shown.text.count("rows are the actual labels") == 2 * is_classification


def test_the_answer_and_the_table_are_those_of_the_metrics(written):
    file = written("classification")
    scores, speed = paths.metrics("eval", "mine"), paths.SPEED / "mine.json"
    result, measured = read_json(scores), read_json(speed)
    result["teacher"]["accuracy"], result["student"]["accuracy"] = 0.9, 0.85
    result["intervals"]["teacher"]["accuracy"] = [0.8, 0.95]
    result["differences"]["teacher"] = [-0.1, 0.02]
    write_json(scores, result)
    exported = read_json(paths.metrics("export", "mine"))
    exported["int8"] |= {"accuracy": 0.84, "interval": [0.7, 0.93], "megabytes": 4}
    write_json(paths.metrics("export", "mine"), exported)
    measured["megabytes"]["teacher"]["torch"], measured["megabytes"]["student"]["int8"] = 30, 4
    measured["one_thread"]["teacher"]["torch"]["latency_ms"] = 10
    write_json(speed, measured)
    page.write(["mine"])
    shown = Page(file)
    assert (
        "has accuracy 84.0 % ( 70.0 to 93.0 ), the teacher 90.0 % ( 80.0 to 95.0 ); it is "
        "7.5 times smaller ( 4.0 MB instead of 30.0) and 8.0 times faster ( 1.25 ms a text "
        "instead of 10.00"
    ) in shown.text
    assert "-5.0 points from the teacher, -10.0 to 2.0 : inside the noise" in shown.text
    assert "Dev split, 19 rows, chosen on it" in shown.text
    assert "the scores are those of 19 rows of dev, which also chose the epochs" in shown.text
    rows = shown.rows("model")
    assert list(rows) == [
        "linear model", "baseline", "general student, labels alone", "teacher, PyTorch",
        "teacher, ONNX", "teacher, ONNX, 8 bits", "student, PyTorch", "student, ONNX",
        "student, ONNX, 8 bits",
    ]  # fmt: skip
    assert list(rows["student, ONNX, 8 bits"].values())[1:] == ["84.0 70.0 to 93.0", "4.0", "1.25"]
    assert list(rows["teacher, PyTorch"].values())[1:] == ["90.0 80.0 to 95.0", "30.0", "10.00"]
    assert list(rows["teacher, ONNX"].values())[1:] == ["", "2.5", "1.25"]
    assert list(rows["baseline"].values())[2:] == ["", ""]


def test_the_page_says_what_the_temperature_and_a_threshold_change(written):
    file = written("classification")
    result = read_json(paths.metrics("eval", "mine"))
    thresholds = [{"threshold": 0.8, "share": 0.75, "accuracy": 0.912}]
    result["calibration"] = {
        "temperature": 1.31, "ece": 0.021, "brier": 0.345, "ece_before": 0.063,
        "brier_before": 0.351, "thresholds": thresholds, "fitted_on_it": False,
    }  # fmt: skip
    write_json(paths.metrics("eval", "mine"), result)
    page.write(["mine"])
    shown = Page(file)
    assert "is 2.1 points for the student and" in shown.text
    assert (
        "divided by 1.31, the temperature that suits dev best; without it, its error was 6.3 "
        "points, and its Brier score 0.351 instead of 0.345."
    ) in shown.text
    assert "tinybert predict --min-confidence 0.8" in shown.text
    [row] = shown.rows("threshold").values()
    assert list(row.values()) == ["0.8", "75.0", "91.2"]
    result["calibration"]["fitted_on_it"] = True
    write_json(paths.metrics("eval", "mine"), result)
    page.write(["mine"])
    assert "suits dev best, which are the same rows: the numbers are too good;" in Page(file).text


def test_of_several_labels_the_page_has_thresholds_and_no_charts_of_confidence(written):
    file = written("classification")
    Task("multi_label", ["bad", HOSTILE], False, ["accuracy"], ["train", "dev"]).save(
        paths.tables("mine")
    )
    predictions = paths.METRICS / "predictions/mine.csv"
    table = pd.read_csv(predictions, dtype=str)
    table.columns = [name.replace("_conf", "_least_conf") for name in table]
    table.to_csv(predictions, index=False)
    page.write(["mine"])
    shown = Page(file)
    assert "the probability of the least sure answer, that a label applies" in shown.text
    assert "that it does not, is an answer of its own" in shown.text
    assert len(shown.rows("threshold")) == 7 and shown.tags.count("svg") == 2 + 6


def test_of_words_the_page_has_their_confusion_and_confidence(words):
    write_run()
    page.write(["mine"])
    shown = Page(words / paths.PAGE)
    assert "Counts are of words; O is a word of no entity" in shown.text
    assert "the label of each word is an answer" in shown.text
    assert "withhold the answers" not in shown.text and len(shown.rows("threshold")) == 7
    result = read_json(paths.metrics("eval", "mine"))
    matrices = [table for table in shown.tables if table[0][0] == "" and table[0][1:2] == ["O"]]
    for role, (header, *rows) in zip(("teacher", "student"), matrices, strict=True):
        counts = {
            (row[0], predicted): int(count)
            for row in rows
            for predicted, count in zip(header[1:], row[1:], strict=True)
        }
        pairs = {(a, b): count for a, b, count in result["confusion"][role]}
        assert {pair: count for pair, count in counts.items() if count} == pairs
    texts = next(t for t in shown.tables if t[0] == ["text", "actual", "teacher", "student"])
    sure = [float(row[-1].split()[-2]) for row in texts[1:]]
    assert sure == sorted(sure, reverse=True) and len(sure) > 1


def test_of_a_regression_the_page_has_the_spread(written):
    file = written("regression")
    result = read_json(paths.metrics("eval", "mine"))
    result["calibration"] = {"spread": 0.82, "within_spread": 0.887, "fitted_on_it": False}
    write_json(paths.metrics("eval", "mine"), result)
    page.write(["mine"])
    expected = (
        "90 % of dev's scores are within 0.82 of the student's; of the rows scored here, 88.7"
    )
    assert expected in Page(file).text


def test_without_timings_the_page_has_sizes_and_names_the_command_that_measures_speed(written):
    file = written("classification", timed=False)
    weights = Path("models/mine/teacher/model.safetensors")
    weights.write_bytes(bytes(30_000_000))
    exported = read_json(paths.metrics("export", "mine"))
    exported["int8"]["megabytes"] = 4
    write_json(paths.metrics("export", "mine"), exported)
    page.write(["mine"])
    shown = Page(file)
    assert "it is 7.5 times smaller ( 4.0 MB instead of 30.0) ." in shown.text
    assert "tinybert speed , then tinybert report" in shown.text
    assert "times faster" not in shown.text and "All timings" not in shown.text
    assert {"size, MB"} == {"size, MB", "ms for one text, one thread"} & set(
        map(str.strip, shown.words)
    )
    assert shown.tags.count("svg") == 1 + 2 + 6  # of the size, the confidence, the trainings
    assert shown.rows("model")["teacher"]["MB"] == "30.0"
    assert shown.rows("model")["student, ONNX, 8 bits"]["MB"] == "4.0"
    assert {row["ms for one text"] for row in shown.rows("model").values()} == {""}
    assert shown.rows("stage")["prepare_task"]["seconds"] == ""


def test_without_the_teachers_file_the_page_has_the_students_size(written):
    """Such as where only metrics are checked out."""
    file = written("classification", timed=False)
    shutil.rmtree("models")
    page.write(["mine"])
    shown = Page(file)
    assert re.search(r"; it has \d+\.\d MB \.", shown.text) and "times smaller" not in shown.text


def test_a_few_timings_are_shown_with_the_models_that_they_are_of(written):
    file = written("classification", timed=False)
    write_few_timings()
    page.write(["mine"])
    shown = Page(file)
    assert "1.0 times faster ( 1.25 ms a text instead of 1.25 , on one thread)" in shown.text
    assert "Times are those of a few texts" in shown.text and "All timings" not in shown.text
    timed = {title for title, row in shown.rows("model").items() if row["ms for one text"]}
    assert timed == {"teacher", "student, ONNX, 8 bits"}
    assert shown.tags.count("svg") == 2 + 2 + 6


def test_the_only_script_is_the_pages_and_nothing_else_may_run(written):
    file = written("classification")
    [script] = Page(file).scripts
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = re.findall(r'Policy" content="([^"]*)"', file.read_text(encoding="utf-8"))
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" == policy
    assert HOSTILE not in script


def test_equal_environments_are_shown_once(written):
    file = written("classification")
    write_json(paths.log("distill_general") / "environment.json", {"torch": "another"})
    page.write(["mine"])
    text = Page(file).text
    assert text.count(f"torch {HOSTILE}") == 1 and "distill_general: torch another" in text


def test_of_many_labels_the_page_shows_the_worst_twenty(written):
    """The student takes label 3 for label 1 ten times, and each of the last 30 for the next one."""
    file = written("classification")
    labels = [f"label {i}" for i in range(1000)]
    pairs = [("label 3", "label 1")] * 10
    pairs += [(f"label {i}", f"label {(i + 1) % 1000}") for i in range(970, 1000)]
    pairs += [(label, label) for label in labels]
    table = pd.DataFrame(pairs, columns=["actual", "student"])
    table["teacher"] = table["actual"]
    write_predictions(labels, table, "x" * 2000)
    page.write(["mine"])
    assert file.stat().st_size < 500_000
    shown = Page(file)
    assert "x" * 500 in shown.text and "x" * 501 not in shown.text
    assert "The 20 of 1,000 labels with the most errors of the student" in shown.text
    assert "The 20 of 1,000 labels with the student's lowest F1" in shown.text
    assert len(shown.rows("label")) == 20
    teacher, student = (t for t in shown.tables if t and t[0][:3] == ["", "label 1", "label 3"])
    assert len(student) == 1 + 20 and student[0][-1] == "other"
    assert len(teacher) == 1 + 20


def test_missing_scores_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"metrics/eval/mine\.json is missing; dvc repro"):
        page.write(["mine"])
