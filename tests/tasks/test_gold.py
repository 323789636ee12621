"""The losses of fine-tuning against NumPy float64."""

import numpy as np
import pytest
import torch
from tiny import VOCABULARY, tiny_config
from transformers import BertForSequenceClassification

from tinybert.models.rows import NO_LABEL
from tinybert.tasks.gold import GoldLoss, hard_binary_cross_entropy, hard_cross_entropy, score_loss

NAN = float("nan")
LABELS = torch.tensor([[1.0, 0.0, 1.0], [NAN, NAN, NAN], [0.0, 0.0, 0.0]])


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def binary_cross_entropy(x, target):
    """Of logits, element by element."""
    return -(target * np.log(sigmoid(x)) + (1 - target) * np.log(1 - sigmoid(x)))


def test_hard_binary_cross_entropy_and_gradient_are_those_of_the_labelled_rows():
    logits = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    loss = hard_binary_cross_entropy(logits, LABELS)
    loss.backward()
    labelled, target = logits.detach().numpy()[[0, 2]], LABELS.double().numpy()[[0, 2]]
    assert loss.item() == pytest.approx(binary_cross_entropy(labelled, target).mean(), rel=1e-6)
    gradient = np.zeros((3, 3))
    gradient[[0, 2]] = (sigmoid(labelled) - target) / 6
    np.testing.assert_allclose(logits.grad.numpy(), gradient, rtol=1e-5, atol=1e-8)


def test_without_labels_the_binary_loss_and_its_gradient_are_0():
    logits = torch.full((2, 3), 1000.0, requires_grad=True)
    loss = hard_binary_cross_entropy(logits, torch.full((2, 3), NAN))
    loss.backward()
    assert loss.item() == 0 and logits.grad.tolist() == [[0.0] * 3] * 2


def test_hard_cross_entropy_is_the_mean_over_labelled_rows():
    logits = torch.randn(4, 3, dtype=torch.float64)
    label = torch.tensor([2, NO_LABEL, 0, NO_LABEL])
    log_p = log_softmax(logits.numpy())
    expected = -(log_p[0, 2] + log_p[2, 0]) / 2
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


def test_gold_loss_is_that_of_the_batchs_target():
    """Binary for `labels`, over the classes for `label`, squared error for `score`."""
    model = BertForSequenceClassification(tiny_config(num_labels=3, initializer_range=0.5)).eval()
    batch = make_batch(labels=LABELS)
    logits = model(batch["input_ids"]).logits.detach().double().numpy()
    labelled = [0, 2]
    expected = binary_cross_entropy(logits[labelled], LABELS.double().numpy()[labelled]).mean()
    assert GoldLoss(model)(batch)["loss"].item() == pytest.approx(expected, rel=1e-5)
    del batch["labels"]
    batch["label"] = torch.tensor([2, NO_LABEL, 1])
    expected = -(log_softmax(logits)[0, 2] + log_softmax(logits)[2, 1]) / 2
    assert GoldLoss(model)(batch)["loss"].item() == pytest.approx(expected, rel=1e-5)
    del batch["label"]
    model = BertForSequenceClassification(tiny_config(num_labels=1, initializer_range=0.5)).eval()
    batch["score"] = torch.tensor([0.5, NAN, 2.0])
    logits = model(batch["input_ids"]).logits[:, 0].detach().double().numpy()
    expected = ((logits[0] - 0.5) ** 2 + (logits[2] - 2) ** 2) / 2
    assert GoldLoss(model)(batch)["loss"].item() == pytest.approx(expected, rel=1e-5)
