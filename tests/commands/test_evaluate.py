"""Scores of an exported model on a labelled file."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from tiny import HOSTILE

from tinybert.commands import cli, evaluate, texts
from tinybert.commands.texts import Form
from tinybert.deploy.classifier import Classifier
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import load_task


class Fixed:
    """A model that answers what it is told."""

    def __init__(self, kind: str, labels: list[str], answers: list, pair: bool = False):
        self.kind, self.labels, self.pair, self.answers = kind, labels, pair, iter(answers)

    def __call__(self, rows: list) -> list[dict]:
        key = {"classification": "label", "multi_label": "labels", "regression": "score"}
        return [{key[self.kind]: next(self.answers)} for _ in rows]


def report(model: Fixed, content: str, tmp_path) -> str:
    file = tmp_path / "rows.tsv"
    file.write_text(content, encoding="utf-8")
    return evaluate.evaluate(model, texts.labelled(str(file), model.pair, model.kind, Form()))


def test_scores_have_intervals_and_the_confusions_are_counted(tmp_path):
    model = Fixed("classification", ["bad", "good", "so so"], ["good", "bad", "good", "good"])
    rows = "text\tlabel\na\tgood\nb\tgood\nc\tgood\nd\tbad\n"
    shown = report(model, rows, tmp_path)
    assert "rows.tsv: 4 rows" in shown
    assert re.search(r"accuracy +50\.0 +0\.0 to 100\.0", shown)
    table = {line.split("  ")[0]: line.split()[-3:] for line in shown.splitlines()}
    assert table["bad"] == ["0", "1", "0"] and table["good"] == ["1", "2", "0"]


def test_other_kinds_have_their_own_metrics(tmp_path):
    model = Fixed("multi_label", ["a", "b"], [["a"], ["a", "b"], []])
    shown = report(model, "text\tlabels\nx\ta\ny\tb\nz\t\n", tmp_path)
    assert re.search(r"f1_micro +80\.0", shown) and "predicted" not in shown
    model = Fixed("regression", [], [1.0, 2.0, 3.0, 4.0], pair=True)
    rows = "text_a\ttext_b\tscore\n" + "".join(f"x\ty\t{value}\n" for value in (2, 4, 6, 8))
    assert re.search(r"pearson +100\.0", report(model, rows, tmp_path))


def test_a_correlation_with_one_target_alone_is_not_taken_for_a_score(tmp_path):
    model = Fixed("regression", [], [1.0, 2.0, 1.0])
    shown = report(model, "text\tscore\na\t1\nb\t1\nc\t1\n", tmp_path)
    assert "the same score: pearson and spearman cannot be computed" in shown
    model = Fixed("classification", ["bad", "good"], ["bad", "good"])
    shown = report(model, "text\tlabel\na\tbad\nb\tbad\n", tmp_path)
    assert "the same label: matthews cannot be computed" in shown
    model = Fixed("classification", ["bad", "good"], ["bad", "good"])
    shown = report(model, "text\tlabel\na\tbad\nb\tgood\n", tmp_path)
    assert "cannot be computed" not in shown


def test_labels_that_the_model_does_not_know_are_named_with_their_line(tmp_path):
    model = Fixed("classification", ["bad", "good"], [])
    rows = "text\tlabel\na\tgood\nb\tgood\u200b\nc\tgreat\nd\tgreat\n"
    with pytest.raises(InputError, match=r"rows\.tsv, line 3: label 'good.u200b' .*1 more: great"):
        report(model, rows, tmp_path)
    with pytest.raises(InputError, match="no column label, labels or score"):
        report(model, "text\tother\na\tb\n", tmp_path)
    with pytest.raises(InputError, match="is not a finite number"):
        report(Fixed("regression", [], []), "text\tlabel\na\tgood\n", tmp_path)


def test_many_labels_are_shown_as_the_most_frequent_confusions():
    labels = [f"label {i}" for i in range(30)]
    target, predicted = np.arange(30), np.arange(30)
    assert evaluate.confusions(target, predicted, labels) == "no label was mistaken for another"
    predicted = np.where(target % 10 == 3, 7, target)
    lines = evaluate.confusions(target, predicted, labels).splitlines()
    assert [re.split(r" {2,}", line) for line in lines[2:]] == [
        [f"label {i}", "label 7", "1"] for i in (3, 13, 23)
    ]


def test_the_scores_are_those_of_the_stage_that_exported_the_model(exported, monkeypatch, capsys):
    folder = exported("classification")
    task = load_task(folder / "data/tasks/mine")
    import pandas as pd

    dev = pd.read_parquet(folder / "data/tasks/mine/dev.parquet")
    rows = [
        json.dumps({"text": text, "label": task.labels[label]})
        for text, label in zip(dev["text_a"], dev["label"], strict=True)
    ]
    (folder / "dev.jsonl").write_text("\n".join(rows))
    command = ["tinybert", "evaluate", "models/mine/onnx", "dev.jsonl", "--kind", "onnx"]
    monkeypatch.setattr("sys.argv", command)
    cli.main()
    shown = capsys.readouterr().out
    assert "models/mine/onnx (onnx) on dev.jsonl: 19 rows" in shown
    answers = Classifier("models/mine/onnx", "onnx")(dev["text_a"].tolist())
    correct = [
        answer["label"] == task.labels[label]
        for answer, label in zip(answers, dev["label"], strict=True)
    ]
    assert re.search(rf"accuracy +{100 * np.mean(correct):.1f} ", shown)
    assert "bad" in shown and HOSTILE.split()[0] in shown


def test_neither_torch_nor_transformers_nor_dvc_is_imported(exported):
    """It runs where the model is deployed."""
    folder = exported("classification")
    (folder / "rows.tsv").write_text("text\tlabel\ngood film\tbad\n")
    heavy = ("torch", "transformers", "dvc", "datasets", "fastapi", "matplotlib")
    code = (
        "import sys\nfrom tinybert.commands import cli\ncli.main()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "evaluate", "models/mine/onnx", "rows.tsv"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "rows.tsv: 1 row" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
