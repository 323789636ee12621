"""A published general TinyBERT as the general student, and the linear maps of its loss."""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, PreTrainedModel

from tinybert.distillation.layers.projection import Projection
from tinybert.models import pretrained
from tinybert.models.pretrained import MAPS, PUBLISHED_IGNORED
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss, Student

KEY = "student.init"  # of params.yaml, for errors
MAP = re.compile(r"^(fit_dense|fit_denses\.(\d+))\.(weight|bias)$")


def load_published(
    settings: Student,
    folder: Path,
    teacher: PreTrainedModel,
    layers: LayerLoss,
    seed: int,
) -> tuple[PreTrainedModel, Projection]:
    """A published student and its linear maps.

    folder: written by pretrained.fetch_student. The maps are `fit_dense` (one for all layers) or
    `fit_denses.N` (one for each). For a checkpoint without maps they are random, drawn with `seed`,
    and task distillation trains them. Raises InputError if the maps do not fit the teacher.
    """
    model, width = settings.init, teacher.config.hidden_size
    student = pretrained.load(AutoModel, folder, allow_unexpected=PUBLISHED_IGNORED)
    torch.manual_seed(seed)
    projection = Projection(
        layers.projection, settings.num_hidden_layers, settings.hidden_size, width
    )
    maps = {
        f"maps.{index or 0}.{kind}": weight
        for name, weight in load_file(folder / pretrained.WEIGHTS).items()
        for _, index, kind in MAP.findall(name)
    }
    kind = {1: "shared", settings.num_hidden_layers + 1: "per_layer"}.get(len(maps) // 2)
    if not maps:
        print(
            f"warning: {model} has no {' or '.join(MAPS)}: the linear maps start from random values"
        )
    elif kind != layers.projection or next(iter(maps.values())).shape[0] != width:
        fix = (
            f"Set layer_loss.projection: {kind}"
            if kind
            else "A published student needs 1 map, or 1 more than it has layers"
        )
        raise InputError(
            f"{KEY}: {model} has {len(maps) // 2} linear maps to width "
            f"{next(iter(maps.values())).shape[0]} (layer_loss.projection is {layers.projection}, "
            f"the teacher's width {width}). {fix}; pretrained.model must have the maps' width"
        )
    else:
        projection.load_state_dict(maps)
    return student, projection
