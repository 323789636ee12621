"""Windows: the parts of a text above encode.max_length, which share some tokens with one another.

The tokenizer cuts them. A model reads each window alone, and their mean logits are the text's.
Without torch, as inference is.
"""

from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding

from tinybert.models.chunks import chunks
from tinybert.pipeline.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REMEDY = "set encode.long_texts: cut in params.yaml"


def check(task: str, kind: str, pair: bool, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Raises InputError if a task cannot be read in windows. pair: whether its rows are pairs."""
    if kind == "tokens":
        raise InputError(
            f"encode.long_texts: windows is for labels of texts, and {task} labels words; {REMEDY}"
        )
    if pair:
        raise InputError(
            f"encode.long_texts: windows is for single texts, and a row of {task} has two; {REMEDY}"
        )
    if not tokenizer.is_fast:
        raise InputError(
            "encode.long_texts: windows needs a tokenizer of the library tokenizers, and "
            f"{type(tokenizer).__name__} is not one; {REMEDY}"
        )


def windows(encoding: Encoding, stride: int) -> list[Encoding]:
    """A text's windows. stride: the tokens that they share; 0: the text is cut."""
    return [encoding, *(encoding.overflowing if stride else [])]


def split(
    texts: list[str], tokenizer: "PreTrainedTokenizerBase", max_length: int, stride: int
) -> tuple[list[str], list[int]]:
    """Windows as texts of their own, and the index of each one's text. A text of one window stays
    as it is.

    The tokens of a window are those of the text's, except where it begins or ends within a word. It
    keeps the space before it, which a byte-level tokenizer counts to its first word.
    """
    parts, indices = [], []
    for chunk in chunks(texts):
        encoded = tokenizer(
            texts[chunk], truncation=True, max_length=max_length, stride=stride,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        numbers = encoded["overflow_to_sample_mapping"]
        counts = np.bincount(numbers)
        for number, offsets in zip(numbers, encoded["offset_mapping"], strict=True):
            text = texts[chunk.start + number]
            if counts[number] > 1:
                start = min((a for a, b in offsets if a < b), default=0)  # special tokens: (0, 0)
                start -= start > 0 and text[start - 1].isspace()
                text = text[start : max(b for _, b in offsets)]
            parts.append(text)
            indices.append(chunk.start + number)
    return parts, indices
