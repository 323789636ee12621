"""A published general TinyBERT as the general student, and the linear maps of its loss."""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinybert.distillation.layers.projection import Projection
from tinybert.models import checks, pretrained
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss, Student

KEY = "student.init"  # of params.yaml, for errors
# The names that published general TinyBERTs give to the linear maps of their loss.
MAPS = ("fit_dense.", "fit_denses.")
MAP = re.compile(r"^(fit_dense|fit_denses\.(\d+))\.(weight|bias)$")


def check(
    settings: Student, teacher: PreTrainedConfig, layers: LayerLoss, lengths: dict[str, int]
) -> None:
    """Raises InputError if the student that fetch_pretrained wrote cannot learn from the teacher.

    lengths: as checks.check takes them.
    """
    tokenizer = load_tokenizer(paths.PRETRAINED)
    folder = paths.PUBLISHED_STUDENT
    student, _ = load_published(settings, folder, teacher, tokenizer, layers, seed=0)
    checks.check(student, tokenizer, lengths, f"{KEY}: {settings.init}")


def load_published(
    settings: Student,
    folder: Path,
    teacher: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    layers: LayerLoss,
    seed: int,
) -> tuple[PreTrainedModel, Projection]:
    """A published student and its linear maps.

    folder: written by pretrained.fetch_student. tokenizer: the teacher's. The maps are `fit_dense`
    (one for all layers) or `fit_denses.N` (one for each). For a checkpoint without maps they are
    random, drawn with `seed`, and task distillation trains them. Raises InputError if vocabulary or
    maps do not fit the teacher.
    """
    model, width = settings.init, teacher.hidden_size
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"{KEY}: {model} has another vocabulary than the teacher. Set pretrained.model to a "
            "model with its vocabulary"
        )
    student = pretrained.load(
        AutoModel, folder, allow_unexpected=(*pretrained.HEADS_IGNORED, *MAPS)
    )
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
