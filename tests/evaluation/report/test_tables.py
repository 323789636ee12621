"""The tables of scores and sizes, and the summary."""

import json
import re

import pytest

from tinybert.evaluation.report import tables
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import write_json

EVAL = {
    "split": "test",
    "rows": 1000,
    "chosen_on_it": False,
    "metric": "accuracy",
    "linear": {"accuracy": 0.6, "f1_macro": 0.55},
    "baseline": {"accuracy": 0.5, "f1_macro": 0.4},
    "teacher": {"accuracy": 0.8, "f1_macro": 0.75},
    "student": {"accuracy": 0.78, "f1_macro": 0.75},
    "differences": {"linear": [0.1, 0.2], "baseline": [0.2, 0.3], "teacher": [-0.1, -0.01]},
    "near_chance": [],
    "retention": {"accuracy": 0.975, "f1_macro": 1.0},
    "intervals": {"student": {"accuracy": [0.75, 0.8], "f1_macro": [0.7, 0.79]}},
}
EXPORT = {"int8": {"accuracy": 0.77, "f1_macro": 0.74, "interval": [0.7, 0.8], "megabytes": 4.0}}
MEGABYTES = {
    "teacher": {"torch": 80.0, "onnx": 81.0, "int8": 20.0},
    "student": {"torch": 40.0, "onnx": 40.0, "int8": 4.0},
}
LATENCY = {
    "teacher": {"torch": 8.0, "onnx": 4.0, "int8": 2.0},
    "student": {"torch": 2.0, "onnx": 1.0, "int8": 0.5},
}
TIMINGS = {
    role: {
        kind: {"latency_ms": value, "latency_ms_p95": 2 * value, "rows_per_second": 1000 / value}
        for kind, value in kinds.items()
    }
    for role, kinds in LATENCY.items()
}
SPEED = {
    "threads": {"one_thread": 1, "all_cores": 2},
    "megabytes": MEGABYTES,
    "one_thread": TIMINGS,
    "all_cores": TIMINGS,
}


def test_tables_show_scores_in_percent():
    text = tables.markdown(tables.scores_table({"mine": EVAL}))
    row = "| mine | accuracy | test split, 1,000 rows | 60.0 | 50.0 | | 80.0 | 78.0 | | 75.0"
    assert f"{row} to 80.0 | 97.5 % |" in re.sub(" +", " ", text)


def test_speeds_are_compared_in_the_same_runtime_and_with_the_teacher_as_it_came():
    table = tables.speeds_table({"mine": SPEED})
    assert table["threads"].tolist() == ["1"] * 6 + ["2"] * 6
    rows = table[6:].values.tolist()
    assert rows[0] == [
        "mine", "teacher", "PyTorch, float32", "2", "80.0", "8.00", "125", "1.0x", "1.0x", "1.0x",
    ]  # fmt: skip
    assert rows[5] == [
        "mine", "student", "ONNX, 8 bits", "2", "4.0", "0.50", "2000", "4.0x", "16.0x",
        "20.0x",
    ]  # fmt: skip
    few = {key: value for key, value in SPEED.items() if key != "all_cores"}
    assert tables.speeds_table({"mine": few}).empty


def test_the_mismatched_half_of_dev_has_separate_rows():
    other = {
        "baseline": {"accuracy": 0.25, "f1_macro": 0.2},
        "teacher": {"accuracy": 0.64, "f1_macro": 0.5},
        "student": {"accuracy": 0.48, "f1_macro": 0.3},
        "retention": {"accuracy": 0.75, "f1_macro": 0.6},
        "rows": 9832,
        "intervals": {"student": {"accuracy": [0.4, 0.5], "f1_macro": [0.2, 0.4]}},
    }
    mnli = {**EVAL, "split": "dev", "chosen_on_it": True, "dev_mismatched": other}
    table = tables.scores_table({"mnli": mnli, "mine": EVAL})
    rows = table.values.tolist()
    assert [row[:3] for row in rows] == [
        ["mnli", "accuracy", "dev split, 1,000 rows, chosen on it"],
        ["mnli", "f1_macro", "dev split, 1,000 rows, chosen on it"],
        ["mnli", "accuracy", "dev_mismatched split, 9,832 rows"],
        ["mnli", "f1_macro", "dev_mismatched split, 9,832 rows"],
        ["mine", "accuracy", "test split, 1,000 rows"],
        ["mine", "f1_macro", "test split, 1,000 rows"],
    ]
    assert rows[0][3:] == ["60.0", "50.0", "", "80.0", "78.0", "", "75.0 to 80.0", "97.5 %"]
    assert rows[2][3:] == ["", "25.0", "", "64.0", "48.0", "", "40.0 to 50.0", "75.0 %"]
    assert len({len(line) for line in tables.markdown(table).splitlines()}) == 1


