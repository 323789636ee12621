"""Prediction losses against NumPy float64."""

import numpy as np
import pytest
import torch
from conftest import VOCABULARY, tiny_config
from transformers import BertForSequenceClassification

from tinybert.encode import NO_LABEL
from tinybert.logit_loss import PredictionLoss, hard_cross_entropy, score_loss, soft_cross_entropy


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


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


def test_hard_cross_entropy_is_the_mean_over_labelled_rows():
    logits = torch.randn(4, 3, dtype=torch.float64)
    label = torch.tensor([2, NO_LABEL, 0, NO_LABEL])
    own = log_softmax(logits.numpy())
    expected = -(own[0, 2] + own[2, 0]) / 2
    assert hard_cross_entropy(logits, label).item() == pytest.approx(expected, rel=1e-6)
    assert hard_cross_entropy(logits, torch.full((4,), NO_LABEL)).item() == 0


def test_score_loss_is_the_mean_over_scored_rows():
    prediction = torch.tensor([[1.0], [2.0], [5.0]], requires_grad=True)
    loss = score_loss(prediction, torch.tensor([3.0, float("nan"), 4.0]))
    loss.backward()
    assert loss.item() == pytest.approx((2**2 + 1**2) / 2)
    assert prediction.grad.squeeze().tolist() == pytest.approx([-2.0, 0.0, 1.0])


def make_batch(**columns) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, len(VOCABULARY), (3, 6))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **columns}


def test_prediction_loss_weighs_soft_and_hard():
    model = BertForSequenceClassification(tiny_config(num_labels=3)).eval()
    batch = make_batch(teacher_logits=torch.randn(3, 3), label=torch.tensor([0, NO_LABEL, 2]))
    parts = PredictionLoss(model, 2.0, 0.25)(batch)
    logits = model(batch["input_ids"]).logits
    soft = soft_cross_entropy(logits, batch["teacher_logits"], 2.0).item()
    hard = hard_cross_entropy(logits, batch["label"]).item()
    assert parts["loss"].item() == pytest.approx(0.75 * soft + 0.25 * hard, rel=1e-5)


def test_prediction_loss_of_regression_is_squared_error_to_teacher_and_gold():
    model = BertForSequenceClassification(tiny_config(num_labels=1)).eval()
    score = torch.tensor([1.0, float("nan"), 2.0])
    batch = make_batch(teacher_logits=torch.tensor([[0.5], [1.5], [2.5]]), score=score)
    parts = PredictionLoss(model, 1.0, 0.5)(batch)
    own = model(batch["input_ids"]).logits.squeeze(-1).detach().double().numpy()
    soft = ((own - [0.5, 1.5, 2.5]) ** 2).mean()
    hard = ((own[[0, 2]] - [1.0, 2.0]) ** 2).mean()
    assert parts["loss"].item() == pytest.approx(0.5 * soft + 0.5 * hard, rel=1e-5)
