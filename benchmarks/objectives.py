"""Objectives of distillation that benchmarks.schedules compares with the paper's, and that the
pipeline does not have: none of them won. Each has the `student` that loop.fit trains."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models.rows import model_inputs

RELATION_HEADS = 24  # divides the widths 384, 312 and 192


class ScaledLayers(nn.Module):
    """LayerLoss with the attention's part scaled to the size of the hidden states' before
    training."""

    def __init__(self, loss: LayerLoss, scale: float):
        super().__init__()
        self.loss, self.scale = loss, scale

    @property
    def student(self) -> PreTrainedModel:
        return self.loss.student

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        losses = self.loss(batch)
        rest = losses["embedding"] + losses["hidden"]
        return {"loss": rest + self.scale * losses["attention"]}


class Relations(nn.Module):
    """MiniLMv2 (arXiv 2012.15828): the last layers' relations among queries, keys and values, of
    BERTs whose widths RELATION_HEADS divides."""

    def __init__(self, student: PreTrainedModel, teacher: PreTrainedModel):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.vectors: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        for name, model in (("student", student), ("teacher", teacher)):
            attention = model.encoder.layer[-1].attention.self
            for part in (attention.query, attention.key, attention.value):
                part.register_forward_hook(
                    lambda _module, _inputs, output, name=name: self.vectors[name].append(output)
                )

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        inputs, mask = model_inputs(batch), batch["attention_mask"].bool()
        with torch.no_grad():
            self.teacher(**inputs)
        self.student(**inputs)
        pairs = zip(*(self.vectors.pop(name) for name in ("student", "teacher")), strict=True)
        losses = [
            (_relation(teacher, mask).exp() * (_relation(teacher, mask) - _relation(student, mask)))
            .sum(-1)
            .transpose(1, 2)[mask]
            .mean()
            for student, teacher in pairs
        ]
        self.vectors.update(student=[], teacher=[])
        return {"loss": sum(losses)}


def _relation(vectors: Tensor, mask: Tensor) -> Tensor:
    """(batch, length, width) -> log-probabilities, (batch, heads, length, length)."""
    heads = vectors.float().unflatten(-1, (RELATION_HEADS, -1)).transpose(1, 2)
    scores = heads @ heads.transpose(-1, -2) / heads.shape[-1] ** 0.5
    return scores.masked_fill(~mask[:, None, None], -1e4).log_softmax(-1)


class Both(nn.Module):
    """The prediction's loss plus a weight times the layers' (`hidden`: of the hidden states alone;
    `fading`: of all, and the weight falls from 1 to 0)."""

    def __init__(self, layers: LayerLoss, prediction: PredictionLoss, kind: str, steps: int):
        super().__init__()
        self.layers, self.prediction, self.kind, self.steps = layers, prediction, kind, steps
        self.step = 0
        self.student = prediction.student

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        logits: list[Tensor] = []
        hook = self.student.register_forward_hook(lambda _m, _i, output: logits.append(output))
        layers = self.layers(batch)
        hook.remove()
        prediction = self.prediction.compare(logits[0].logits, batch)["loss"]
        if self.kind == "hidden":
            return {"loss": prediction + 0.1 * (layers["embedding"] + layers["hidden"])}
        weight = max(0.0, 1 - self.step / self.steps)
        self.step += 1
        return {"loss": prediction + weight * layers["loss"]}


class Averaged(nn.Module):
    """An objective whose student's weights are averaged over the last third of the steps."""

    def __init__(self, objective: nn.Module, steps: int):
        super().__init__()
        self.objective, self.student, self.steps, self.step = objective, objective.student, steps, 0
        self.mean: dict[str, Tensor] = {}

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.step += 1
        count = self.step - 2 * self.steps // 3
        if count > 0:
            for name, weight in self.student.state_dict().items():
                mean = self.mean.setdefault(name, weight.detach().clone())
                mean.lerp_(weight, 1 / count)
        return self.objective(batch)
