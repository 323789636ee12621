"""The losses of transformer distillation: attention, hidden states, embeddings (paper §3.1).

Every mean is over real tokens only, so more padding changes nothing. If several processes share a
batch, the mean is over the tokens of all of them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinybert.distillation.layers.layer_map import check, layer_map
from tinybert.distillation.layers.projection import Projection
from tinybert.models.attention import QK, EncoderStates, capture
from tinybert.models.rows import model_inputs
from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError


class SquaredError(torch.autograd.Function):
    """Sum of (student - teacher)² where the mask is 1; the backward pass needs only the difference,
    in the student's precision. Plain operations would pass over the largest tensors of a step eight
    times and keep three of them in float32."""

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
        """mask: 0 or 1, broadcast to the others' shape. No gradient for teacher and mask."""
        difference = torch.sub(student, teacher.to(student.dtype)).mul_(mask.to(student.dtype))
        ctx.save_for_backward(difference)
        # Per row: vector_norm sums half precision in float32 without a copy.
        norms = torch.linalg.vector_norm(difference, dim=-1)
        return norms.to(torch.promote_types(norms.dtype, torch.float32)).square().sum()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (difference,) = ctx.saved_tensors
        return difference * (2 * gradient).to(difference.dtype), None, None


def attention_loss(student: QK, teacher: QK, mask: Tensor) -> Tensor:
    """Mean squared difference of unnormalised attention scores (paper eq. 7).

    student, teacher: queries and keys, each (batch, heads, length, head width); widths may differ.
    mask: (batch, length), 1 for real tokens. Only pairs of real tokens count.
    Returns a scalar. Raises InputError if the numbers of heads differ.
    """
    if student.query.shape[1] != teacher.query.shape[1]:
        raise InputError(
            f"the student has {student.query.shape[1]} attention heads, the teacher "
            f"{teacher.query.shape[1]}; set student.num_attention_heads to the teacher's"
        )
    pairs = mask[:, None, :, None] * mask[:, None, None, :]  # (batch, 1, length, length)
    total = SquaredError.apply(student.scores(), teacher.scores(), pairs)
    return total / (distributed.mean(pairs.sum()) * student.query.shape[1])


def hidden_loss(projected: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of hidden states (paper eq. 8; eq. 9 for the embedding output).

    projected, teacher: (batch, length, teacher's width). mask: (batch, length). Returns a scalar.
    """
    total = SquaredError.apply(projected, teacher, mask[..., None])
    return total / (distributed.mean(mask.sum()) * teacher.shape[-1])


class LayerLoss(nn.Module):
    """The student's layers against the teacher's: embeddings + hidden states + attention (eq. 11).

    layers: "uniform" or a list, as in layer_map. The teacher is frozen and stays in eval mode.
    Raises InputError before training if heads, layers or widths cannot be matched.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        projection: Projection,
        layers: str | list[int],
    ):
        super().__init__()
        student_config, teacher_config = student.config, teacher.config
        check(teacher_config, student_config, layers)
        widths = (student_config.hidden_size, teacher_config.hidden_size)
        for linear in projection.maps:
            if (linear.in_features, linear.out_features) != widths:
                raise InputError(
                    f"the projection maps width {linear.in_features} to {linear.out_features}; "
                    f"student and teacher have {widths[0]} and {widths[1]}"
                )
        self.layers = layer_map(
            layers, student_config.num_hidden_layers, teacher_config.num_hidden_layers
        )
        self.student = student
        self.teacher = teacher.requires_grad_(False)
        self.projection = projection
        # (row indices, length) -> targets, read from a cache instead of computed by the teacher
        self.cached_targets: Callable[[list[int], int], EncoderStates] | None = None

    def train(self, mode: bool = True) -> "LayerLoss":
        super().train(mode)
        self.teacher.eval()  # the reference code leaves dropout on here: a defect
        return self

    def teacher_targets(self, batch: dict[str, Tensor]) -> EncoderStates:
        """The teacher's states at the embedding output (hidden states only) and at the mapped
        layers. batch: an encoder's inputs, (batch, length)."""
        inputs = {k: v.to(self.teacher.device) for k, v in model_inputs(batch).items()}
        with torch.no_grad():
            states = capture(self.teacher, inputs, self.layers)
        hidden_states = tuple(states.hidden_states[n] for n in (0, *self.layers))
        return EncoderStates(hidden_states, [states.attention[n - 1] for n in self.layers])

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """batch: an encoder's inputs, (batch, length), and `row`, (batch,), if targets are cached.
        Returns the scalars embedding, hidden, attention and loss, their sum."""
        mask = batch["attention_mask"].float()
        if self.cached_targets is None:
            teacher = self.teacher_targets(batch)
        else:
            teacher = self.cached_targets(batch["row"].tolist(), mask.shape[1])
        student = capture(self.student, model_inputs(batch))
        hidden = [
            hidden_loss(self.projection(state, m), target, mask)
            for m, (state, target) in enumerate(
                zip(student.hidden_states, teacher.hidden_states, strict=True)
            )
        ]
        attention = [
            attention_loss(student_qk, teacher_qk, mask)
            for student_qk, teacher_qk in zip(student.attention, teacher.attention, strict=True)
        ]
        losses = {"embedding": hidden[0], "hidden": sum(hidden[1:]), "attention": sum(attention)}
        return {"loss": sum(losses.values()), **losses}
