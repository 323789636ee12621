"""Scores, sizes and speeds are of the models and rows they claim to be."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import tiny_config
from transformers import AutoTokenizer, BertForSequenceClassification

from tinybert import evaluate
from tinybert.encode import encode
from tinybert.schema import Evaluate
from tinybert.task import Task

TEXTS = ["good film", "a very bad film", "dull", "the story is boring and the plot", "great"]
TYPES = {"label": pa.int64(), "labels": pa.list_(pa.float32(), 3), "score": pa.float64()}
MODELS = ("baseline", "teacher", "student")


def test_size_counts_parameters_and_bytes(checkpoint):
    model = BertForSequenceClassification(tiny_config())
    folder = checkpoint(model)
    found = evaluate.size(model, folder)
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    assert found["megabytes"] == pytest.approx(4 * found["parameters"] / 1e6, abs=0.02)


def test_speed_runs_the_asked_number_of_rows_alone_and_in_batches(tokenizer):
    model = BertForSequenceClassification(tiny_config())
    seen = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    rows = encode([f"good film {'very ' * i}" for i in range(20)], None, tokenizer, 32)
    found = evaluate.speed({"only": model}, rows, batch_size=4, speed_rows=10)
    assert set(found["only"]) == {"latency_ms", "rows_per_second"}
    assert found["only"]["latency_ms"] > 0 and found["only"]["rows_per_second"] > 0
    assert seen[:13] == [1] * 13  # three to warm up
    assert seen[13:] == [4, 4, 2] * evaluate.ROUNDS


@pytest.fixture
def evaluated(tmp_path, monkeypatch, checkpoint):
    """Evaluates three models of random weights on a task; returns the logits of each of TEXTS, by
    plain transformers, and the folder of the metrics."""

    def run(task: Task, targets: dict[str, list]):
        monkeypatch.chdir(tmp_path)
        folder = tmp_path / "data/tasks/mine"
        folder.mkdir(parents=True)
        (folder / "task.json").write_text(json.dumps(asdict(task)))
        for split, values in targets.items():
            columns = {
                "text_a": pa.array(TEXTS),
                "text_b": pa.array([None] * len(TEXTS), pa.string()),
                task.target: pa.array(values, TYPES[task.target]),
            }
            pq.write_table(pa.table(columns), folder / f"{split}.parquet")
        logits = {}
        for model in MODELS:
            torch.manual_seed(5 * MODELS.index(model))
            config = tiny_config(**task.head(), initializer_range=1.0)
            loaded = BertForSequenceClassification(config).eval()
            place = checkpoint(loaded, f"models/mine/{model}")
            tokenizer = AutoTokenizer.from_pretrained(place)
            with torch.no_grad():
                found = [loaded(**tokenizer(t, return_tensors="pt")).logits[0] for t in TEXTS]
            logits[model] = torch.stack(found).numpy()
        evaluate.run("mine", 64, Evaluate(batch_size=2, speed_rows=3), tmp_path / "metrics")
        return logits, tmp_path / "metrics"

    return run


def test_classes_are_scored_on_test_and_on_the_mismatched_half_of_dev(evaluated):
    splits = ["train", "dev", "dev_mismatched", "test"]
    task = Task("classification", ["no", "maybe", "yes"], False, ["f1_macro", "accuracy"], splits)
    targets = {"test": [0, 1, 2, 1, 0], "dev_mismatched": [2, 2, 1, 0, 0], "dev": [9] * 5}
    logits, metrics = evaluated(task, targets)
    found = json.loads((metrics / "eval/mine.json").read_text())
    assert (found["split"], found["rows"], found["metric"]) == ("test", 5, "f1_macro")
    for part, target in ((found, targets["test"]), (found["dev_mismatched"], [2, 2, 1, 0, 0])):
        right = {model: (logits[model].argmax(1) == target).mean() for model in MODELS}
        for model in MODELS:
            assert list(part[model]) == ["f1_macro", "accuracy"]
            assert part[model]["accuracy"] == pytest.approx(right[model], abs=1e-4)
        assert 0 < right["student"] != right["teacher"] > 0  # or their ratio would say nothing
        kept = right["student"] / right["teacher"]
        assert part["retention"]["accuracy"] == pytest.approx(kept, abs=1e-4)
    said = pd.read_csv(metrics / "predictions/mine.csv")
    assert said["actual"].tolist() == [task.labels[i] for i in targets["test"]]
    for model in MODELS:
        assert said[model].tolist() == [task.labels[i] for i in logits[model].argmax(1)]
    speeds = json.loads((metrics / "speed/mine.json").read_text())
    assert set(speeds) == set(MODELS)
    assert all(value > 0 for speed in speeds.values() for value in speed.values())


def test_of_several_labels_those_that_apply_are_named(evaluated):
    task = Task("multi_label", ["fun", "long", "sad"], False, ["f1_micro"], ["train", "dev"])
    target = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]]
    logits, metrics = evaluated(task, {"dev": target})
    found = json.loads((metrics / "eval/mine.json").read_text())
    assert found["split"] == "dev" and "dev_mismatched" not in found
    said = pd.read_csv(metrics / "predictions/mine.csv", keep_default_na=False)
    assert said["actual"].tolist() == ["fun, sad", "", "long", "fun, long, sad", "sad"]
    for model in MODELS:
        on = logits[model] > 0
        names = [", ".join(np.array(task.labels)[row]) for row in on]
        assert said[model].tolist() == names
        true = (on & np.array(target, bool)).sum()
        f1 = 2 * true / (on.sum() + np.sum(target))
        assert found[model]["f1_micro"] == pytest.approx(f1, abs=1e-4)


def test_scores_are_written_as_they_are(evaluated):
    task = Task("regression", [], False, ["pearson", "spearman"], ["train", "dev"])
    target = [0.5, 1.25, 3.0, 2.0, 5.0]
    logits, metrics = evaluated(task, {"dev": target})
    said = pd.read_csv(metrics / "predictions/mine.csv")
    assert said["actual"].tolist() == target
    found = json.loads((metrics / "eval/mine.json").read_text())
    for model in MODELS:
        np.testing.assert_allclose(said[model], logits[model][:, 0], rtol=1e-4, atol=1e-5)
        expected = np.corrcoef(logits[model][:, 0], target)[0, 1]
        assert found[model]["pearson"] == pytest.approx(expected, abs=2e-4)


def test_speed_is_measured_on_rows_from_all_over_the_split(tokenizer):
    """The files of many tasks are in the order of labels or lengths."""
    model = BertForSequenceClassification(tiny_config())
    seen = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    rows = encode(["good"] * 10 + ["good " * 30] * 9, None, tokenizer, 64)
    evaluate.speed({"only": model}, rows, batch_size=4, speed_rows=10)
    lengths = [shape[1] for shape in seen[3:13]]
    assert min(lengths) == 4 and max(lengths) == 32
