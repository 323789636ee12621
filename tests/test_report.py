"""The tables that people read."""

import json

import pytest

from tinybert import report

EVAL = {
    "split": "test",
    "rows": 10,
    "metric": "accuracy",
    "baseline": {"accuracy": 0.5, "f1_macro": 0.4},
    "teacher": {"accuracy": 0.8, "f1_macro": 0.75},
    "student": {"accuracy": 0.78, "f1_macro": 0.75},
    "retention": {"accuracy": 0.975, "f1_macro": 1.0},
}
SPEED = {
    model: {"parameters": p, "megabytes": m, "latency_ms": t, "rows_per_second": r}
    for model, p, m, t, r in [
        ("baseline", 10_000_000, 40.0, 2.0, 400.0),
        ("teacher", 20_000_000, 80.0, 8.0, 100.0),
        ("student", 10_000_000, 40.0, 2.0, 400.0),
    ]
}


def test_tables_show_scores_in_percent_and_what_the_student_saves():
    text = report.markdown(report.scores_table({"mine": EVAL}))
    assert "| mine | accuracy |     50.0 |    80.0 |    78.0 |            97.5 % |" in text
    table = {row[1]: row[2:] for row in report.sizes_table({"mine": SPEED})[1:]}
    assert table["parameters (millions)"] == ["10.0", "20.0", "10.0", "2.0x smaller"]
    assert table["size on disk (MB)"][-1] == "2.0x smaller"
    assert table["latency, one row (ms)"] == ["2.0", "8.0", "2.0", "4.0x faster"]
    assert table["throughput (rows/s)"] == ["400", "100", "400", "4.0x faster"]


def test_the_mismatched_half_of_dev_has_rows_of_its_own():
    other = {
        "baseline": {"accuracy": 0.25, "f1_macro": 0.2},
        "teacher": {"accuracy": 0.64, "f1_macro": 0.5},
        "student": {"accuracy": 0.48, "f1_macro": 0.3},
        "retention": {"accuracy": 0.75, "f1_macro": 0.6},
    }
    table = report.scores_table({"mnli": {**EVAL, "dev_mismatched": other}, "mine": EVAL})
    assert [row[:2] for row in table[1:]] == [
        ["mnli", "accuracy"],
        ["mnli", "f1_macro"],
        ["mnli (mismatched)", "accuracy"],
        ["mnli (mismatched)", "f1_macro"],
        ["mine", "accuracy"],
        ["mine", "f1_macro"],
    ]
    assert table[1][2:] == ["50.0", "80.0", "78.0", "97.5 %"]
    assert table[3][2:] == ["25.0", "64.0", "48.0", "75.0 %"]
    assert len({len(line) for line in report.markdown(table).splitlines()}) == 1


def test_the_summary_has_the_tasks_own_metric_and_the_mean_retention(tmp_path):
    other = {**EVAL, "metric": "f1_macro"}
    report.write_summary({"a": EVAL, "b": other}, tmp_path / "m/summary.json")
    summary = json.loads((tmp_path / "m/summary.json").read_text())
    assert summary["mean_retention"] == pytest.approx((0.975 + 1.0) / 2, abs=1e-4)
    assert summary["tasks"]["a"] == {"baseline": 0.5, "teacher": 0.8, "student": 0.78}
    assert summary["tasks"]["b"]["student"] == 0.75


def test_missing_metrics_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"mine\.json is missing; dvc repro"):
        report.read(tmp_path, ["mine"])
