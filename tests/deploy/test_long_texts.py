"""Long texts in windows, as they are evaluated, exported, predicted and served."""

import contextlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from fastapi.testclient import TestClient
from tiny import WORDS
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert.deploy import serve
from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import encoding, export
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.evaluation.compare import compare_models
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Export

LENGTH, STRIDE = 8, 2
LONG = " ".join(WORDS)
TEXTS = ["good film", LONG, "a dull story", f"never {LONG}", ""]
ANY_DROP = Export(max_drop=100)


@pytest.fixture(scope="module")
def both(made, tmp_path_factory):
    """The models of a task, whose texts have up to 24 tokens, evaluated and exported: by stride."""
    folders = {}
    for stride in (0, STRIDE):
        folder = tmp_path_factory.mktemp("long_texts")
        shutil.copytree(made("classification", True, False, False), folder, dirs_exist_ok=True)
        with contextlib.chdir(folder):
            compare_models("mine", LENGTH, stride)
            export.export_student("mine", LENGTH, ANY_DROP, stride)
        folders[stride] = folder / "models/mine"
    return folders


@pytest.fixture
def folder(both):
    return both[STRIDE]


def by_transformers(folder, text: str) -> np.ndarray:
    """(outputs,): the mean of the logits of the windows that transformers' own tokenizer cuts."""
    inputs = AutoTokenizer.from_pretrained(folder)(
        text, truncation=True, max_length=LENGTH, stride=STRIDE, return_overflowing_tokens=True
    )
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        rows = [model(input_ids=torch.tensor([ids])).logits[0] for ids in inputs["input_ids"]]
    return torch.stack(rows).mean(dim=0).numpy()


def test_predictions_are_the_mean_of_the_windows_in_onnx_and_in_torch(folder):
    student = Classifier(folder / "onnx", "onnx")
    logits = student.logits(TEXTS)
    for text, row in zip(TEXTS, logits, strict=True):
        np.testing.assert_allclose(row, by_transformers(folder / "student", text), atol=1e-5)
    [long] = student.encode([LONG])
    assert len(long.overflowing) > 3
    by_torch = TorchClassifier(folder / "student", student)(TEXTS)
    for actual, expected in zip(by_torch, student(TEXTS), strict=True):
        assert actual["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


@pytest.mark.parametrize("kind", ["onnx", "int8"])
def test_texts_that_fit_have_the_logits_of_cut_bit_for_bit(both, kind):
    cut, windows = (Classifier(both[n] / "onnx", kind).logits(TEXTS) for n in (0, STRIDE))
    is_short = [len(text.split()) <= LENGTH - 2 for text in TEXTS]
    assert (windows == cut).all(axis=1).tolist() == is_short


def test_scores_are_those_of_the_predictions_for_whole_texts(folder):
    root = folder.parents[1]
    test = pd.read_parquet(root / "data/tasks/mine/test.parquet")
    student = Classifier(folder / "onnx", "onnx")
    answers = [prediction["label"] for prediction in student(test["text_a"].tolist())]
    assert pd.read_csv(root / "metrics/predictions/mine.csv")["student"].tolist() == answers
    accuracy = np.mean(
        [student.labels[i] == a for i, a in zip(test["label"], answers, strict=True)]
    )
    evaluated, exported = (
        json.loads((root / f"metrics/{stage}/mine.json").read_text())
        for stage in ("eval", "export")
    )
    assert evaluated["rows"] == len(test) == 19
    assert evaluated["student"]["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert exported["onnx"]["accuracy"] == pytest.approx(accuracy, abs=1e-4)


def test_the_service_answers_as_predict_does(folder):
    student = Classifier(folder / "onnx")
    with TestClient(serve.create(student)) as client:
        response = client.post("/predict", json={"texts": TEXTS[:4]}).json()["results"]
    assert response == student(TEXTS[:4])


def test_the_card_says_what_becomes_of_long_texts(both):
    cut, windows = (" ".join((both[n] / "onnx/README.md").read_text().split()) for n in (0, STRIDE))
    assert "longer ones are read in windows of so many, which share 2; the mean" in windows
    assert "of at most 8 tokens; longer ones are cut there." in cut


def test_other_windows_than_in_training_fail_the_export(finished, monkeypatch):
    finished("classification")
    save = encoding.save
    monkeypatch.setattr(encoding, "save", lambda *words: save(*words[:3], STRIDE + 1))
    with pytest.raises(InputError, match="gives other token ids than training saw"):
        export.export_student("mine", LENGTH, ANY_DROP, STRIDE)
