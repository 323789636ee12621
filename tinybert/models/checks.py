"""Whether a model and its tokenizer belong together and can be distilled, before any training."""

import inspect
import math
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinybert.models.attention import capture
from tinybert.models.source import WEIGHTS, find, open_weights, weight_files
from tinybert.pipeline.errors import InputError

# No model's config has greater values. Below them, the number of parameters can be computed.
LARGEST, MOST_LAYERS = 2**28, 1000
ROOM = 10**7  # parameters of heads that a checkpoint may lack
# Of the embedding table's rows, the share that the tokenizer must know: tables are rounded up to
# multiples of up to 128, and a few tokens of multilingual models are not in use.
KNOWN = 0.9
RARE = "ꙮ한عก𒀀"  # characters that no vocabulary of words or pieces has in full
# Of a config; the names of some architectures are mapped to these.
NEEDED = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
FIX_TOKENIZER = "use the tokenizer that belongs to the weights"
FIX_CONFIG = "use the config.json that belongs to the weights"


def load_config(source: str | Path, **options) -> PreTrainedConfig:
    """A model's config. source, options: as source.locate returns them. Raises InputError if it is
    missing or damaged."""
    if find(source, "config.json", **options) is None:
        raise InputError(f"{source} has no config.json; {FIX_CONFIG}")
    try:
        config = AutoConfig.from_pretrained(source, **options)
    except Exception as error:  # of many kinds: what is damaged is used before it is checked
        raise InputError(
            f"config.json of {source} cannot be read ({error}); {FIX_CONFIG}"
        ) from error
    if getattr(config, "quantization_config", None):
        raise InputError(
            f"{source} is quantised (quantization_config in config.json); use the model that it "
            "was made from"
        )
    if missing := [name for name in NEEDED if not isinstance(getattr(config, name, None), int)]:
        raise InputError(
            f"config.json of {source} has no {', '.join(missing)}: it describes no text encoder "
            f"such as BERT, or a part of it is missing; {FIX_CONFIG}"
        )
    return config


def check_weights(source: str | Path, **options) -> None:
    """Raises InputError if weights, those of unused heads too, are not finite floating-point
    numbers, or are in two files. source, options: as source.locate returns them."""
    broken, places = [], {}
    for file in weight_files(source, **options):
        with open_weights(file) as weights:
            for key in weights.keys():  # noqa: SIM118
                if key in places:
                    raise InputError(
                        f"{source}: the weight {key} is in {places[key]} and in {file.name}; "
                        "download it again"
                    )
                places[key] = file.name
                weight = weights.get_tensor(key)
                is_number = weight.is_floating_point() and weight.itemsize > 1
                if not is_number and not key.endswith("_ids"):  # position_ids
                    raise InputError(
                        f"{source}: the weight {key} is of the type {weight.dtype}: it is "
                        "quantised; use the model that it was made from"
                    )
                if not weight.float().isfinite().all():
                    broken.append(key)
    if broken:
        raise InputError(
            f"{source}: {len(broken)} of its weights have values that are NaN or infinite, such as "
            f"{broken[0]}; download it again, or use another checkpoint"
        )


