"""Loading and saving a tokenizer. A separate module, since some stages need no model."""

import copy
import json
from collections.abc import Iterable
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tinybert.models.source import find
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json, write_json

CONFIG = "tokenizer_config.json"
# Those that are JSON: a damaged one is named.
JSON = ("tokenizer.json", CONFIG, "special_tokens_map.json", "added_tokens.json", "vocab.json")
SAMPLE = "Café, ÄB 42 naïve 中文 — ok"  # most tokenizers with the same vocabulary differ on it


def load_tokenizer(folder: str | Path, **options) -> PreTrainedTokenizerBase:
    """A model's tokenizer. folder, options: as source.locate returns them.

    Raises InputError that names the file if one is missing or cannot be read: without its files,
    transformers would make up a vocabulary of the special tokens.
    """
    for name in JSON:
        file = find(folder, name, **options)
        try:
            is_object = file is None or isinstance(json.loads(file.read_bytes()), dict)
        except ValueError as error:
            raise InputError(_unreadable(folder, name, error)) from None
        if not is_object:
            raise InputError(_unreadable(folder, name, "it is not a JSON object"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        tokenizer("")  # a setting of the wrong type shows here
    except Exception as error:  # the library tokenizers raises no narrower one
        found = [name for name in JSON if find(folder, name, **options)]
        if "tokenizer.json" not in found:
            raise InputError(_missing(folder, ["tokenizer.json"])) from error
        raise InputError(_unreadable(folder, " or ".join(found), error)) from error
    names = {"tokenizer.json", *type(tokenizer).vocab_files_names.values()}
    missing = sorted(name for name in names if not find(folder, name, **options))
    has_words = set(tokenizer.get_vocab()) > set(tokenizer.all_special_tokens)
    if "tokenizer.json" in missing and (len(missing) > 1 or not has_words):
        raise InputError(_missing(folder, missing))
    return tokenizer


def load_tokenizers(folders: Iterable[Path]) -> list[PreTrainedTokenizerBase]:
    """The tokenizer of each of several models. Those that read a text alike are one object, so that
    it can be read once for all of them."""
    loaded: list[PreTrainedTokenizerBase] = []
    for folder in folders:
        own = load_tokenizer(folder)
        same = (other for other in loaded if is_same_tokenizer(own, other))
        alike = (other for other in same if own.model_input_names == other.model_input_names)
        loaded.append(next(alike, own))
    return loaded


def is_same_tokenizer(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> bool:
    """Whether both split texts into the same tokens: by their vocabularies and a sample."""
    return one.get_vocab() == other.get_vocab() and one.encode(SAMPLE) == other.encode(SAMPLE)


def save_tokenizer(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int | None = None,
    stride: int = 0,
) -> None:
    """Saves a tokenizer that cuts and pads texts as in training, for whoever loads the folder.

    max_length: tokens in a row of the training, special tokens included, which becomes the saved
    model_max_length; None: the tokenizer's own. stride: of the windows of long texts, for
    tokenizer.json; 0: they are cut. The tokenizer itself is not changed.
    """
    saved = copy.deepcopy(tokenizer)
    # Else the file would depend on the last call.
    saved.backend_tokenizer.no_padding()
    saved.backend_tokenizer.no_truncation()
    if max_length is not None:
        saved.model_max_length = max_length
        saved.backend_tokenizer.enable_truncation(
            max_length, stride=stride, direction=saved.truncation_side
        )
    saved.save_pretrained(folder)
    training = {
        "model_max_length": saved.model_max_length,
        "model_input_names": saved.model_input_names,
        "padding_side": "right",  # Rows.batch pads there, whatever the tokenizer's own side is
        "truncation_side": saved.truncation_side,
    }
    file = folder / CONFIG
    write_json(file, dict(sorted({**read_json(file), **training}.items())))


def _unreadable(folder: str | Path, name: str, error: object) -> str:
    return f"{name} of {folder} cannot be read ({error}); copy the tokenizer's files again"


def _missing(folder: str | Path, names: list[str]) -> str:
    return (
        f"{folder} has no {' and no '.join(names)}: its tokenizer is missing. Copy the tokenizer's "
        "files from where the model comes from; tokenizer.json and tokenizer_config.json are enough"
    )
