"""A vocabulary without the tokens that a task's texts do not use.

Kept tokens keep their order. A text that consists of them is tokenised as before: WordPiece takes
the longest token that fits, and that is still there; the best path of a unigram model is still
there, and no other has become better; of BPE all merges that lead to a kept token stay.
"""

import json
import re
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert.models.folder import load_encoder
from tinybert.models.low_rank import truncate_table
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Student

FILE = "tokenizer.json"
BYTE = re.compile("<0x[0-9A-F]{2}>")  # how SentencePiece writes bytes
FULL = "set student.vocabulary: full"


def shrink_table(
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    counts: np.ndarray,
    settings: Student,
) -> tuple[list[int], PreTrainedTokenizerBase]:
    """Gives a student the embedding table of the settings. Returns the ids that it keeps, in
    ascending order, and the tokenizer with these tokens.

    counts: (V,), how often the texts of the task have each token.
    """
    kept = list(range(len(counts)))
    if settings.vocabulary == "task":
        kept = kept_tokens(tokenizer, counts, settings.min_count)
        prune_embeddings(student, kept)
        tokenizer = prune_tokenizer(tokenizer, kept)
    truncate_table(student, settings.embedding_rank, counts[kept])
    return kept, tokenizer


def kept_tokens(
    tokenizer: PreTrainedTokenizerBase, counts: np.ndarray, min_count: int
) -> list[int]:
    """The ids, ascending, of tokens that texts have min_count times, of single characters, from
    which all words can be put together, and of special tokens.

    counts: (V,), how often the texts have each token. Raises InputError for a tokenizer that is
    none of WordPiece, BPE and unigram.
    """
    vocabulary, model = tokenizer.get_vocab(), _json(tokenizer)["model"]
    if model["type"] not in ("WordPiece", "BPE", "Unigram"):
        raise InputError(f"a {model['type']} tokenizer cannot be pruned; {FULL}")
    marks = [model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")]
    special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    used = {token for token, i in vocabulary.items() if counts[i] >= min_count}
    kept = special | used | {token for token in vocabulary if _is_character(token, marks)}
    if model["type"] == "BPE":
        pairs = [_pair(merge) for merge in model["merges"]]
        kept |= merged(used - special, pairs, model.get("end_of_word_suffix") or "")
    return sorted(vocabulary[token] for token in kept)


def merged(tokens: Iterable[str], merges: list[tuple[str, str]], suffix: str = "") -> set[str]:
    """All tokens that byte-pair encoding passes through on its way to `tokens`.

    merges: pairs of tokens, the first ones are merged first. suffix: of a word's last character.
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    made = set()
    for token in tokens:
        stem = token.removesuffix(suffix) if suffix else token
        parts = [*stem[:-1], stem[-1:] + token[len(stem) :]]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            at = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
            if pairs[at] not in ranks:
                break
            parts[at : at + 2] = ["".join(pairs[at])]
            made.add(parts[at])
    return made


def prune_tokenizer(tokenizer: PreTrainedTokenizerBase, kept: list[int]) -> PreTrainedTokenizerBase:
    """A copy with the tokens `kept` alone, ids in ascending order; token i of it is kept[i]."""
    tokens = tokenizer.convert_ids_to_tokens(kept)
    ids, core = {token: i for i, token in enumerate(tokens)}, _json(tokenizer)
    model = core["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {token: i for token, i in ids.items() if token in model["vocab"]}
    else:  # unigram: pieces with scores, of which added tokens need not be one
        scores = dict(map(tuple, model["vocab"]))
        unknown = model["vocab"][model["unk_id"]][0]
        model["vocab"] = [[token, scores[token]] for token in tokens if token in scores]
        model["unk_id"] = [token for token, _ in model["vocab"]].index(unknown)
    if "merges" in model:
        model["merges"] = [
            merge
            for merge in model["merges"]
            if ids.keys() >= {*_pair(merge), "".join(_pair(merge))}
        ]
    for token in core["added_tokens"]:
        token["id"] = ids[token["content"]]
    _renumber(core["post_processor"], ids)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        Path(folder, FILE).write_text(json.dumps(core), "utf-8")
        return load_tokenizer(folder)


def prune_embeddings(model: PreTrainedModel, kept: list[int]) -> None:
    """Keeps the rows `kept` of a model's embedding table, in that order. Raises InputError if
    positions are counted from the pad token's id, as in RoBERTa, and that changes."""
    table, config = model.get_input_embeddings(), model.config
    ids = {old: new for new, old in enumerate(kept)}
    changes = {
        name: ids.get(value)
        for name, value in config.to_dict().items()
        if name.endswith("_token_id") and isinstance(value, int)
    }
    pad = changes.get("pad_token_id")
    if hasattr(model.base_model.embeddings, "padding_idx") and pad != config.pad_token_id:
        raise InputError(
            f"{type(model).__name__} counts positions from its pad token's id, "
            f"{config.pad_token_id}, which would become {pad}; {FULL}"
        )
    pruned = nn.Embedding(len(kept), table.embedding_dim, padding_idx=pad)
    with torch.no_grad():
        pruned.weight.copy_(table.weight[kept])
    model.set_input_embeddings(pruned)
    for name, value in {**changes, "vocab_size": len(kept)}.items():
        setattr(config, name, value)


def missing_share(rows: Rows, kept: list[int]) -> float:
    """The share of tokens that are not among `kept`, and which other tokens stand for."""
    return float(1 - np.isin(rows.tokens, kept).mean())


def load_reader(folder: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A model without a head that reads the ids of another tokenizer, whose tokens are among those
    of its own."""
    model, own = load_encoder(folder), load_tokenizer(folder).get_vocab()
    if own != (other := tokenizer.get_vocab()):
        prune_embeddings(model, [own[token] for token in sorted(other, key=other.get)])
    return model


def _json(tokenizer: PreTrainedTokenizerBase) -> dict:
    return json.loads(tokenizer.backend_tokenizer.to_str())


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """A merge as tokenizer.json has it: two tokens, in older files with a space between them."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _is_character(token: str, marks: list[str | None]) -> bool:
    for mark in filter(None, marks):
        token = token.removeprefix(mark).removesuffix(mark)
    return len(token) == 1 or BYTE.fullmatch(token) is not None


def _renumber(processor: dict | None, ids: dict[str, int]) -> None:
    """Sets the ids of special tokens in a post-processor of tokenizer.json."""
    for name, value in (processor or {}).items():
        if name == "special_tokens":  # of a template
            for token in value.values():
                token["ids"] = [ids[part] for part in token["tokens"]]
        elif name in ("cls", "sep"):  # of BERT's and RoBERTa's
            processor[name] = [value[0], ids[value[0]]]
        elif name == "processors":  # of a sequence
            for part in value:
                _renumber(part, ids)
