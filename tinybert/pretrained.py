"""Finding, checking and loading pretrained models: safetensors only, no remote code."""

import importlib.util
import json
import math
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from tinybert.capture import capture
from tinybert.errors import InputError
from tinybert.files import file_sha256
from tinybert.tokenizer import load_tokenizer

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

__all__ = ["fetch", "has_masked_head", "load", "load_tokenizer", "locate", "read_config"]

WEIGHTS = "model.safetensors"
# Parts outside the encoder. A checkpoint may lack the first: they start at random; it may have any
# of both without our using them.
HEADS = ("pooler.", "classifier.", "score.", "pre_classifier.", "head.")
UNUSED = (
    *HEADS, "cls.", "lm_head.", "predictions.", "discriminator_predictions.", "qa_outputs.",
    "generator_predictions.", "generator_lm_head.", "mask_predictions.", "vocab_transform.",
    "vocab_layer_norm.", "vocab_projector.", "decoder.", "position_ids",
)  # fmt: skip
# Pretrained with a masked-language head and another beside it. ELECTRA's and Funnel's class of that
# kind has a discriminator alone.
TWO_HEADED = (
    "BertForPreTraining", "AlbertForPreTraining", "ErnieForPreTraining", "MobileBertForPreTraining",
)  # fmt: skip

# A config with more than these is no model's; from what is within them a size can be reckoned.
LARGEST, MOST_LAYERS = 2**28, 1000
ROOM = 10**7  # parameters of heads that a checkpoint may lack


def fetch(model: str, revision: str | None, sha256: str | None, out: Path) -> None:
    """Copies a pretrained model and its tokenizer to `out`, with source.json: where it came from.

    model: a hub id (with revision), a directory, or package:NAME for a model inside an installed
    Python package. All weights are kept, those of its heads too.
    Raises InputError if the model is not there, has no safetensors, lacks weights or has others
    than its architecture has, has another sha256, or cannot be distilled. Nothing is written then.
    """
    config, tokenizer = read_config(model, revision, "pretrained.model")
    source, options = locate(model, revision, "pretrained.model")
    weights = Path(cached_file(source, WEIGHTS, **options))
    digest = file_sha256(weights)
    if sha256 and digest != sha256:
        raise InputError(
            f"pretrained.sha256: {model} has a {WEIGHTS} with sha256 {digest}, params.yaml names "
            f"{sha256}; do not use it unless you trust the new one and write its sha256 there"
        )
    if has_masked_head(config):
        loaded = load(AutoModelForMaskedLM, source, new=(), **options)
    else:
        loaded = load(AutoModel, source, **options)
    _check_capture(loaded.base_model, tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, out / WEIGHTS)
    config.save_pretrained(out)
    tokenizer.save_pretrained(out)
    is_hub = source == model and not Path(model).is_dir()
    origin = {"model": model, "revision": revision if is_hub else None, "sha256": digest}
    (out / "source.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def has_masked_head(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint holds a masked-language-model head."""
    return any("ForMaskedLM" in name or name in TWO_HEADED for name in config.architectures or [])


def locate(model: str, revision: str | None, key: str) -> tuple[str, dict[str, str]]:
    """Where transformers finds a model (hub id or folder), and the options that it then needs."""
    if model.startswith("package:"):
        return str(_package_folder(model, key)), {}
    is_hub = not Path(model).is_dir()
    return model, {"revision": revision} if is_hub and revision else {}


def read_config(
    model: str, revision: str | None, key: str
) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    """A model's config and tokenizer; its weights are there. key: of params.yaml, for the error."""
    source, options = locate(model, revision, key)
    try:
        cached_file(source, WEIGHTS, **options)
        config = AutoConfig.from_pretrained(source, **options)
        return config, AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{key}: {model} cannot be loaded; it must be a hub id, a directory or package:NAME "
            f"with config.json, {WEIGHTS} and a tokenizer ({error}). Pickled weights "
            "(pytorch_model.bin) are never opened, since they can run code: where you trust them, "
            "load them once with transformers and save_pretrained, which writes safetensors"
        ) from error


def load(
    auto_class: type,
    folder: str | Path,
    new: tuple[str, ...] = HEADS,
    unused: tuple[str, ...] = UNUSED,
    **options,
) -> PreTrainedModel:
    """from_pretrained in float32, from safetensors.

    new: parts that a checkpoint may lack; they start at random, so seed before. unused: parts that
    it may have beyond the model. Any other missing, unexpected or misshapen weight is an InputError
    that lists them all. So is a config of a model much larger than the weights.
    """
    try:
        _check_size(auto_class, folder, options)
        model, info = auto_class.from_pretrained(
            folder,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are listed below
            **options,
        )
    except SafetensorError as error:
        raise InputError(
            f"{folder}: {WEIGHTS} cannot be read ({error}); is it the whole file, and no "
            "pointer of git LFS?"
        ) from None
    wrong = {
        "lacks": [key for key in info["missing_keys"] if not _is_part(key, new)],
        "has unexpected": [key for key in info["unexpected_keys"] if not _is_part(key, unused)],
        "has in another shape": [
            f"{key} {tuple(theirs)} (not {tuple(ours)})"
            for key, theirs, ours in info["mismatched_keys"]
            if not _is_part(key, new)
        ],
    }
    if any(wrong.values()):
        said = "; ".join(f"{how}: {', '.join(sorted(keys))}" for how, keys in wrong.items() if keys)
        raise InputError(f"{folder} does not hold the weights of a {type(model).__name__}: {said}")
    return model


def _check_size(auto_class: type, folder: str | Path, options: dict) -> None:
    """Raises InputError if the config describes so much more than the file holds that to build it
    would only fill the memory. Nothing of that size is built here."""
    config = AutoConfig.from_pretrained(folder, **options)
    revision = {key: value for key, value in options.items() if key == "revision"}
    with safe_open(cached_file(folder, WEIGHTS, **revision), "pt") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
    held = sum(map(math.prod, shapes))
    sizes = {key: value for key, value in config.to_dict().items() if type(value) is int}
    large = [f"{key} {value}" for key, value in sizes.items() if value > LARGEST]
    if not large and config.num_hidden_layers > MOST_LAYERS:
        large = [f"num_hidden_layers {config.num_hidden_layers}"]
    if not large:
        with torch.device("meta"):
            described = auto_class.from_config(config).num_parameters()
        if described > 2 * held + ROOM:
            large = [f"{described:,} parameters"]
    if large:
        raise InputError(
            f"{folder}: config.json describes a model with {', '.join(large)}, and {WEIGHTS} holds "
            f"{held:,} numbers: they do not belong together"
        )


def _check_capture(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises capture's InputError if the architecture does not show its queries and keys."""
    ids = torch.tensor([tokenizer("a few words")["input_ids"]])
    with torch.no_grad():
        capture(encoder, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})


def _is_part(key: str, parts: tuple[str, ...]) -> bool:
    return any(key.startswith(part) or f".{part}" in key for part in parts)


def _package_folder(model: str, key: str) -> Path:
    """The folder with config.json inside an installed package, which is not imported."""
    name = model.removeprefix("package:")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{key}: the Python package {name!r} is not installed")
    root = Path(spec.submodule_search_locations[0])
    folders = sorted(
        file.parent for file in root.rglob(WEIGHTS) if (file.parent / "config.json").is_file()
    )
    if len(folders) != 1:
        raise InputError(f"{key}: {name} holds {len(folders)} models with {WEIGHTS}, not 1")
    return folders[0]
