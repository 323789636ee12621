"""Changed checkpoints, and fetching them as the stage fetch_pretrained does."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tiny import WHOLE_TABLE, tiny_config
from torch import Tensor

from tinybert.models import pretrained
from tinybert.pipeline.schema import Pretrained, Student


def rewrite(folder: Path, add: dict[str, Tensor] | None = None, drop: tuple[str, ...] = ()) -> None:
    """Changes a checkpoint's weights."""
    weights = {**load_file(folder / "model.safetensors"), **(add or {})}
    weights = {name: tensor for name, tensor in weights.items() if name not in drop}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def same(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Whether all of these weights, of which there are some, are as expected."""
    return bool(weights) and all(torch.equal(w, expected[name]) for name, w in weights.items())


def fetch(model: str | Path, out: Path, length: int = 32, **options) -> None:
    settings = {"model": str(model), "revision": None, "sha256": None, **options}
    pretrained.fetch(Pretrained(**settings), out, {"encode.max_length": length})


def fetch_student(settings: Student, base: Path, out: Path) -> None:
    pretrained.fetch_student(settings, base, out, {"encode.max_length": 32})


def published(model: str | Path, **sizes) -> Student:
    """Settings for a student of the tiny config's sizes, except for those given."""
    values = {size: getattr(tiny_config(), size) for size in pretrained.SIZES}
    return Student(init=str(model), **WHOLE_TABLE, **{**values, **sizes})
