"""Fine-tuning of teacher and baselines: what is trained, saved, logged and warned about."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny import tiny_config
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
)

from tinybert.models.rows import Rows
from tinybert.pipeline.schema import Encode, Training
from tinybert.tasks import finetune
from tinybert.tasks.task import Task

GOOD = ["good film", "great story", "brilliant music", "the actor is great", "good good good"]
BAD = ["bad film", "dull plot", "terrible scene", "the story is boring", "very very bad"]
LABEL = [1] * len(GOOD) + [0] * len(BAD)
SETTINGS = SimpleNamespace(
    seed=1,
    precision="fp32",
    encode=Encode(max_length=32, long_texts="cut"),
)
TRAINING = Training(
    epochs=20,
    batch_size=4,
    lr=1e-2,
    warmup=0.1,
    weight_decay=0.01,
    max_grad_norm=1.0,
    dropout=0.0,
)
TASKS = {
    "classification": Task(
        "classification", ["bad", "good"], False, ["accuracy", "f1_macro"], ["train", "dev"]
    ),
    "multi_label": Task("multi_label", ["a", "b", "c"], False, ["f1_micro"], ["train", "dev"]),
    "regression": Task("regression", [], False, ["pearson", "spearman"], ["train", "dev"]),
}
TYPES = {"label": pa.int64(), "labels": pa.list_(pa.float32(), 3), "score": pa.float64()}
TARGETS = {
    "label": LABEL,
    "labels": [[float(one), 0.0, float(not one)] for one in LABEL],
    "score": [one + i / 10 for i, one in enumerate(LABEL)],
}


@pytest.fixture
def workspace(tmp_path, monkeypatch, tokenizer):
    """A folder with a prepared task `mine`, the same rows as train and dev, and a tokenizer."""

    def prepare(task: Task):
        monkeypatch.chdir(tmp_path)
        tokenizer.save_pretrained(tmp_path / "models/pretrained")
        tiny_config().save_pretrained(tmp_path / "models/pretrained")
        folder = tmp_path / "data/tasks/mine"
        tokenizer.save_pretrained(folder / "teacher")  # of a given one
        (folder / "task.json").write_text(json.dumps(asdict(task)))
        columns = {
            "text_a": pa.array(GOOD + BAD),
            "text_b": pa.array([None] * len(LABEL), pa.string()),
            task.target: pa.array(TARGETS[task.target], TYPES[task.target]),
        }
        for split in ("train", "dev"):
            pq.write_table(pa.table(columns), folder / f"{split}.parquet")
        return tmp_path

    return prepare


def classifier(task: Task, **changes) -> BertForSequenceClassification:
    torch.manual_seed(3)
    config = tiny_config(**{"initializer_range": 0.5, **changes}, **task.head())
    return BertForSequenceClassification(config)


def dev_logits(model, tokenizer) -> np.ndarray:
    """Computed one text at a time, by transformers alone."""
    with torch.no_grad():
        logits = [model.eval()(**tokenizer(t, return_tensors="pt")).logits[0] for t in GOOD + BAD]
    return torch.stack(logits).numpy()


@pytest.mark.parametrize("kind", TASKS)
def test_without_training_the_model_is_saved_and_scored(workspace, tokenizer, kind):
    task = TASKS[kind]
    folder = workspace(task)
    model = classifier(task)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    finetune.finetune(model, "mine", "teacher", SETTINGS, None)
    saved = AutoModelForSequenceClassification.from_pretrained(folder / "models/mine/teacher")
    assert saved.state_dict().keys() == before.keys()
    assert all(torch.equal(saved.state_dict()[name], before[name]) for name in before)
    assert AutoTokenizer.from_pretrained(folder / "models/mine/teacher")("good film") == tokenizer(
        "good film"
    )

    logits, target = dev_logits(saved, tokenizer), np.array(TARGETS[task.target])
    if kind == "classification":
        expected = (logits.argmax(axis=1) == target).mean()
    elif kind == "multi_label":
        expected = 2 * ((logits > 0) & (target > 0)).sum() / ((logits > 0).sum() + target.sum())
    else:
        expected = np.corrcoef(logits[:, 0], target)[0, 1]
    log = folder / "metrics/finetune_teacher/mine"
    assert json.loads((log / "metrics.json").read_text())["dev"] == pytest.approx(expected)
    curve = pd.read_csv(log / "plots/metrics/dev.tsv", sep="\t")
    assert curve["dev"].tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize("role", ["teacher", "baseline", "finetuned_general"])
@pytest.mark.parametrize("kind", TASKS)
def test_training_learns_the_labels_and_logs_its_curves(workspace, tokenizer, kind, role):
    task = TASKS[kind]
    folder = workspace(task)
    finetune.finetune(classifier(task), "mine", role, SETTINGS, TRAINING)
    saved = AutoModelForSequenceClassification.from_pretrained(folder / f"models/mine/{role}")
    logits, target = dev_logits(saved, tokenizer), np.array(TARGETS[task.target])
    if kind == "classification":
        assert (logits.argmax(axis=1) == target).all()
        assert saved.config.id2label == {0: "bad", 1: "good"}
    elif kind == "multi_label":
        assert ((logits > 0) == (target > 0)).mean() > 0.9
    else:
        assert np.corrcoef(logits[:, 0], target)[0, 1] > 0.8
    stage = {"finetuned_general": "finetune_general"}.get(role, f"finetune_{role}")
    log = folder / f"metrics/{stage}/mine"
    dev = pd.read_csv(log / "plots/metrics/dev.tsv", sep="\t")["dev"]
    assert len(dev) == TRAINING.epochs and dev.max() > dev.iloc[0]
    assert {"loss", "lr", "dev"} <= json.loads((log / "metrics.json").read_text()).keys()


@pytest.mark.parametrize("kind", TASKS)
def test_a_teacher_that_learned_nothing_causes_a_warning(workspace, capsys, kind):
    """All outputs are 0, whatever the text."""
    task = TASKS[kind]
    workspace(task)
    model = classifier(task)
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    finetune.finetune(model, "mine", "teacher", SETTINGS, None)
    out, err = capsys.readouterr()
    assert "WARNING: the teacher of mine is near chance" in err and "WARNING" not in out
    assert f"{task.metric} 0." in err


@pytest.mark.parametrize("kind", ["classification", "multi_label"])
def test_a_given_teacher_whose_outputs_have_each_others_names_causes_a_warning(
    workspace, tokenizer, capsys, kind
):
    """It has learnt the labels, then its last two outputs are exchanged."""
    task = TASKS[kind]
    workspace(task)
    model = classifier(task)
    finetune.finetune(model, "mine", "teacher", SETTINGS, TRAINING)
    assert "WARNING" not in capsys.readouterr().err
    order = [1, 0] if kind == "classification" else [2, 1, 0]
    with torch.no_grad():
        for weights in (model.classifier.weight, model.classifier.bias):
            weights.copy_(weights[order].clone())
    finetune.finetune(model, "mine", "teacher", SETTINGS, None)
    err = capsys.readouterr().err
    first, second = (task.labels[0], task.labels[-1])
    assert "named in the wrong order" in err
    assert f"{first!r} -> {second!r}\n  {second!r} -> {first!r}" in err


@pytest.mark.parametrize("answered", [[], ["dev"]])
def test_each_member_of_an_ensemble_is_judged_and_named(workspace, tokenizer, capsys, answered):
    """The third has learnt the labels, and its outputs are exchanged. Without labels the answers of
    the first one judge."""
    task = replace(TASKS["classification"], answered=answered)
    folder = workspace(task)
    trained = classifier(task)
    finetune.finetune(trained, "mine", "teacher", SETTINGS, TRAINING)
    capsys.readouterr()
    others = folder / "data/tasks/mine/teachers"
    for name, exchanged in (("001", False), ("002", True)):
        with torch.no_grad():
            if exchanged:
                for weights in (trained.classifier.weight, trained.classifier.bias):
                    weights.copy_(weights[[1, 0]].clone())
        trained.save_pretrained(others / name)
        tokenizer.save_pretrained(others / name)
    right = AutoModelForSequenceClassification.from_pretrained(others / "001")
    finetune.finetune(right, "mine", "teacher", SETTINGS, None)
    err = capsys.readouterr().err
    assert "outputs of teacher 3 of mine seem to be named in the wrong order" in err
    assert err.count("wrong order") == 1 and "'bad' -> 'good'" in err
    assert ("agreement is 0.000, and 1.000" in err) == bool(answered)
    assert "teacher 3 of mine is near chance" in err or answered
    assert "list for each" in err


def test_a_baseline_may_be_near_chance(workspace, capsys):
    task = TASKS["classification"]
    workspace(task)
    model = classifier(task)
    torch.nn.init.zeros_(model.classifier.weight)
    finetune.finetune(model, "mine", "baseline", SETTINGS, None)
    assert "WARNING" not in capsys.readouterr().err


ROWS = 500
RANDOM = np.random.default_rng(0)
TRUTH = {
    "label": RANDOM.integers(0, 2, ROWS),
    "labels": (RANDOM.random((ROWS, 3)) < 0.3).astype(np.float32),
    "score": RANDOM.random(ROWS).astype(np.float32) * 5,
}
PERFECT = {
    "label": np.eye(2)[TRUTH["label"]],
    "labels": 4 * TRUTH["labels"] - 2,
    "score": TRUTH["score"][:, None],
}


def warned(logits: np.ndarray, task: Task, capsys, truth: dict = TRUTH) -> str:
    dev = Rows(np.zeros(0), np.zeros(ROWS + 1, int), 0, columns={task.target: truth[task.target]})
    finetune.warn_near_chance("mine", logits, dev, task)
    return capsys.readouterr().err


@pytest.mark.parametrize("kind", TASKS)
def test_only_teachers_near_chance_cause_a_warning(capsys, kind):
    task = TASKS[kind]
    perfect, random = PERFECT[task.target], np.random.default_rng(1)
    noise = random.normal(size=perfect.shape)
    assert warned(perfect, task, capsys) == ""
    assert warned(perfect + noise, task, capsys) == ""  # not good, but above chance
    text = warned(noise, task, capsys)
    assert text.count("=" * 80) == 2 and all(metric in text for metric in task.metrics)
    assert "mine" in text and "labels" in text
    assert warned(-perfect, task, capsys) != ""  # as with labels in the wrong order


@pytest.mark.parametrize("kind", TASKS)
def test_a_dev_split_with_one_label_says_nothing_about_a_teacher(capsys, kind):
    task = TASKS[kind]
    truth = {name: np.ones_like(values) for name, values in TRUTH.items()}
    assert warned(PERFECT[task.target], task, capsys, truth) == ""
    assert warned(np.zeros_like(PERFECT[task.target]), task, capsys, truth) == ""
