"""The loss of prediction-layer distillation (paper eq. 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinybert.models.attention import use_attention
from tinybert.models.rows import labelled_logits
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Prediction
from tinybert.tasks.gold import gold_loss, mean_over, score_loss


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy with the teacher's distribution as target, times temperature².

    student, teacher: logits, (batch, classes). Both are divided by the temperature t, which shrinks
    the gradient by t²; the factor restores it. Returns a scalar, the mean over the batch.
    """
    target = F.softmax(teacher.float() / temperature, dim=-1)
    total = F.cross_entropy(student.float() / temperature, target, reduction="sum")
    return mean_over(total, len(student)) * temperature**2


def soft_binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """As soft_cross_entropy, for multi-label tasks: binary cross-entropy with the teacher's
    probabilities as targets, times temperature².

    student, teacher: logits, (batch, labels). Returns a scalar, the mean over batch and labels.
    """
    target = torch.sigmoid(teacher.float() / temperature)
    total = F.binary_cross_entropy_with_logits(
        student.float() / temperature, target, reduction="sum"
    )
    return mean_over(total, student.numel()) * temperature**2


def check_gold(name: str, has_labels: bool, settings: Prediction) -> None:
    """Raises InputError if the gold labels of the task `name` have a weight, and it has none: the
    loss would be a part of what it should be, or 0."""
    if settings.hard_label_weight and not has_labels:
        raise InputError(
            f"params.yaml: prediction.hard_label_weight is {settings.hard_label_weight:g}, and the "
            f"task {name} has no labels; set it to 0, or, for this task alone, "
            f"task.{name}.prediction: {{hard_label_weight: 0}}"
        )


class PredictionLoss(nn.Module):
    """Distillation of the prediction layer; the teacher's logits are part of the batch.

    loss = (1 - w) * soft + w * hard, w = hard_label_weight. For regression, soft is the mean
    squared error to the teacher's score and hard that to the gold score.
    """

    def __init__(self, student: PreTrainedModel, settings: Prediction):
        super().__init__()
        use_attention(student)
        self.student = student
        self.temperature = settings.temperature
        self.hard_label_weight = settings.hard_label_weight

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """batch: an encoder's inputs, teacher_logits (batch, classes), and label, labels or score;
        or teacher_logits (words, classes) and tags, of words instead of rows. Returns the scalars
        loss, soft and hard."""
        return self.compare(labelled_logits(self.student, batch), batch)

    def compare(self, logits: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """As forward, with the student's logits, (batch, classes) or (words, classes)."""
        if "score" in batch:
            soft = score_loss(logits, batch["teacher_logits"].squeeze(-1))
        elif "labels" in batch:
            soft = soft_binary_cross_entropy(logits, batch["teacher_logits"], self.temperature)
        else:
            soft = soft_cross_entropy(logits, batch["teacher_logits"], self.temperature)
        hard = gold_loss(logits, batch)
        w = self.hard_label_weight
        return {"loss": (1 - w) * soft + w * hard, "soft": soft, "hard": hard}
