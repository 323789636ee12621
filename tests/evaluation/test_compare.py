"""Scores and predictions against plain transformers and formulas in NumPy."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from dvc.repo.metrics.show import _extract_metrics
from tiny import tiny_config
from transformers import AutoTokenizer, BertForSequenceClassification

from tinybert.evaluation import compare
from tinybert.evaluation.compare import compare_models
from tinybert.tasks.task import Task

TEXTS = ["good film", "a very bad film", "dull", "the story is boring and the plot", "great"]
TYPES = {"label": pa.int64(), "labels": pa.list_(pa.float32(), 3), "score": pa.float64()}
MODELS = ("baseline", "finetuned_general", "teacher", "student")


@pytest.fixture
def evaluated(tmp_path, monkeypatch, checkpoint):
    """Evaluates three models of random weights on a task; returns the logits of each of TEXTS, by
    plain transformers, and the folder of the metrics."""

    def run(task: Task, targets: dict[str, list], calibration: dict | None = None):
        monkeypatch.chdir(tmp_path)
        folder = tmp_path / "data/tasks/mine"
        task.save(folder)
        for split, values in targets.items():
            columns = {
                "text_a": pa.array(TEXTS),
                "text_b": pa.array([None] * len(TEXTS), pa.string()),
                task.target: pa.array(values, TYPES[task.target]),
            }
            pq.write_table(pa.table(columns), folder / f"{split}.parquet")
        logits = {}
        for seed, role in enumerate(MODELS):
            torch.manual_seed(5 * seed)
            config = tiny_config(**task.head(), initializer_range=1.0, calibration=calibration)
            model = BertForSequenceClassification(config).eval()
            tokenizer = AutoTokenizer.from_pretrained(checkpoint(model, f"models/mine/{role}"))
            with torch.no_grad():
                rows = [model(**tokenizer(t, return_tensors="pt")).logits[0] for t in TEXTS]
            logits[role] = torch.stack(rows).numpy()
        compare_models("mine", 64)
        return logits, tmp_path / "metrics"

    return run


def test_classes_are_scored_on_test_and_on_the_mismatched_half_of_dev(evaluated):
    splits = ["train", "dev", "dev_mismatched", "test"]
    task = Task("classification", ["no", "maybe", "yes"], False, ["f1_macro", "accuracy"], splits)
    targets = {"test": [0, 1, 2, 1, 0], "dev_mismatched": [2, 2, 1, 0, 0]}
    targets |= {"train": [1, 1, 0, 2, 0], "dev": [0, 1, 1, 1, 0]}
    logits, metrics = evaluated(task, targets)
    result = json.loads((metrics / "eval/mine.json").read_text())
    assert (result["split"], result["rows"], result["metric"]) == ("test", 5, "f1_macro")
    parts = {"test": result, "dev_mismatched": result["dev_mismatched"]}
    # The texts of all splits are the same: the linear model has learnt train's labels of them.
    hits = np.equal(targets["train"], targets["test"]).mean()
    assert result["linear"]["accuracy"] == pytest.approx(hits, abs=1e-4)
    for split, part in parts.items():
        accuracy = {model: (logits[model].argmax(1) == targets[split]).mean() for model in MODELS}
        for model in MODELS:
            assert list(part[model]) == ["f1_macro", "accuracy"]
            assert part[model]["accuracy"] == pytest.approx(accuracy[model], abs=1e-4)
        assert 0 < accuracy["student"] != accuracy["teacher"] > 0  # the ratio is not trivial
        retention = accuracy["student"] / accuracy["teacher"]
        assert part["retention"]["accuracy"] == pytest.approx(retention, abs=1e-4)
    assert result["chosen_on_it"] is False and result["dev_mismatched"]["rows"] == 5
    predictions = pd.read_csv(metrics / "predictions/mine.csv")
    assert predictions["actual"].tolist() == [task.labels[i] for i in targets["test"]]
    for model in MODELS:
        assert predictions[model].tolist() == [task.labels[i] for i in logits[model].argmax(1)]
    for model in ("teacher", "student"):
        odds = np.exp(logits[model] - logits[model].max(1, keepdims=True))
        expected = odds.max(1) / odds.sum(1)
        np.testing.assert_allclose(predictions[f"{model}_confidence"], expected, atol=1e-4)


def test_the_scores_of_an_ensemble_are_those_of_its_mean_logits(evaluated, checkpoint):
    """Members of other sizes; only the teacher's score changes."""
    labels, target = ["no", "maybe", "yes"], [0, 1, 2, 1, 0]
    task = Task("classification", labels, False, ["accuracy"], ["train", "dev"])
    logits, metrics = evaluated(task, {"train": target, "dev": target})
    alone = json.loads((metrics / "eval/mine.json").read_text())
    members = [logits["teacher"]]
    for seed in (1, 2):
        torch.manual_seed(seed)
        config = tiny_config(**task.head(), num_hidden_layers=3, initializer_range=1.0)
        model = BertForSequenceClassification(config).eval()
        folder = checkpoint(model, f"data/tasks/mine/teachers/{seed:03}")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.no_grad():
            rows = [model(**tokenizer(t, return_tensors="pt")).logits[0] for t in TEXTS]
        members.append(torch.stack(rows).numpy())
    result, mean = compare_models("mine", 64), np.mean(members, axis=0)
    answers = pd.read_csv(metrics / "predictions/mine.csv")["teacher"]
    assert answers.tolist() == [labels[i] for i in mean.argmax(axis=1)]
    assert answers.tolist() != [labels[i] for i in logits["teacher"].argmax(axis=1)]
    hits = (mean.argmax(axis=1) == target).mean()
    assert result["teacher"]["accuracy"] == pytest.approx(hits, abs=1e-4)
    for model in ("linear", "baseline", "finetuned_general", "student"):
        assert result[model] == alone[model]


