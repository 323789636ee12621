"""Fetching, checking and loading pretrained models: safetensors only, no remote code."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tinybert.models import checks
from tinybert.models.source import WEIGHTS, locate, read_weights, weight_files
from tinybert.models.tokenizer import is_same_tokenizer, load_tokenizer, save_tokenizer
from tinybert.pipeline.errors import InputError, refused
from tinybert.pipeline.files import file_sha256, set_default_mode, write_json
from tinybert.pipeline.schema import Pretrained, Student

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
# Parts outside the encoder. A checkpoint may lack HEADS, which then start at random; parts of
# HEADS_IGNORED that a model has no place for are ignored.
HEADS = ("pooler.", "classifier.", "score.", "pre_classifier.", "head.")
HEADS_IGNORED = (
    *HEADS, "cls.", "lm_head.", "predictions.", "discriminator_predictions.", "qa_outputs.",
    "generator_predictions.", "generator_lm_head.", "mask_predictions.", "vocab_transform.",
    "vocab_layer_norm.", "vocab_projector.", "decoder.", "position_ids",
)  # fmt: skip
# The names that published general TinyBERTs give to the linear maps of their loss.
MAPS = ("fit_dense.", "fit_denses.")
PUBLISHED_IGNORED = (*HEADS_IGNORED, *MAPS)
# Pretrained with a masked-language head and another one. The corresponding classes of ELECTRA and
# Funnel have a discriminator alone.
TWO_HEADED = (
    "BertForPreTraining", "AlbertForPreTraining", "ErnieForPreTraining", "MobileBertForPreTraining",
)  # fmt: skip


def fetch(settings: Pretrained, out: Path, lengths: dict[str, int]) -> None:
    """Copies a pretrained model and its tokenizer to `out`, and writes its origin to source.json.

    settings.model: a hub id (with revision), a folder, or package:NAME for a model inside an
    installed Python package. All weights are copied, those of its heads too, in one file.
    lengths: the longest rows that it is to read, in tokens, by the setting of params.yaml.
    Raises InputError, and writes nothing, if the model does not exist, has no safetensors, has
    missing or unexpected weights, has another sha256, or cannot be distilled; or if its tokenizer
    is missing, damaged or another model's.
    """
    model, revision, sha256 = settings.model, settings.revision, settings.sha256
    key = "pretrained.model"
    config, tokenizer = read_config(model, revision, key)
    source, options = locate(model, revision, key)
    digest = file_sha256(*weight_files(source, **options))
    if sha256 and digest != sha256:
        raise InputError(
            f"pretrained.sha256: the {WEIGHTS} of {model} has the sha256 {digest}, not {sha256}; "
            "do not use it unless you trust it and write its sha256 to params.yaml"
        )
    if has_masked_head(config):
        loaded = load(AutoModelForMaskedLM, source, allow_missing=(), **options)
        checks.check_mask(tokenizer, f"{key}: {model}")
    else:
        loaded = load(AutoModel, source, **options)
    checks.set_token_types(loaded, tokenizer)
    checks.check(loaded, tokenizer, lengths, f"{key}: {model}")
    del loaded  # or the weights would be twice in memory
    copy(model, revision, key, config, tokenizer, out)
    is_hub = source == model and not Path(model).is_dir()
    origin = {"model": model, "revision": revision if is_hub else None, "sha256": digest}
    write_json(out / "source.json", origin)


def fetch_student(settings: Student, base: Path, out: Path, lengths: dict[str, int]) -> None:
    """Copies the published student that `student.init` names to `out`, with source.json; writes
    source.json alone if it names none.

    base: the pretrained model, whose vocabulary it must have. lengths: as fetch takes them. Raises
    InputError, as fetch does, and if its sizes are not those of `settings`.
    """
    key, model = "student.init", settings.init if settings.is_published else None
    if model:
        config, tokenizer = read_config(model, settings.revision, key)
        wrong = [
            f"{size} {actual} (not {getattr(settings, size)})"
            for size, actual in sizes(config).items()
            if actual != getattr(settings, size)
        ]
        if wrong:
            raise InputError(
                f"{key}: {model} has {', '.join(wrong)}. Set the section student to its sizes"
            )
        expected = load_tokenizer(base)
        if not is_same_tokenizer(tokenizer, expected):
            raise InputError(
                f"{key}: {model} has another vocabulary than the teacher, or splits texts into "
                "other tokens. Set pretrained.model to a model with its tokenizer"
            )
        source, options = locate(model, settings.revision, key)
        student = load(AutoModel, source, allow_unexpected=PUBLISHED_IGNORED, **options)
        checks.check(student, expected, lengths, f"{key}: {model}")
        del student
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
    """Copies a model's weights unchanged, with its config and tokenizer. Shards become one file."""
    source, options = locate(model, revision, key)
    files = weight_files(source, **options)
    out.mkdir(parents=True, exist_ok=True)
    if len(files) == 1:
        shutil.copyfile(files[0], out / WEIGHTS)
    else:
        save_file(read_weights(*files), out / WEIGHTS, metadata={"format": "pt"})
        set_default_mode(out / WEIGHTS)
    config.save_pretrained(out)
    save_tokenizer(out, tokenizer)


def has_masked_head(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint holds a masked-language-model head."""
    names = [str(name) for name in config.architectures or []]
    return any("ForMaskedLM" in name or name in TWO_HEADED for name in names)


def sizes(config: PreTrainedConfig) -> dict[str, int | None]:
    """A model's SIZES. DistilBERT calls one of them hidden_dim, which transformers does not map."""
    inner = getattr(config, "hidden_dim", None)
    return {name: getattr(config, name, inner) for name in SIZES}


def read_config(
    model: str, revision: str | None, key: str
) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    """A model's config and tokenizer. key: names the setting in errors. Raises InputError if one of
    them, or the weights, are missing, damaged or quantised."""
    source, options = locate(model, revision, key)
    try:
        weight_files(source, **options)
        config = checks.load_config(source, **options)
        tokenizer = load_tokenizer(source, **options)
        checks.check_weights(source, **options)
    except InputError as error:
        raise InputError(f"{key}: {model} cannot be loaded: {error}") from error
    except (OSError, ValueError) as error:
        if refused(error):
            raise
        raise InputError(
            f"{key}: {model} cannot be loaded: {error}\nIt must be a hub id, a folder in "
            f"data/models or package:NAME, with config.json, {WEIGHTS} and a tokenizer"
        ) from error
    return config, tokenizer


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
    that lists all other missing, unexpected or misshapen weights, for a file that is missing or
    damaged, and for a config that describes a much larger model than the weights are.
    """
    checks.check_size(auto_class, folder, **options)
    model, info = auto_class.from_pretrained(
        folder,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are listed below
        **options,
    )
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


def _is_part(key: str, parts: tuple[str, ...]) -> bool:
    return any(key.startswith(part) or f".{part}" in key for part in parts)
