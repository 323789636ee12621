"""Finding, checking and loading pretrained models: safetensors only, no remote code."""

import importlib.util
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

from tinybert.models.attention import capture
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256, write_json
from tinybert.pipeline.schema import Pretrained, Student

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

WEIGHTS = "model.safetensors"
SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
# Parts outside the encoder. A checkpoint may lack HEADS, which then start at random; parts of
# HEADS_IGNORED that a model has no place for are ignored.
HEADS = ("pooler.", "classifier.", "score.", "pre_classifier.", "head.")
HEADS_IGNORED = (
    *HEADS, "cls.", "lm_head.", "predictions.", "discriminator_predictions.", "qa_outputs.",
    "generator_predictions.", "generator_lm_head.", "mask_predictions.", "vocab_transform.",
    "vocab_layer_norm.", "vocab_projector.", "decoder.", "position_ids",
)  # fmt: skip
# Pretrained with a masked-language head and another one. The corresponding classes of ELECTRA and
# Funnel have a discriminator alone.
TWO_HEADED = (
    "BertForPreTraining", "AlbertForPreTraining", "ErnieForPreTraining", "MobileBertForPreTraining",
)  # fmt: skip

# No model's config has greater values. Below them, the number of parameters can be computed.
LARGEST, MOST_LAYERS = 2**28, 1000
ROOM = 10**7  # parameters of heads that a checkpoint may lack


def fetch(settings: Pretrained, out: Path) -> None:
    """Copies a pretrained model and its tokenizer to `out`, and writes its origin to source.json.

    settings.model: a hub id (with revision), a folder, or package:NAME for a model inside an
    installed Python package. All weights are copied, those of its heads too.
    Raises InputError, and writes nothing, if the model does not exist, has no safetensors, has
    missing or unexpected weights, has another sha256, or cannot be distilled.
    """
    model, revision, sha256 = settings.model, settings.revision, settings.sha256
    config, tokenizer = read_config(model, revision, "pretrained.model")
    source, options = locate(model, revision, "pretrained.model")
    weights = Path(cached_file(source, WEIGHTS, **options))
    digest = file_sha256(weights)
    if sha256 and digest != sha256:
        raise InputError(
            f"pretrained.sha256: the {WEIGHTS} of {model} has the sha256 {digest}, not {sha256}; "
            "do not use it unless you trust it and write its sha256 to params.yaml"
        )
    if has_masked_head(config):
        loaded = load(AutoModelForMaskedLM, source, allow_missing=(), **options)
    else:
        loaded = load(AutoModel, source, **options)
    _check_capture(loaded.base_model, tokenizer)
    copy(model, revision, "pretrained.model", config, tokenizer, out)
    is_hub = source == model and not Path(model).is_dir()
    origin = {"model": model, "revision": revision if is_hub else None, "sha256": digest}
    write_json(out / "source.json", origin)


def fetch_student(settings: Student, out: Path) -> None:
    """Copies the published student that `student.init` names to `out`, with source.json; writes
    source.json alone if it names none. Raises InputError if the model cannot be read or its sizes
    are not those of `settings`."""
    key, model = "student.init", settings.init if settings.is_published else None
    if model:
        config, tokenizer = read_config(model, settings.revision, key)
        wrong = [
            f"{size} {getattr(config, size)} (not {getattr(settings, size)})"
            for size in SIZES
            if getattr(config, size) != getattr(settings, size)
        ]
        if wrong:
            raise InputError(
                f"{key}: {model} has {', '.join(wrong)}. Set the section student to its sizes"
            )
        copy(model, settings.revision, key, config, tokenizer, out)
    write_json(out / "source.json", {"model": model, "revision": settings.revision})


def copy(
    model: str,
    revision: str | None,
    key: str,
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
) -> None:
    """Copies a model's weights unchanged, with its config and tokenizer."""
    source, options = locate(model, revision, key)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cached_file(source, WEIGHTS, **options), out / WEIGHTS)
    config.save_pretrained(out)
    tokenizer.save_pretrained(out)


