"""The losses of transformer distillation: attention, hidden states, embeddings (paper §3.1).

Every mean runs over real tokens only, so padding a batch further changes nothing. Of a batch that
is shared out to several processes it runs over all of their tokens.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinybert import processes
from tinybert.capture import QK, Inside, capture
from tinybert.encode import model_inputs
from tinybert.errors import InputError
from tinybert.layer_map import check, layer_map


class SquaredError(torch.autograd.Function):
    """Sum of (student - teacher)² where the mask is 1; the difference itself is kept in
    the student's precision. Plain operations would go eight times over the largest tensors of a
    step and keep three of them in float32."""

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
        """mask: 0 or 1, broadcast to the others' shape. No gradient for teacher and mask."""
        difference = torch.sub(student, teacher.to(student.dtype)).mul_(mask.to(student.dtype))
        ctx.save_for_backward(difference)
        # By lines: there half precision is summed in float32 without a copy.
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
    return total / (processes.mean(pairs.sum()) * student.query.shape[1])


def hidden_loss(projected: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of hidden states (paper eq. 8; eq. 9 for the embedding output).

    projected, teacher: (batch, length, teacher's width). mask: (batch, length). Returns a scalar.
    """
    total = SquaredError.apply(projected, teacher, mask[..., None])
    return total / (processes.mean(mask.sum()) * teacher.shape[-1])


class Projection(nn.Module):
    """The linear maps from the student's width to the teacher's (W_h and W_e of paper eq. 8, 9).

    kind: "shared" has one map for the embedding output and all layers, "per_layer" one for each.
    """

    def __init__(self, kind: str, student_layers: int, student_width: int, teacher_width: int):
        super().__init__()
        count = {"shared": 1, "per_layer": student_layers + 1}[kind]
        self.maps = nn.ModuleList(nn.Linear(student_width, teacher_width) for _ in range(count))

    def forward(self, hidden_state: Tensor, layer: int) -> Tensor:
        """(batch, length, student's width) -> (batch, length, teacher's width)."""
        return self.maps[layer % len(self.maps)](hidden_state)


class LayerLoss(nn.Module):
    """The student's inside against the teacher's: embeddings + hidden states + attention.

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
        pupil, master = student.config, teacher.config
        check(master, pupil, layers)
        shape = (pupil.hidden_size, master.hidden_size)
        for linear in projection.maps:
            if (linear.in_features, linear.out_features) != shape:
                raise InputError(
                    f"the projection maps width {linear.in_features} to {linear.out_features}; "
                    f"student and teacher have {shape[0]} and {shape[1]}"
                )
        self.layers = layer_map(layers, pupil.num_hidden_layers, master.num_hidden_layers)
        self.student = student
        self.teacher = teacher.requires_grad_(False)
        self.projection = projection
        self.kept: Callable[[list[int], int], Inside] | None = None  # instead of the teacher

    def train(self, mode: bool = True) -> "LayerLoss":
        super().train(mode)
        self.teacher.eval()  # dropout in the targets is a defect of the reference code
        return self

    def teach(self, batch: dict[str, Tensor]) -> Inside:
        """What the student learns from: the teacher's inside at the embeddings (hidden states only)
        and at the layers of the map."""
        inputs = {k: v.to(self.teacher.device) for k, v in model_inputs(batch).items()}
        with torch.no_grad():
            inside = capture(self.teacher, inputs)
        hidden_states = tuple(inside.hidden_states[n] for n in (0, *self.layers))
        return Inside(hidden_states, [inside.attention[n - 1] for n in self.layers])

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """batch: an encoder's inputs. Returns scalars: loss = embedding + hidden + attention."""
        mask = batch["attention_mask"].float()
        if self.kept is None:
            teacher = self.teach(batch)
        else:
            teacher = self.kept(batch["row"].tolist(), mask.shape[1])
        student = capture(self.student, model_inputs(batch))
        hidden = [
            hidden_loss(self.projection(state, m), target, mask)
            for m, (state, target) in enumerate(
                zip(student.hidden_states, teacher.hidden_states, strict=True)
            )
        ]
        attention = [
            attention_loss(ours, theirs, mask)
            for ours, theirs in zip(student.attention, teacher.attention, strict=True)
        ]
        parts = {"embedding": hidden[0], "hidden": sum(hidden[1:]), "attention": sum(attention)}
        return {"loss": sum(parts.values()), **parts}
