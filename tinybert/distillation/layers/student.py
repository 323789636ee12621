"""The general student's initial weights."""

import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.published import load_published
from tinybert.distillation.layers.student_config import student_config
from tinybert.models.attention import capture
from tinybert.models.encode import Rows, evenly_spaced, model_inputs
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss, Params, Student

SAMPLE = 512  # rows whose hidden states give the principal directions
TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


def general_student(
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: Params,
    sample: Rows,
    seed: int,
) -> tuple[PreTrainedModel, Projection]:
    """The general student before its training, and the linear maps of its loss: published where
    `student.init` names a model, else new."""
    student, layers = settings.student, settings.layer_loss
    if student.is_published:
        return load_published(student, paths.PUBLISHED_STUDENT, teacher, tokenizer, layers, seed)
    return create_student(teacher, student, layers, sample, seed)


def create_student(
    teacher: PreTrainedModel, settings: Student, layers: LayerLoss, sample: Rows, seed: int
) -> tuple[PreTrainedModel, Projection]:
    """A new general student and the linear maps of its loss.

    settings.init: "random" is transformers' initialisation with `seed`, "projection" is
    principal_start from the rows of `sample`. Raises InputError if the teacher cannot be projected.
    """
    torch.manual_seed(seed)
    student = AutoModel.from_config(student_config(teacher.config, settings))
    projection = Projection(
        layers.projection,
        settings.num_hidden_layers,
        settings.hidden_size,
        teacher.config.hidden_size,
    )
    if settings.init == "projection":
        principal_start(student, projection, teacher, sample)
    return student, projection


@torch.no_grad()
def principal_start(
    student: PreTrainedModel, projection: Projection, teacher: PreTrainedModel, sample: Rows
) -> None:
    """Sets the student's embedding tables to the teacher's, projected onto the principal directions
    of the teacher's hidden states, and the linear maps to the inverse of that projection.

    The LayerNorm after the teacher's tables, with weight g and bias b, is not linear, but its
    divisor is nearly the same for all tokens. So the tables are centred and scaled by g before the
    projection, the projected b is the student's bias, and the student's LayerNorm weight is one
    number that restores the norm.
    Raises InputError if the teacher has no plain embedding tables or is narrower than the student.
    """
    width, wide = student.config.hidden_size, teacher.config.hidden_size
    source, target = teacher.embeddings, student.embeddings
    if not hasattr(source, "word_embeddings"):
        raise InputError(
            "student.init: projection needs a teacher with the embedding tables of BERT; "
            f"{type(teacher).__name__} has others. Use student.init: random"
        )
    if source.word_embeddings.embedding_dim != wide or width > wide:
        raise InputError(
            "student.init: projection needs a teacher with embeddings as wide as its layers and "
            f"at least as wide as student.hidden_size {width}; its embeddings have "
            f"width {source.word_embeddings.embedding_dim}, its layers {wide}. Use student.init: "
            "random"
        )
    _, directions = torch.linalg.eigh(_second_moment(teacher, sample))  # ascending
    basis = directions.flip(1)[:, :width].float()  # (teacher's width, student's width)
    gain, bias = source.LayerNorm.weight, source.LayerNorm.bias
    for name in TABLES:
        if hasattr(source, name):
            table = getattr(source, name).weight
            centred = (table - table.mean(dim=1, keepdim=True)) * gain
            getattr(target, name).weight.copy_(centred @ basis)
    # A normalised vector has norm √width; the teacher's is then multiplied by gain.
    target.LayerNorm.weight.fill_(float((gain.square().sum() / width).sqrt()))
    target.LayerNorm.bias.copy_(bias @ basis)
    for linear in projection.maps:
        linear.weight.copy_(basis)
        linear.bias.zero_()


def _second_moment(teacher: PreTrainedModel, sample: Rows) -> Tensor:
    """Sum of h hᵀ over all hidden states h of SAMPLE rows, (width, width), in float64."""
    teacher.eval()
    chosen = evenly_spaced(len(sample), SAMPLE)
    moment = 0.0
    for start in range(0, len(chosen), 32):
        batch = model_inputs(sample.batch(chosen[start : start + 32]))
        real = batch["attention_mask"].bool()
        for state in capture(teacher, batch).hidden_states:
            tokens = state[real].double()  # (tokens, width)
            moment = moment + tokens.T @ tokens
    return moment
