"""Finding, checking and loading pretrained models: safetensors only, no remote code."""

import hashlib
import importlib.util
import json
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from tinybert.errors import InputError

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

WEIGHTS = "model.safetensors"
# A base model may come without a pooler and a classifier without its head; they start at random.
HEADS = ("pooler.", "classifier.", "score.")


def fetch(model: str, revision: str | None, sha256: str | None, out: Path) -> None:
    """Copies a pretrained model and its tokenizer to `out`, with source.json: where it came from.

    model: a hub id (with revision), a directory, or package:NAME for a model inside an installed
    Python package. A masked-language-model head is kept where there is one.
    Raises InputError if the model is not there, has no safetensors, or has another sha256.
    """
    is_hub = not model.startswith("package:") and not Path(model).is_dir()
    source = _package_folder(model) if model.startswith("package:") else model
    options = {"revision": revision} if is_hub and revision else {}
    try:
        weights = cached_file(source, WEIGHTS, **options)
        config = AutoConfig.from_pretrained(source, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except OSError as error:
        raise InputError(
            f"pretrained.model: {model} cannot be loaded; it must be a hub id, a directory or "
            f"package:NAME with config.json, {WEIGHTS} and a tokenizer ({error})"
        ) from error
    digest = file_sha256(Path(weights))
    if sha256 and digest != sha256:
        raise InputError(
            f"pretrained.sha256: {model} has a {WEIGHTS} with sha256 {digest}, params.yaml names "
            f"{sha256}; do not use it unless you trust the new one and write its sha256 there"
        )
    masked = any(name.endswith("ForMaskedLM") for name in config.architectures or [])
    loaded = load(AutoModelForMaskedLM if masked else AutoModel, str(source), **options)
    loaded.save_pretrained(out)
    tokenizer.save_pretrained(out)
    origin = {"model": model, "revision": revision if is_hub else None, "sha256": digest}
    (out / "source.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def load(
    auto_class: type, folder: str | Path, new: tuple[str, ...] = HEADS, **options
) -> PreTrainedModel:
    """from_pretrained in float32, from safetensors; missing weights are an error that lists them.

    new: parts that a checkpoint may lack; they start at random, so seed before.
    """
    model, info = auto_class.from_pretrained(
        folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
    )
    missing = [key for key in info["missing_keys"] if not any(part in key for part in new)]
    if missing or info["mismatched_keys"]:
        wrong = [*missing, *(str(key) for key in info["mismatched_keys"])]
        raise InputError(
            f"{folder} lacks weights of a {type(model).__name__}, or has them in another shape: "
            f"{', '.join(sorted(wrong))}"
        )
    return model


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


def file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _package_folder(model: str) -> Path:
    """The folder with config.json inside an installed package, which is not imported."""
    name = model.removeprefix("package:")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"pretrained.model: the Python package {name!r} is not installed")
    root = Path(spec.submodule_search_locations[0])
    folders = sorted(
        file.parent for file in root.rglob(WEIGHTS) if (file.parent / "config.json").is_file()
    )
    if len(folders) != 1:
        raise InputError(
            f"pretrained.model: {name} holds {len(folders)} models with {WEIGHTS}, not 1"
        )
    return folders[0]