def test_the_summary_has_each_tasks_first_metric_and_the_mean_retention(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "metrics/eval/a.json", EVAL)
    write_json(tmp_path / "metrics/eval/b.json", {**EVAL, "metric": "f1_macro"})
    for task in "ab":
        write_json(tmp_path / f"metrics/export/{task}.json", EXPORT)
    tables.write_summary(["a", "b"])
    summary = json.loads((tmp_path / "metrics/summary.json").read_text())
    assert summary["mean_retention"] == pytest.approx((0.975 + 1.0) / 2, abs=1e-4)
    assert summary["tasks"]["a"] == {
        "linear": 0.6,
        "baseline": 0.5,
        "teacher": 0.8,
        "student": 0.78,
        "int8": 0.77,
    }
    assert summary["tasks"]["b"]["student"] == 0.75
    scores = (tmp_path / "report/scores.md").read_text()
    row = "| b | f1_macro | test split, 1,000 rows | 55.0 | 40.0 | | 75.0 | 75.0 | 74.0 | 70.0"
    assert f"{row} to 79.0 |" in re.sub(" +", " ", scores)


@pytest.mark.parametrize("read", [tables.read_scores, tables.read_speeds])
def test_missing_metrics_are_named(tmp_path, monkeypatch, read):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mine\.json is missing; dvc repro"):
        read(["mine"])


@pytest.mark.parametrize("key", ["split", "rows", "metric", "student", "retention", "differences"])
@pytest.mark.parametrize("value", [None, "x", {"accuracy": "good"}])
def test_scores_that_cannot_be_shown_are_named(tmp_path, monkeypatch, key, value):
    monkeypatch.chdir(tmp_path)
    content = {name: v for name, v in EVAL.items() if name != key}
    if value is not None:
        content[key] = value
    if key == "split" and value == "x":
        content["intervals"] = {"student": {"accuracy": [0.1], "f1_macro": [0.1]}}
    write_json(tmp_path / "metrics/eval/mine.json", content)
    with pytest.raises(InputError, match=r"metrics/eval/mine\.json (is damaged|was written)"):
        tables.write_summary(["mine"])
    assert not (tmp_path / "metrics/summary.json").exists()


@pytest.mark.parametrize("content", [{}, {"int8": 5}, {"int8": {"accuracy": "good"}}])
def test_scores_of_the_exported_student_that_cannot_be_shown_are_named(
    tmp_path, monkeypatch, content
):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "metrics/eval/mine.json", EVAL)
    write_json(tmp_path / "metrics/export/mine.json", content)
    with pytest.raises(InputError, match=r"metrics/export/mine\.json is damaged"):
        tables.read_scores(["mine"])


@pytest.mark.parametrize("part", [{"megabytes": {}}, {"all_cores": {"teacher": 5}}])
def test_speeds_that_cannot_be_shown_are_named(tmp_path, monkeypatch, part):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "metrics/speed/mine.json", SPEED | part)
    with pytest.raises(InputError, match=r"metrics/speed/mine\.json is damaged"):
        tables.read_speeds(["mine"])


def test_speeds_of_an_earlier_version_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old = {key: value for key, value in SPEED.items() if key != "megabytes"}
    write_json(tmp_path / "metrics/speed/mine.json", old)
    with pytest.raises(InputError, match=r"mine\.json was written by .*; run tinybert speed"):
        tables.read_speeds(["mine"])


def test_scores_of_an_earlier_version_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old = {key: value for key, value in EVAL.items() if key != "intervals"}
    write_json(tmp_path / "metrics/eval/mine.json", old)
    with pytest.raises(InputError, match=r"mine\.json was written by an earlier version; run dvc"):
        tables.read_scores(["mine"])


def test_a_task_without_a_linear_model_has_an_empty_cell():
    result = {key: value for key, value in EVAL.items() if key != "linear"}
    table = tables.scores_table({"mine": result})
    assert table["linear"].tolist() == ["", ""]
