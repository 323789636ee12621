"""The losses of prediction-layer distillation against NumPy float64."""

import numpy as np
import pytest
import torch
from tiny import VOCABULARY, tiny_config
from transformers import BertForSequenceClassification

from tinybert.distillation.prediction.loss import (
    PredictionLoss,
    check_gold,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)
from tinybert.models.rows import NO_LABEL
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Prediction
from tinybert.tasks.gold import hard_cross_entropy

NAN = float("nan")
LABELS = torch.tensor([[1.0, 0.0, 1.0], [NAN, NAN, NAN], [0.0, 0.0, 0.0]])


def settings(temperature: float, hard_label_weight: float) -> Prediction:
    return Prediction(
        batch_size=4,
        warmup=0.1,
        weight_decay=0.01,
        max_grad_norm=1.0,
        epochs=1,
        lr=1e-3,
        dropout=0.0,
        temperature=temperature,
        hard_label_weight=hard_label_weight,
    )


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def binary_cross_entropy(x, target):
    """Of logits, element by element."""
    return -(target * np.log(sigmoid(x)) + (1 - target) * np.log(1 - sigmoid(x)))


def make_batch(**columns) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, len(VOCABULARY), (3, 6))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **columns}


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_soft_cross_entropy_and_gradient_equal_numpy_float64(t):
    student = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 3, dtype=torch.float64)
    loss = soft_cross_entropy(student, teacher, t)
    loss.backward()
    s, target = student.detach().numpy() / t, np.exp(log_softmax(teacher.numpy() / t))
    expected = -(target * log_softmax(s)).sum(axis=1).mean() * t**2
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    gradient = (np.exp(log_softmax(s)) - target) / 4 * t  # t² / t
    np.testing.assert_allclose(student.grad.numpy(), gradient, rtol=1e-5, atol=1e-8)


def test_gradient_of_soft_cross_entropy_vanishes_at_the_teacher():
    logits = torch.randn(4, 3, requires_grad=True)
    soft_cross_entropy(logits, logits.detach().clone(), 2.0).backward()
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_soft_binary_cross_entropy_and_gradient_equal_numpy_float64(t):
    student = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    teacher = 3 * torch.randn(4, 3, dtype=torch.float64)
    loss = soft_binary_cross_entropy(student, teacher, t)
    loss.backward()
    s, target = student.detach().numpy() / t, sigmoid(teacher.numpy() / t)
    assert loss.item() == pytest.approx(binary_cross_entropy(s, target).mean() * t**2, rel=1e-6)
    gradient = (sigmoid(s) - target) / 12 * t  # t² / t
    np.testing.assert_allclose(student.grad.numpy(), gradient, rtol=1e-5, atol=1e-8)


def test_a_high_temperature_does_not_shrink_the_binary_gradient():
    """It tends to a quarter of the difference of the logits."""
    student = torch.randn(4, 3, requires_grad=True)
    teacher = torch.randn(4, 3)
    soft_binary_cross_entropy(student, teacher, 300.0).backward()
    expected = (student.detach() - teacher) / 4 / 12
    torch.testing.assert_close(student.grad, expected, rtol=0.02, atol=1e-4)


def test_prediction_loss_weighs_soft_and_hard():
    model = BertForSequenceClassification(tiny_config(num_labels=3)).eval()
    batch = make_batch(teacher_logits=torch.randn(3, 3), label=torch.tensor([0, NO_LABEL, 2]))
    parts = PredictionLoss(model, settings(2.0, 0.25))(batch)
    logits = model(batch["input_ids"]).logits
    soft = soft_cross_entropy(logits, batch["teacher_logits"], 2.0).item()
    hard = hard_cross_entropy(logits, batch["label"]).item()
    assert parts["loss"].item() == pytest.approx(0.75 * soft + 0.25 * hard, rel=1e-5)


def test_prediction_loss_of_regression_is_squared_error_to_teacher_and_gold():
    model = BertForSequenceClassification(tiny_config(num_labels=1)).eval()
    score = torch.tensor([1.0, float("nan"), 2.0])
    batch = make_batch(teacher_logits=torch.tensor([[0.5], [1.5], [2.5]]), score=score)
    parts = PredictionLoss(model, settings(1.0, 0.5))(batch)
    logits = model(batch["input_ids"]).logits.squeeze(-1).detach().double().numpy()
    soft = ((logits - [0.5, 1.5, 2.5]) ** 2).mean()
    hard = ((logits[[0, 2]] - [1.0, 2.0]) ** 2).mean()
    assert parts["loss"].item() == pytest.approx(0.5 * soft + 0.5 * hard, rel=1e-5)


@pytest.mark.parametrize("w", [0.0, 0.25, 1.0])
def test_the_multi_label_prediction_loss_is_binary(w):
    model = BertForSequenceClassification(tiny_config(num_labels=3, initializer_range=0.5)).eval()
    batch = make_batch(teacher_logits=torch.randn(3, 3), labels=LABELS)
    parts = PredictionLoss(model, settings(2.0, w))(batch)
    logits = model(batch["input_ids"]).logits.detach().double().numpy()
    target = sigmoid(batch["teacher_logits"].double().numpy() / 2)
    soft = binary_cross_entropy(logits / 2, target).mean() * 4
    labelled = [0, 2]
    hard = binary_cross_entropy(logits[labelled], LABELS.double().numpy()[labelled]).mean()
    assert parts["soft"].item() == pytest.approx(soft, rel=1e-5)
    assert parts["hard"].item() == pytest.approx(hard, rel=1e-5)
    assert parts["loss"].item() == pytest.approx((1 - w) * soft + w * hard, rel=1e-5)
    parts["loss"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.classifier.weight.grad.abs().max() > 0


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_a_weight_of_labels_that_there_are_not_is_refused(weight):
    message = f"prediction.hard_label_weight is {weight:g}, and the task mine has no labels"
    with pytest.raises(InputError, match=message):
        check_gold("mine", False, settings(1.0, weight))
    check_gold("mine", True, settings(1.0, weight))
    check_gold("mine", False, settings(1.0, 0.0))
