"""The general student's initial weights."""

import torch
from transformers import AutoModel, PreTrainedModel

from tinybert.distillation.layers.closed_form import closed_form_start
from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.published import load_published
from tinybert.distillation.layers.student_config import student_config
from tinybert.models.rows import Rows
from tinybert.pipeline import distributed, paths
from tinybert.pipeline.schema import LayerLoss, Params, Student


def general_student(
    teacher: PreTrainedModel,
    settings: Params,
    sample: Rows,
    seed: int,
) -> tuple[PreTrainedModel, Projection]:
    """The general student before its training, and the linear maps of its loss: published where
    `student.init` names a model, else new."""
    student, layers = settings.student, settings.layer_loss
    if student.is_published:
        return load_published(student, paths.PUBLISHED_STUDENT, teacher, layers, seed)
    if student.init == "random" and not settings.general.epochs and distributed.is_main():
        print("warning: general.epochs is 0, so the general student's weights stay random")
    return create_student(teacher, student, layers, sample, seed)


def create_student(
    teacher: PreTrainedModel, settings: Student, layers: LayerLoss, sample: Rows, seed: int
) -> tuple[PreTrainedModel, Projection]:
    """A new general student and the linear maps of its loss.

    settings.init: "random" is transformers' initialisation with `seed`; "projection" is
    closed_form_start on the rows of `sample`, which raises InputError if the architecture or the
    sizes do not allow it.
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
        basis = closed_form_start(student, teacher, layers.layer_map, sample)
        for linear in projection.maps:
            torch.nn.init.zeros_(linear.bias)
            linear.weight.data.copy_(basis)
    return student, projection
