"""The losses of the prediction layer (paper eq. 10), and of plain fine-tuning."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinybert import processes
from tinybert.capture import use_attention
from tinybert.encode import NO_LABEL, model_inputs


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy with the teacher's distribution as target, times temperature².

    student, teacher: logits, (batch, classes). Both are divided by the temperature t; the gradient
    then shrinks with t², which the factor makes up for. Returns a scalar, the mean over the batch.
    """
    target = F.softmax(teacher.float() / temperature, dim=-1)
    total = F.cross_entropy(student.float() / temperature, target, reduction="sum")
    return _mean(total, len(student)) * temperature**2


def soft_binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The same for several labels, each a yes or no: binary cross-entropy with the teacher's
    probabilities as targets, times temperature². The mean over batch and labels."""
    target = torch.sigmoid(teacher.float() / temperature)
    total = F.binary_cross_entropy_with_logits(
        student.float() / temperature, target, reduction="sum"
    )
    return _mean(total, student.numel()) * temperature**2


def hard_binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy with gold labels: the mean over the rows that have some, 0 if none has.

    logits, labels: (batch, labels); labels 0 or 1, or NaN where there are none.
    """
    given = ~labels.isnan()
    target = torch.where(given, labels, 0.0)
    loss = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return _mean(torch.where(given, loss, 0.0).sum(), given.sum())


def hard_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy with gold labels: the mean over the rows that have one, 0 if none has.

    logits: (batch, classes). label: (batch,), NO_LABEL where there is none.
    """
    total = F.cross_entropy(logits.float(), label, ignore_index=NO_LABEL, reduction="sum")
    return _mean(total, (label != NO_LABEL).sum())


def score_loss(prediction: Tensor, score: Tensor) -> Tensor:
    """Mean squared error of regression: the mean over the rows whose score is not NaN, 0 if none.

    prediction: (batch, 1). score: (batch,).
    """
    given = ~score.isnan()
    error = torch.where(given, prediction.float().squeeze(-1) - score.float(), 0.0)
    return _mean(error.square().sum(), given.sum())


def _mean(total: Tensor, count: Tensor | int) -> Tensor:
    """total / count, 0 if there are none; of a batch that is shared out to several processes, by
    the count of them all."""
    count = processes.mean(torch.as_tensor(count, dtype=torch.float32, device=total.device))
    return total / torch.where(count > 0, count, 1.0)


def _gold_loss(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    if "score" in batch:
        return score_loss(logits, batch["score"])
    if "labels" in batch:
        return hard_binary_cross_entropy(logits, batch["labels"])
    return hard_cross_entropy(logits, batch["label"])


class GoldLoss(nn.Module):
    """Fine-tuning on gold labels or scores."""

    def __init__(self, student: PreTrainedModel):
        super().__init__()
        use_attention(student)
        self.student = student

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"loss": _gold_loss(self.student(**model_inputs(batch)).logits, batch)}


class PredictionLoss(nn.Module):
    """Distillation of the prediction layer: the teacher's logits stand in the batch.

    loss = (1 - w) * soft + w * hard, w = hard_label_weight. For regression, soft is the mean
    squared error to the teacher's score and hard that to the gold score.
    """

    def __init__(self, student: PreTrainedModel, temperature: float, hard_label_weight: float):
        super().__init__()
        use_attention(student)
        self.student = student
        self.temperature = temperature
        self.hard_label_weight = hard_label_weight

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """batch: an encoder's inputs, teacher_logits (batch, classes), and label,
        labels or score."""
        logits = self.student(**model_inputs(batch)).logits
        if "score" in batch:
            soft = score_loss(logits, batch["teacher_logits"].squeeze(-1))
        elif "labels" in batch:
            soft = soft_binary_cross_entropy(logits, batch["teacher_logits"], self.temperature)
        else:
            soft = soft_cross_entropy(logits, batch["teacher_logits"], self.temperature)
        hard = _gold_loss(logits, batch)
        w = self.hard_label_weight
        return {"loss": (1 - w) * soft + w * hard, "soft": soft, "hard": hard}
