"""Answers that are not sure enough are withheld; nothing else changes."""

import json

import numpy as np
import pytest

from tinybert.commands import cli, texts
from tinybert.deploy.classifier import Classifier, check_confidence, decode, withhold
from tinybert.pipeline.errors import InputError

TEXTS = [f"{'very ' * n}good film" for n in range(12)]


@pytest.fixture
def predict(exported, monkeypatch, capsys):
    """Runs `tinybert predict` on TEXTS with the exported model, and returns its lines."""

    def run(*options: str, kind: str = "classification") -> list[str]:
        folder = exported(kind)
        (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
        command = ["tinybert", "predict", "models/mine/onnx", "texts.txt", *options]
        monkeypatch.setattr("sys.argv", command)
        cli.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_an_unsure_label_is_null_or_an_empty_field_and_probabilities_stay(predict):
    everything = [json.loads(line) for line in predict()]
    sure = [max(answer["probabilities"].values()) for answer in everything]
    middle = sorted(sure)[len(sure) // 2]
    option = ("--min-confidence", repr(middle))
    lines = predict(*option)
    tsv = [line.split("\t") for line in predict(*option, "--output", "tsv")]
    for answer, fields, plain, p in zip(map(json.loads, lines), tsv, everything, sure, strict=True):
        label = plain["label"] if p >= middle else None
        assert answer == {**plain, "label": label}
        assert fields == [label or "", *(f"{v:.6f}" for v in plain["probabilities"].values())]
    assert {json.loads(line)["label"] is None for line in lines} == {True, False}
    assert Classifier("models/mine/onnx")(TEXTS, middle) == [json.loads(line) for line in lines]
    assert predict("--min-confidence", "0") == predict()


def test_a_regression_is_refused(predict):
    assert predict("--min-confidence", "0", kind="regression")
    with pytest.raises(SystemExit, match="^error: this model predicts a score, which has no prob"):
        predict("--min-confidence", "0.8", kind="regression")


def test_each_of_several_labels_applies_or_does_not_or_is_undecided():
    logits = np.array([2.0, 0.5, -0.5, -2.0])  # 88, 62, 38 and 12 %
    answer = decode(logits, "multi_label", ["a", "b", "c", "d"])
    plain = dict(answer)
    assert withhold(answer, 0) is answer and "undecided" not in answer
    for confidence, labels, undecided in (
        (0.5, ["a", "b"], []), (0.7, ["a"], ["b", "c"]), (0.9, [], ["a", "b", "c", "d"]),
    ):  # fmt: skip
        shown = withhold(answer, confidence)
        assert shown == {**plain, "labels": labels, "undecided": undecided}
    fields = texts.line(withhold(answer, 0.7), "tsv").split("\t")
    assert fields[:2] == ["a", "b,c"] and len(fields) == 2 + 4
    assert len(texts.line(answer, "tsv").split("\t")) == 1 + 4


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_confidence_that_is_no_probability_is_an_error(value):
    with pytest.raises(InputError, match="min_confidence is .*; give a probability, 0 to 1"):
        check_confidence(value, "classification")
