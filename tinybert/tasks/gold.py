"""The losses of fine-tuning on gold labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinybert.models.attention import use_attention
from tinybert.models.rows import NO_LABEL, labelled_logits
from tinybert.pipeline import distributed


def hard_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy with gold labels: the mean over labelled rows, 0 if there are none.

    logits: (batch, classes). label: (batch,), NO_LABEL where there is none.
    """
    total = F.cross_entropy(logits.float(), label, ignore_index=NO_LABEL, reduction="sum")
    return mean_over(total, (label != NO_LABEL).sum())


def hard_binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy with gold labels: the mean over labelled rows, 0 if there are none.

    logits, labels: (batch, labels); labels are 0 or 1, NaN where there is no gold label.
    """
    has_gold = ~labels.isnan()
    target = torch.where(has_gold, labels, 0.0)
    loss = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return mean_over(torch.where(has_gold, loss, 0.0).sum(), has_gold.sum())


def score_loss(prediction: Tensor, score: Tensor) -> Tensor:
    """Mean squared error of regression: the mean over the rows whose score is not NaN, 0 if none.

    prediction: (batch, 1). score: (batch,).
    """
    has_gold = ~score.isnan()
    error = torch.where(has_gold, prediction.float().squeeze(-1) - score.float(), 0.0)
    return mean_over(error.square().sum(), has_gold.sum())


def mean_over(total: Tensor, count: Tensor | int) -> Tensor:
    """total / count, 0 if the count is 0. If processes share the batch, the count is their mean, so
    that the mean of their gradients is the gradient of the mean over the whole batch."""
    count = distributed.mean(torch.as_tensor(count, dtype=torch.float32, device=total.device))
    return total / torch.where(count > 0, count, 1.0)


def gold_loss(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The loss for the batch's target: score, labels, tags or label. Returns a scalar.

    logits: (batch, classes); with tags (words, classes)."""
    if "score" in batch:
        return score_loss(logits, batch["score"])
    if "labels" in batch:
        return hard_binary_cross_entropy(logits, batch["labels"])
    return hard_cross_entropy(logits, batch["tags" if "tags" in batch else "label"])


class GoldLoss(nn.Module):
    """Fine-tuning on gold labels or scores."""

    def __init__(self, student: PreTrainedModel):
        super().__init__()
        use_attention(student)
        self.student = student

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """batch: an encoder's inputs, (batch, length), and label, labels, tags or score. Returns
        the scalar loss."""
        return {"loss": gold_loss(labelled_logits(self.student, batch), batch)}