def has_masked_head(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint holds a masked-language-model head."""
    return any("ForMaskedLM" in name or name in TWO_HEADED for name in config.architectures or [])


def locate(model: str, revision: str | None, key: str) -> tuple[str, dict[str, str]]:
    """Returns what from_pretrained takes: a hub id or a folder, and options."""
    if model.startswith("package:"):
        return str(_package_folder(model, key)), {}
    is_hub = not Path(model).is_dir()
    return model, {"revision": revision} if is_hub and revision else {}


def read_config(
    model: str, revision: str | None, key: str
) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    """A model's config and tokenizer. key: names the setting in errors. Raises InputError if one of
    them, or model.safetensors, is missing."""
    source, options = locate(model, revision, key)
    try:
        cached_file(source, WEIGHTS, **options)
        config = AutoConfig.from_pretrained(source, **options)
        return config, AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{key}: {model} cannot be loaded; it must be a hub id, a directory or package:NAME "
            f"with config.json, {WEIGHTS} and a tokenizer ({error}). Pickled weights "
            "(pytorch_model.bin) are never opened, since they can run code: if you trust them, "
            "load them once with transformers and save_pretrained, which writes safetensors"
        ) from error


def load(
    auto_class: type,
    folder: str | Path,
    allow_missing: tuple[str, ...] = HEADS,
    allow_unexpected: tuple[str, ...] = HEADS_IGNORED,
    **options,
) -> PreTrainedModel:
    """from_pretrained in float32, from safetensors.

    allow_missing: parts that a checkpoint may lack; they are initialised at random, so seed before.
    allow_unexpected: parts that are ignored if the model has no place for them. Raises InputError
    that lists all other missing, unexpected or misshapen weights, and for a config that describes a
    much larger model than the file holds.
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
            f"{folder}: {WEIGHTS} cannot be read ({error}); is it incomplete, or a git "
            "LFS pointer (then run git lfs pull)?"
        ) from None
    wrong = {
        "lacks": [key for key in info["missing_keys"] if not _is_part(key, allow_missing)],
        "has unexpected": [
            key for key in info["unexpected_keys"] if not _is_part(key, allow_unexpected)
        ],
        "has in another shape": [
            f"{key} {tuple(theirs)} (not {tuple(ours)})"
            for key, theirs, ours in info["mismatched_keys"]
            if not _is_part(key, allow_missing)
        ],
    }
    if any(wrong.values()):
        lists = "; ".join(
            f"{how}: {', '.join(sorted(keys))}" for how, keys in wrong.items() if keys
        )
        raise InputError(f"{folder} does not hold the weights of a {type(model).__name__}: {lists}")
    return model


def _check_size(auto_class: type, folder: str | Path, options: dict) -> None:
    """Raises InputError if the config describes a much larger model than the file holds: to build
    it could exhaust the memory. Nothing of that size is built here."""
    config = AutoConfig.from_pretrained(folder, **options)
    revision = {key: value for key, value in options.items() if key == "revision"}
    with safe_open(cached_file(folder, WEIGHTS, **revision), "pt") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
    count = sum(map(math.prod, shapes))
    sizes = {key: value for key, value in config.to_dict().items() if type(value) is int}
    large = [f"{key} {value}" for key, value in sizes.items() if value > LARGEST]
    if not large and config.num_hidden_layers > MOST_LAYERS:
        large = [f"num_hidden_layers {config.num_hidden_layers}"]
    if not large:
        with torch.device("meta"):
            parameters = auto_class.from_config(config).num_parameters()
        if parameters > 2 * count + ROOM:
            large = [f"{parameters:,} parameters"]
    if large:
        raise InputError(
            f"{folder}: config.json describes a model with {', '.join(large)}, and {WEIGHTS} holds "
            f"{count:,} numbers; use the config.json that belongs to the weights"
        )


def _check_capture(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises InputError if the architecture does not expose its queries and keys."""
    ids = torch.tensor([tokenizer("a few words")["input_ids"]])
    with torch.no_grad():
        capture(encoder, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})


def _is_part(key: str, parts: tuple[str, ...]) -> bool:
    return any(key.startswith(part) or f".{part}" in key for part in parts)


def _package_folder(model: str, key: str) -> Path:
    """The folder with the model inside an installed package; the package is not imported."""
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
