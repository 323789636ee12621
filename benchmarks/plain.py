"""The plain recipe that distillation is compared with: it works as TinyBERT's code does."""

import torch
from torch.nn import functional as F
from transformers import AttentionInterface, BertModel

from tinybert.distillation.layers.projection import Projection


class Plain(torch.nn.Module):
    """The mean squared errors of attention scores, which attention stores masked, and of states."""

    def __init__(self, student: BertModel, teacher: BertModel, linear: Projection):
        super().__init__()
        self.student, self.teacher, self.map = student, teacher, linear
        self.scores: list[torch.Tensor] = []
        AttentionInterface.register("plain_scores", self._attention)
        self.student.set_attn_implementation("plain_scores")
        self.teacher.set_attn_implementation("plain_scores")

    def _attention(self, module, query, key, value, attention_mask, dropout=0.0, **kwargs):
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + attention_mask
        self.scores.append(scores)
        probabilities = F.dropout(scores.softmax(-1), dropout, module.training)
        return (probabilities @ value).transpose(1, 2).contiguous(), None

    def _states(self, model, inputs) -> tuple:
        self.scores = []
        mask = inputs["attention_mask"][:, None, None, :].float()
        inputs = {**inputs, "attention_mask": (1 - mask) * -10000.0}
        return model(**inputs, output_hidden_states=True).hidden_states, self.scores

    def forward(self, inputs: dict) -> torch.Tensor:
        hidden_s, scores_s = self._states(self.student, inputs)
        with torch.no_grad():
            hidden_t, scores_t = self._states(self.teacher, inputs)
        step = len(scores_t) // len(scores_s)
        loss = 0.0
        for student, teacher in zip(scores_s, scores_t[step - 1 :: step], strict=True):
            student = torch.where(student <= -1e2, torch.zeros_like(student), student)
            teacher = torch.where(teacher <= -1e2, torch.zeros_like(teacher), teacher)
            loss = loss + F.mse_loss(student, teacher)
        for m, student in enumerate(hidden_s):
            loss = loss + F.mse_loss(self.map(student, m), hidden_t[m * step])
        return loss