def test_multi_label_predictions_are_the_names_of_the_labels(evaluated):
    task = Task("multi_label", ["fun", "long", "sad"], False, ["f1_micro"], ["train", "dev"])
    target = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]]
    logits, metrics = evaluated(task, {"dev": target})
    result = json.loads((metrics / "eval/mine.json").read_text())
    assert result["split"] == "dev" and "dev_mismatched" not in result
    assert result["chosen_on_it"] is True
    predictions = pd.read_csv(metrics / "predictions/mine.csv", keep_default_na=False)
    confidences = ["teacher_least_confidence", "student_least_confidence"]
    assert list(predictions) == ["actual", *MODELS, *confidences]
    for name, model in zip(confidences, ("teacher", "student"), strict=True):
        expected = 1 / (1 + np.exp(-np.abs(logits[model]).min(axis=1)))
        np.testing.assert_allclose(predictions[name], expected, atol=1e-4)
    assert predictions["actual"].tolist() == ["fun, sad", "", "long", "fun, long, sad", "sad"]
    for model in MODELS:
        positive = logits[model] > 0
        names = [", ".join(np.array(task.labels)[row]) for row in positive]
        assert predictions[model].tolist() == names
        hits = (positive & np.array(target, bool)).sum()
        f1 = 2 * hits / (positive.sum() + np.sum(target))
        assert result[model]["f1_micro"] == pytest.approx(f1, abs=1e-4)


def test_without_labels_to_train_on_a_labelled_test_has_its_metrics_and_agreement(evaluated):
    labels, metrics = ["no", "maybe", "yes"], ["accuracy"]
    task = Task("classification", labels, False, metrics, ["dev", "test", "unlabeled"], ["dev"])
    logits, metrics = evaluated(task, {"dev": [0, 1, 1, 1, 0], "test": [0, 1, 2, 1, 0]})
    result = json.loads((metrics / "eval/mine.json").read_text())
    assert (result["split"], result["metric"]) == ("test", "accuracy")
    answers = {model: logits[model].argmax(1) for model in ("teacher", "student")}
    for model, given in answers.items():
        assert result[model] == {
            "accuracy": pytest.approx((given == [0, 1, 2, 1, 0]).mean(), abs=1e-4),
            "agreement": pytest.approx((given == answers["teacher"]).mean(), abs=1e-4),
        }
    assert 0 < result["student"]["agreement"] < 1  # the models differ
    assert result["intervals"]["student"].keys() == {"accuracy", "agreement"}
    assert result["calibration"].keys() == {"ece", "brier", "thresholds"}
    assert not {"linear", "baseline", "finetuned_general"} & set(result)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_most_probable_labels_are_marked_where_scores_come_from_them(evaluated, split):
    splits, probable = ["train", "dev", split], ["train", "dev"]
    task = Task("classification", ["no", "yes"], False, ["accuracy"], splits, probable=probable)
    _, metrics = evaluated(task, {part: [0, 1, 1, 1, 0] for part in splits})
    result = json.loads((metrics / "eval/mine.json").read_text())
    assert result.get("probable_labels", False) == (split == "dev")


