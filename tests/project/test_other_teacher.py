"""All stages on texts alone, with two teachers of other tokens and sizes than the model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import run_stages, write_params
from teachers import fine_tuned
from test_no_labels import LABELS, texts
from tiny import tiny_config
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.evaluation import speed
from tinybert.pipeline.errors import InputError

ROWS = 80
TEACHERS = ["data/models/roberta", "data/models/modern"]


def save(folder: Path, tokenizer, byte_tokenizer) -> None:
    """The models: a BERT with other numbers of heads and layers than both teachers."""
    torch.manual_seed(0)
    config = tiny_config(num_hidden_layers=3, num_attention_heads=4)
    BertModel(config).save_pretrained(folder / "data/models/base")
    tokenizer.save_pretrained(folder / "data/models/base")
    for name, family in zip(TEACHERS, ("roberta", "modernbert"), strict=True):
        model = fine_tuned(family, LABELS)
        model.save_pretrained(folder / name)
        byte_tokenizer.save_pretrained(folder / name)


def settings(folder: Path, **intermediate) -> None:
    write_params(
        folder, "data/models/base", {"teacher": TEACHERS}, precision="fp32",
        encode={"max_length": 48}, prediction={"epochs": 2, "lr": 1e-2}, intermediate=intermediate,
        student={"num_attention_heads": 4, "embedding_rank": 4, "min_count": 1},
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tokenizer, byte_tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("other_teacher")
    save(folder, tokenizer, byte_tokenizer)
    (folder / "data/raw/mine").mkdir(parents=True)
    (folder / "data/raw/mine/unlabeled.txt").write_text("\n".join(texts(ROWS, 0)))
    settings(folder)
    with pytest.raises(InputError, match=r"model_type roberta \(not bert\).*epochs: 0"):
        run_stages(folder, "mine", ["fetch_pretrained", "prepare_task"])
    settings(folder, epochs=0)
    run_stages(folder, "mine")
    return folder


def mean(folders: list[Path], lines: list[str]) -> np.ndarray:
    """(texts, labels), the mean logits, one text at a time, by transformers alone."""
    total = 0
    for folder in folders:
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.no_grad():
            rows = [model(**tokenizer(t, return_tensors="pt")).logits[0] for t in lines]
        total = total + torch.stack(rows).numpy() / len(folders)
    return total


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def test_answers_logits_and_scores_are_those_of_the_mean(finished):
    tables, teachers = finished / "data/tasks/mine", [finished / name for name in TEACHERS]
    dev, rest = (pd.read_parquet(tables / f"{split}.parquet") for split in ("dev", "unlabeled"))
    given = mean(teachers, dev["text_a"].tolist()).argmax(axis=1)
    assert dev["label"].tolist() == given.tolist()
    augmented = pd.read_parquet(finished / "data/augmented/mine")["text_a"].tolist()
    assert sorted(augmented) == sorted(rest["text_a"])
    labels = np.concatenate(
        [np.load(file) for file in sorted((finished / "data/labels/mine").glob("*.npy"))]
    )
    np.testing.assert_allclose(labels, mean(teachers, augmented), rtol=1e-4, atol=1e-4)
    student = mean([finished / "models/mine/student"], dev["text_a"].tolist()).argmax(axis=1)
    result = read(finished / "metrics/eval/mine.json")
    assert result["teacher"] == {"agreement": 1.0}
    assert result["student"]["agreement"] == pytest.approx((given == student).mean(), abs=1e-4)


def test_step_1_is_skipped_and_not_on_the_page(finished):
    log = finished / "metrics/distill_intermediate/mine"
    assert [file.name for file in log.iterdir()] == ["skipped.json"]
    general, intermediate = (
        (finished / f"models/mine/{name}/model.safetensors").read_bytes()
        for name in ("general", "intermediate")
    )
    assert general == intermediate
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    assert "distill_prediction" in page and "at the end, step" in page
    assert "distill_intermediate" not in page.partition('id="settings"')[0]


def test_speed_and_service_read_the_teachers_own_tokens(finished, monkeypatch):
    monkeypatch.chdir(finished)
    result = speed.measure("mine", 48, rows=2)
    assert result["one_thread"]["teacher"].keys() == {"torch", "onnx", "int8"}
    line = texts(1, 7)
    answers = TorchClassifier("models/mine/teacher", Classifier("models/mine/onnx"))(line)
    logits = mean([finished / TEACHERS[0]], line)[0]
    assert answers[0]["label"] == LABELS[logits.argmax()]
