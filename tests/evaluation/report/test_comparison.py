"""The page of several runs: their scores, differences, settings and curves."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs import Page, write_run
from tiny import HOSTILE

from tinybert.evaluation.report import comparison
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json, write_json


@pytest.fixture
def two(exported, tmp_path_factory):
    """A run, and one whose params.yaml, score and last training differ."""
    first = exported("classification")
    write_run()
    second = tmp_path_factory.mktemp("second")
    shutil.copytree(first, second, dirs_exist_ok=True)
    with chdir(second):
        text = Path("params.yaml").read_text(encoding="utf-8")
        assert text.count("temperature: 1.0") == 1
        text = text.replace("temperature: 1.0", "temperature: 2.5")
        Path("params.yaml").write_text(text, encoding="utf-8")
        result = read_json(paths.metrics("eval", "mine"))
        result["student"]["accuracy"] += 0.1
        write_json(paths.metrics("eval", "mine"), result)
        log = paths.log("distill_prediction", "mine") / "plots/metrics/loss.tsv"
        log.write_text("step\tloss\n1\t30\n2\t0.5\n")
    return first, second


def read(folder: Path) -> comparison.Run:
    with chdir(folder):
        return comparison.read()


def test_the_page_shows_scores_differences_settings_and_curves(two):
    runs = [read(folder) for folder in two]
    comparison.write({"HEAD": runs[0], HOSTILE: runs[1]})
    shown = Page(paths.COMPARISON)
    assert f"A HEAD B {HOSTILE}" in shown.text and "img" not in shown.tags
    rows = shown.rows("run")
    scores = [read_json(f / paths.metrics("eval", "mine"))["student"]["accuracy"] for f in two]
    assert [float(rows[x]["student"].split()[0]) for x in "AB"] == [
        pytest.approx(100 * score, abs=0.06) for score in scores
    ]
    # The predictions are the same, so the difference on the same rows is 0 however resampled.
    assert rows["A"]["beside A"] == "" and rows["B"]["beside A"] == "+10.0 0.0 to 0.0"
    assert shown.rows("params.yaml") == {
        "prediction.temperature": {"params.yaml": "prediction.temperature", "A": "1", "B": "2.5"}
    }
    assert shown.tags.count("svg") == 1
    assert "The same curves in all: distill_general, finetune_teacher mine" in shown.text


def test_the_page_says_which_differences_have_no_interval(two):
    """Several labels, which names alone do not tell apart, are one of them."""
    runs = [read(folder) for folder in two]
    for run in runs:
        table = run.predictions["mine"]
        run.predictions["mine"] = table.rename(columns={"student_confidence": "student_least"})
    comparison.write({"HEAD": runs[0], "other": runs[1]})
    shown = Page(paths.COMPARISON)
    assert shown.rows("run")["B"]["beside A"] == "+10.0"
    assert "not for several labels, labels of words, and f1 of two classes" in shown.text
    comparison.write({"HEAD": runs[0]})
    assert "A difference is in points" not in Page(paths.COMPARISON).text


def test_equal_runs_have_no_settings_and_no_curves_to_show(two):
    run = read(two[0])
    comparison.write({"one": run, "other": run})
    shown = Page(paths.COMPARISON)
    assert "Settings that differ None." in shown.text and "svg" not in shown.tags


def test_the_interval_of_a_difference_is_over_the_same_rows():
    random = np.random.default_rng(0)
    actual = random.integers(0, 3, 2000).astype(str)
    before, after = (np.where(random.random(2000) < share, actual, "x") for share in (0.7, 0.8))
    tables = [
        pd.DataFrame({"actual": actual, "student": student, "student_confidence": 0.5})
        for student in (before, after)
    ]
    gain = (after == actual).astype(float) - (before == actual)
    half = 1.96 * gain.std() / np.sqrt(2000)
    low, high = comparison._interval(*tables, "accuracy")
    assert low == pytest.approx(gain.mean() - half, abs=0.004)
    assert high == pytest.approx(gain.mean() + half, abs=0.004)
    assert comparison._interval(tables[0], tables[1].iloc[::-1].reset_index(), "accuracy") is None
    assert comparison._interval(tables[0], tables[1][:-1], "accuracy") is None
    assert comparison._interval(*tables, "f1") is None


def test_the_interval_of_a_correlation_reads_numbers():
    random = np.random.default_rng(0)
    actual = random.normal(size=500)
    noisy, exact = actual + random.normal(size=500), actual
    tables = [
        pd.DataFrame({"actual": actual.astype(str), "student": student.astype(str)})
        for student in (noisy, exact)
    ]
    low, high = comparison._interval(*tables, "pearson")
    gain = 1 - np.corrcoef(noisy, actual)[0, 1]
    assert 0 < low < gain < high < 0.5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("params.yaml", "tasks: ["), ("params.yaml", "a: 1"), ("params.yaml", "- a"),
        ("metrics/predictions/mine.csv", "actual\na\n"), ("metrics/eval/mine.json", "{}"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(two, name, content):
    (two[0] / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        read(two[0])