def test_predicted_scores_are_the_logits(evaluated):
    task = Task("regression", [], False, ["pearson", "spearman"], ["train", "dev"])
    target = [0.5, 1.25, 3.0, 2.0, 5.0]
    logits, metrics = evaluated(task, {"dev": target})
    predictions = pd.read_csv(metrics / "predictions/mine.csv")
    assert predictions["actual"].tolist() == target
    result = json.loads((metrics / "eval/mine.json").read_text())
    for model in MODELS:
        np.testing.assert_allclose(predictions[model], logits[model][:, 0], rtol=1e-4, atol=1e-5)
        expected = np.corrcoef(logits[model][:, 0], target)[0, 1]
        assert result[model]["pearson"] == pytest.approx(expected, abs=2e-4)


def test_intervals_and_differences_are_those_of_the_same_resampled_rows():
    """Of the accuracies, each a mean of rows: normal, with the rows' standard deviations."""
    random, target = np.random.default_rng(0), np.arange(1000) % 4
    student = np.where(random.random(1000) < 0.8, target, (target + 1) % 4)
    spoilt = random.random(1000) < 0.1
    other = np.where(spoilt, (target + 2) % 4, student)
    predicted = {"baseline": other, "teacher": student, "student": student}
    pairs = {model: (target, values) for model, values in predicted.items()}
    result = compare._uncertainty(pairs, ["accuracy"])

    def normal(values: np.ndarray) -> list[float]:
        half = 1.96 * values.std() / np.sqrt(1000)
        return [pytest.approx(values.mean() + sign * half, abs=0.003) for sign in (-1, 1)]

    hits = (student == target).astype(float)
    assert result["intervals"]["student"]["accuracy"] == normal(hits)
    assert result["intervals"]["teacher"] == result["intervals"]["student"]
    assert result["differences"]["baseline"] == normal(hits - (other == target))
    assert result["differences"]["teacher"] == [0, 0]


@pytest.mark.parametrize("rows", [15, 1000])
def test_a_student_that_guesses_is_near_chance(rows):
    random = np.random.default_rng(0)
    target, guessed = random.integers(0, 2, (2, rows))
    logits = {"teacher": np.eye(2)[target], "student": np.eye(2)[guessed]}
    assert compare._near_chance(logits, target) == ["student"]


def test_dvc_sees_numbers_alone(evaluated):
    """`dvc metrics diff` and `dvc exp show` would show each interval as a column."""
    task = Task("multi_label", ["fun", "long", "sad"], False, ["f1_micro"], ["train", "dev"])
    target = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]]
    _, metrics = evaluated(task, {"dev": target})
    shown = _extract_metrics(json.loads((metrics / "eval/mine.json").read_text()), "")
    header = ["split", "rows", "chosen_on_it", "metric"]
    assert list(shown) == [*header, *MODELS, "retention", "calibration"]
    assert list(shown["calibration"]) == ["ece", "brier"]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_temperature_is_in_the_metrics_and_whether_these_rows_chose_it(evaluated, split):
    labels = ["no", "maybe", "yes"]
    task = Task("classification", labels, False, ["accuracy"], ["train", "dev", split])
    targets = {part: [0, 1, 2, 1, 0] for part in task.splits}
    logits, metrics = evaluated(task, targets, {"temperature": 1.5})
    result = json.loads((metrics / "eval/mine.json").read_text())["calibration"]
    assert (result["temperature"], result["fitted_on_it"]) == (1.5, split == "dev")
    for name, scaled in {"brier": 1.0, "brier_before": 1.5}.items():
        odds = np.exp(logits["student"].astype(float) * scaled)
        missed = odds / odds.sum(axis=1, keepdims=True) - np.eye(3)[targets[split]]
        assert result[name] == pytest.approx((missed**2).sum(axis=1).mean(), abs=1e-4)
