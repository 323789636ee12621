"""Where a model's files are: in a folder, in an installed Python package, or on the hub."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from transformers.utils import cached_file

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.paths import LOCAL_MODELS, is_path

if TYPE_CHECKING:  # torch takes seconds to import, and not every stage needs it
    from torch import Tensor

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"  # of weights in several files: the file of each weight
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def locate(model: str, revision: str | None, key: str) -> tuple[str, dict[str, str]]:
    """Returns what from_pretrained takes: a hub id or a folder, and options.

    key: names the setting in errors. Raises InputError for a path without a folder, and for a
    package without a model.
    """
    if model.startswith("package:"):
        return str(_package_folder(model, key)), {}
    if Path(model).is_dir():
        return model, {}
    if is_path(model):
        raise InputError(
            f"{key}: {model} cannot be loaded: there is no folder {model}"
            + (" (~ is not expanded)" if model.startswith("~") else "")
            + f"; copy the model to {LOCAL_MODELS}/NAME and write {LOCAL_MODELS}/NAME here"
        )
    return model, {"revision": revision} if revision else {}


def find(source: str | Path, name: str, **options) -> Path | None:
    """One of a model's files, or None. source, options: as locate returns them, or a folder of the
    pipeline. Raises InputError if that is missing, OSError if the hub has no such model or cannot
    be reached."""
    if isinstance(source, Path) and not source.is_dir():  # else it would be taken for a hub id
        raise InputError(f"{source} is missing; dvc repro writes it, dvc checkout restores it")
    file = cached_file(source, name, _raise_exceptions_for_missing_entries=False, **options)
    return Path(file) if file else None


def weight_files(source: str | Path, **options) -> list[Path]:
    """A model's safetensors: model.safetensors, or the shards that its index lists, by name.

    source, options: as locate returns them. Raises InputError if there are none, or not all.
    """
    if file := find(source, WEIGHTS, **options):
        return [file]
    index = find(source, INDEX, **options)
    if index is None:
        try:  # find does not tell a hub that cannot be reached from a missing file
            cached_file(source, WEIGHTS, **options)
        except OSError as error:
            if isinstance(error.__cause__, LocalEntryNotFoundError):
                raise
        pickled = [name for name in PICKLES if find(source, name, **options)]
        raise InputError(
            f"{source} has no {WEIGHTS}"
            + (f", only {pickled[0]}" if pickled else "")
            + ". Pickled weights (pytorch_model.bin) are never opened, since they can run code: if "
            "you trust them, load them once with transformers and save_pretrained, which writes "
            "safetensors"
        )
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        is_beside = [Path(name).name == name and name.endswith(".safetensors") for name in names]
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{INDEX} cannot be read ({error!r}); download it again") from None
    if not names or not all(is_beside):
        raise InputError(
            f"{INDEX} lists no files beside it that are safetensors; download it again"
        )
    files = {name: find(source, name, **options) for name in names}
    if missing := [name for name, file in files.items() if file is None]:
        raise InputError(
            f"{INDEX} lists {len(names)} files, and {', '.join(missing)} is missing; copy all of "
            "them"
        )
    return [file for file in files.values() if file]


@contextmanager
def open_weights(file: Path) -> Iterator[safe_open]:
    """A file of safetensors. Raises InputError that names it if it is missing or damaged."""
    try:
        with safe_open(file, "pt") as weights:
            yield weights
    except (FileNotFoundError, SafetensorError) as error:
        raise InputError(
            f"{file} cannot be read ({error}); is it incomplete, or a git LFS pointer (then run "
            "git lfs pull)?"
        ) from None


def read_weights(*files: Path) -> dict[str, "Tensor"]:
    """The weights of a model's files, by name. Raises InputError if one is missing or damaged."""
    weights = {}
    for file in files:
        with open_weights(file) as part:
            weights |= {name: part.get_tensor(name) for name in part.keys()}  # noqa: SIM118
    return weights


def _package_folder(model: str, key: str) -> Path:
    """The folder with the model inside an installed package; the package is not imported."""
    name = model.removeprefix("package:")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{key}: the Python package {name!r} is not installed")
    root = Path(spec.submodule_search_locations[0])
    folders = {
        file.parent
        for weights in (WEIGHTS, INDEX)
        for file in root.rglob(weights)
        if (file.parent / "config.json").is_file()
    }
    if len(folders) != 1:
        raise InputError(f"{key}: {name} holds {len(folders)} models with {WEIGHTS}, not 1")
    return folders.pop()
