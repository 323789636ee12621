"""The temperature, against a grid; and that it changes probabilities alone."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import expit, softmax
from tiny import FAMILIES, config_of
from transformers import AutoConfig, AutoModelForSequenceClassification

from tinybert.distillation.prediction.calibration import calibrate, fit_temperature
from tinybert.models import predict
from tinybert.models.encode import read_rows
from tinybert.models.folder import load_classifier, save_model
from tinybert.tasks.task import Task

LABELS = ["no", "maybe", "yes"]
TYPES = {"labels": pa.list_(pa.float32(), 3)}  # of columns, where pyarrow does not see it
GRID = np.exp(np.linspace(-2, 2, 4001))


def drawn(temperature: float, rows: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and targets drawn from the probabilities of logits / temperature."""
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(rows, 5)).astype(np.float32)
    if kind == "multi_label":
        return logits, (random.random(logits.shape) < expit(logits / temperature)).astype(float)
    cumulated = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (random.random((rows, 1)) > cumulated).sum(axis=1)


@pytest.mark.parametrize("kind", ["classification", "multi_label"])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_a_known_temperature_is_found_and_is_the_best_of_a_grid(kind, temperature):
    logits, target = drawn(temperature, 4000, kind)

    def likelihood(t: float) -> float:
        if kind == "multi_label":
            return -np.logaddexp(0, np.where(target == 1, -1, 1) * logits / t).sum()
        return np.log(softmax(logits / t, axis=1)[np.arange(len(target)), target]).sum()

    best = max(GRID, key=likelihood)
    fitted = fit_temperature(logits, target)
    assert fitted == pytest.approx(temperature, rel=0.05)
    assert fitted == pytest.approx(best, rel=0.003)


def test_few_rows_that_are_all_right_do_not_make_a_student_certain():
    """Without a prior, the smaller the temperature, the better."""
    logits, target = 2 * np.eye(3)[[0, 1, 2, 0, 1]], np.array([0, 1, 2, 0, 1])
    assert 0.3 < fit_temperature(logits, target) < 1
    assert 1 < fit_temperature(logits, (target + 1) % 3) < 20


@pytest.fixture
def dev(tmp_path, tokenizer_of):
    """Dev's rows of a task, for a tokenizer of a family."""

    def rows(task: Task, targets: list, family: str = "bert", length: int = 32, stride: int = 0):
        texts = [f"{'very ' * (i % 7)}good film, {word} {i}" for i, word in enumerate("abc" * 20)]
        columns = {"text_a": texts, "text_b": pa.nulls(60, pa.string())}
        columns[task.target] = pa.array(targets, TYPES.get(task.target))
        pq.write_table(pa.table(columns), tmp_path / "dev.parquet")
        return read_rows(tmp_path / "dev.parquet", tokenizer_of(family), length, stride)

    return rows


@pytest.mark.parametrize(
    ("family", "length", "stride"), [*((family, 32, 0) for family in FAMILIES), ("bert", 8, 2)]
)
def test_the_saved_student_has_the_logits_divided_by_the_recorded_temperature(
    dev, tokenizer_of, tmp_path, family, length, stride
):
    """Of windows too: the temperature is that of whole texts."""
    task = Task("classification", LABELS, False, ["accuracy"], ["train", "dev"])
    rows = dev(task, [i % 3 for i in range(60)], family, length, stride)
    assert rows.texts == 60 and (len(rows) > 60) == (stride > 0)
    config = config_of(family, **task.head(), initializer_range=0.5)
    student = AutoModelForSequenceClassification.from_config(config)
    before = predict.logits(student, rows, "fp32")
    calibrate(student, rows, task, "fp32")
    save_model(tmp_path / "student", student, tokenizer_of(family), 32)
    record = AutoConfig.from_pretrained(tmp_path / "student").calibration
    assert record == {
        "temperature": pytest.approx(fit_temperature(before, np.arange(60) % 3), rel=1e-3)
    }
    assert abs(np.log(record["temperature"])) > 0.1  # a student by chance is too sure
    after = predict.logits(load_classifier(tmp_path / "student"), rows, "fp32")
    np.testing.assert_allclose(after * record["temperature"], before, atol=1e-5)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


def test_the_labels_of_a_text_are_those_before(dev):
    task = Task("multi_label", LABELS, False, ["f1_micro"], ["train", "dev"])
    rows = dev(task, [[float(i % 2), float(i % 3 == 0), 1.0] for i in range(60)])
    student = AutoModelForSequenceClassification.from_config(
        config_of("bert", **task.head(), initializer_range=0.5)
    )
    before = predict.logits(student, rows, "fp32")
    calibrate(student, rows, task, "fp32")
    after = predict.logits(student, rows, "fp32")
    np.testing.assert_array_equal(after > 0, before > 0)
    assert 0 < (after > 0).mean() < 1
    np.testing.assert_allclose(after * student.config.calibration["temperature"], before, atol=1e-5)


def test_a_regression_keeps_its_scores_and_records_how_far_they_are_off(dev):
    task = Task("regression", [], False, ["pearson"], ["train", "dev"])
    targets = [i / 10 for i in range(60)]
    rows = dev(task, targets)
    student = AutoModelForSequenceClassification.from_config(config_of("bert", **task.head()))
    before = predict.logits(student, rows, "fp32")
    calibrate(student, rows, task, "fp32")
    np.testing.assert_array_equal(predict.logits(student, rows, "fp32"), before)
    spread = student.config.calibration["spread"]
    off = np.sort(np.abs(before[:, 0] - targets))
    assert off[52] < spread < off[54]  # 54 of 60 rows are within it


def test_a_dev_that_the_teacher_answered_fits_nothing(dev):
    """Nor does a record stay that the pretrained model came with."""
    task = Task("classification", LABELS, False, ["accuracy"], ["dev", "unlabeled"], ["dev"])
    config = config_of("bert", **task.head(), calibration={"temperature": 3.0})
    student = AutoModelForSequenceClassification.from_config(config)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    calibrate(student, dev(task, [i % 3 for i in range(60)]), task, "fp32")
    assert student.config.calibration == {}
    assert all(torch.equal(tensor, before[n]) for n, tensor in student.state_dict().items())
