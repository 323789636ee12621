"""A published general TinyBERT as the general student, and the linear maps of its loss."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoModel, PreTrainedModel

from tinybert.distillation.layers.projection import Projection
from tinybert.models import pretrained
from tinybert.models.pretrained import MAPS, PUBLISHED_IGNORED
from tinybert.models.source import read_weights
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss, Student

if TYPE_CHECKING:
    from torch import Tensor

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
    width = teacher.config.hidden_size
    student = pretrained.load(AutoModel, folder, allow_unexpected=PUBLISHED_IGNORED)
    maps = read_maps(settings, folder, width, layers)
    torch.manual_seed(seed)
    projection = Projection(
        layers.projection, settings.num_hidden_layers, settings.hidden_size, width
    )
    if maps:
        projection.load_state_dict(maps)
    else:
        print(
            f"warning: {settings.init} has no {' or '.join(MAPS)}: the linear maps start from "
            "random values"
        )
    return student, projection


def read_maps(
    settings: Student, folder: Path, width: int, layers: LayerLoss
) -> dict[str, "Tensor"]:
    """The linear maps of a published student, as Projection names them; none if it has none.

    folder: as load_published takes it. width: the teacher's. Raises InputError if the maps are of
    another kind than layer_loss.projection, or do not fit the student and the teacher.
    """
    maps = {
        f"maps.{index or 0}.{part}": weight
        for name, weight in read_weights(folder / pretrained.WEIGHTS).items()
        for _, index, part in MAP.findall(name)
    }
    sizes = settings.num_hidden_layers, settings.hidden_size, width
    shapes = {name: tuple(weight.shape) for name, weight in maps.items()}
    expected = {
        kind: {name: tuple(p.shape) for name, p in Projection(kind, *sizes).named_parameters()}
        for kind in ("shared", "per_layer")
    }
    if not maps or shapes == expected[layers.projection]:
        return maps
    count, widths = (
        len({name.split(".")[1] for name in maps}),
        {shape[0] for shape in shapes.values()},
    )
    fits = [kind for kind, names in expected.items() if shapes == names]
    fix = (
        f"Set layer_loss.projection: {fits[0]}"
        if fits
        else "A published student needs 1 map, or 1 more than it has layers, each with a weight "
        f"({width}, {settings.hidden_size}) and a bias ({width},): pretrained.model must have the "
        "maps' width"
    )
    raise InputError(
        f"{KEY}: {settings.init} has {count} linear maps to width "
        f"{', '.join(map(str, sorted(widths)))} (layer_loss.projection is {layers.projection}, the "
        f"teacher's width {width}). {fix}"
    )