def check_tokenizer(
    config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    """Raises InputError if the tokenizer is not the model's, or lacks a token that all tasks need.

    name: of the model, for errors.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: its tokenizer, a {type(tokenizer).__name__}, is written in Python and has no "
            "tokenizer.json, which an exported model needs; use a model with a fast tokenizer"
        )
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"{name}: its tokenizer has no pad token; name it in tokenizer_config.json: pad_token"
        )
    if config.pad_token_id not in (None, tokenizer.pad_token_id):
        raise InputError(
            f"{name}: pad_token_id is {config.pad_token_id} in config.json, and the tokenizer's "
            f"pad token {tokenizer.pad_token} has the id {tokenizer.pad_token_id}; correct the one "
            "that is wrong: rows would be padded with a token that the model reads"
        )
    size, ids = config.vocab_size, set(tokenizer.get_vocab().values())
    if max(ids) >= size:
        raise InputError(
            f"{name}: its tokenizer has ids up to {max(ids)}, and the embedding table has {size} "
            f"rows (vocab_size); {FIX_TOKENIZER}, or add rows with resize_token_embeddings"
        )
    if len(ids) < KNOWN * size:
        raise InputError(
            f"{name}: its tokenizer has {len(ids)} tokens, and the embedding table has {size} rows "
            f"(vocab_size): it is incomplete or another model's; {FIX_TOKENIZER}"
        )
    if len(tokenizer("")["input_ids"]) != 2:
        raise InputError(
            f"{name}: its tokenizer does not put one token before a text and one after it, as "
            f"[CLS] and [SEP] (cls_token, sep_token); {FIX_TOKENIZER}"
        )
    try:
        is_known = all(_keeps(tokenizer, character) for character in RARE)
    except Exception:  # the library tokenizers raises no narrower one
        is_known = False
    if not is_known:
        raise InputError(
            f"{name}: its tokenizer has no token for what is not in its vocabulary; name it in "
            "tokenizer_config.json and tokenizer.json: unk_token"
        )


def _keeps(tokenizer: PreTrainedTokenizerBase, character: str) -> bool:
    """Whether a character is in the tokens of a word, unknown or not."""
    texts = [f"a{character}a", "aa"]
    word, rest = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return word != rest or tokenizer.unk_token_id in word


def check_mask(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raises InputError if the tokenizer of a masked-language model has no mask."""
    if tokenizer.mask_token_id is None:
        raise InputError(
            f"{name} has a masked-language-model head, and its tokenizer no mask token; name it in "
            "tokenizer_config.json: mask_token"
        )


def set_token_types(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Lets the tokenizer return token types only if the model has several. Saved with it, this
    decides for training, export and all who load the folder whether the model is given types."""
    has_types = (
        getattr(model.config, "type_vocab_size", 0) > 1
        and "token_type_ids" in inspect.signature(model.base_model.forward).parameters
    )
    if not has_types:
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        tokenizer.model_input_names = names


def check(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lengths: dict[str, int],
    name: str,
) -> None:
    """Raises InputError if a model cannot be distilled on rows of these lengths.

    That is: with another model's tokenizer, with layers whose weights are all 0, with too few
    positions, or if its architecture does not expose its queries and keys. lengths: tokens, by the
    setting of params.yaml. name: of the model, for errors.
    """
    check_tokenizer(model.config, tokenizer, name)
    linear = [(key, m) for key, m in model.named_modules() if isinstance(m, nn.Linear)]
    if empty := [key for key, module in linear if not module.weight.any()]:
        raise InputError(
            f"{name}: all weights of {len(empty)} of its {len(linear)} linear layers are 0, such "
            f"as those of {empty[0]}: was the download not finished? Download it again"
        )
    limit = positions(model.base_model)
    if longer := [f"{key} is {n}" for key, n in lengths.items() if limit and n > limit]:
        raise InputError(
            f"{name} has positions for {limit} tokens in a row, and {', '.join(longer)}; set "
            f"{' and '.join(key for key, n in lengths.items() if n > limit)} to at most {limit}"
        )
    length = max(lengths.values())
    ids = torch.full((1, length), tokenizer("")["input_ids"][0])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "token_type_ids" in tokenizer.model_input_names:
        inputs["token_type_ids"] = torch.ones_like(ids)
    try:
        with torch.no_grad():
            states = capture(model.base_model, inputs)
    except (IndexError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{name} cannot read a row of {length} tokens with {', '.join(inputs)}: {error}; "
            f"{FIX_CONFIG}"
        ) from error
    if not states.hidden_states[-1].isfinite().all():
        raise InputError(
            f"{name} computes NaN or infinite values; download it again, or use another checkpoint"
        )


def positions(encoder: PreTrainedModel) -> int | None:
    """The tokens that a row may have; None: any number."""
    count = getattr(encoder.config, "max_position_embeddings", None)
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa counts positions from the pad id on, which has a position too.
            return module.num_embeddings - (
                0 if module.padding_idx is None else module.padding_idx + 1
            )
    return count


def check_size(auto_class: type, folder: str | Path, **options) -> None:
    """Raises InputError if the config describes no model, or a much larger one than the files hold:
    to build it could exhaust the memory. Nothing of that size is built here."""
    revision = {key: value for key, value in options.items() if key == "revision"}
    load_config(folder, **revision)
    config = AutoConfig.from_pretrained(folder, **options)
    count = 0
    for file in weight_files(folder, **revision):
        with open_weights(file) as weights:
            shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
        count += sum(map(math.prod, shapes))
    sizes = {key: value for key, value in config.to_dict().items() if type(value) is int}
    large = [f"{key} {value}" for key, value in sizes.items() if value > LARGEST]
    if not large and getattr(config, "num_hidden_layers", 0) > MOST_LAYERS:
        large = [f"num_hidden_layers {config.num_hidden_layers}"]
    if not large:
        try:
            with torch.device("meta"):
                parameters = auto_class.from_config(config).num_parameters()
        except Exception as error:  # of many kinds: what is damaged is used before it is checked
            raise InputError(
                f"{folder}: config.json describes no model ({error!r}); {FIX_CONFIG}"
            ) from error
        if parameters > 2 * count + ROOM:
            large = [f"{parameters:,} parameters"]
    if large:
        raise InputError(
            f"{folder}: config.json describes a model with {', '.join(large)}, and {WEIGHTS} holds "
            f"{count:,} numbers; {FIX_CONFIG}"
        )
