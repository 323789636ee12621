"""Words of similar meaning: nearest neighbours among word vectors, from a file or a model."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from tinybert.errors import InputError

GROUP = 1024  # queries at once
LOOKED_AT = 100  # lines that tell how many numbers there are in each


def nearest(
    queries: list[str], vectors: Tensor, words: list[str], table: Tensor, count: int
) -> dict[str, list[str]]:
    """For each query the `count` words of the greatest cosine, but the query itself in any case.

    vectors: (queries, width). table: of the words, (words, width).
    """
    known = F.normalize(table.float(), dim=-1)
    looked_at = min(len(words), count + 4)  # a cased vocabulary has word, Word and WORD
    found = {}
    for start in range(0, len(queries), GROUP):
        group = F.normalize(vectors[start : start + GROUP].float(), dim=-1)
        best = (group @ known.T).topk(looked_at).indices.tolist()
        for query, row in zip(queries[start : start + GROUP], best, strict=True):
            found[query] = others(query, [words[i] for i in row], count)
    return found


def others(word: str, candidates: list[str], count: int) -> list[str]:
    """The first `count` candidates that are neither the word nor, but for case, each other."""
    seen = {word.casefold(): None}
    for candidate in candidates:
        seen.setdefault(candidate.casefold(), candidate)
    return [candidate for candidate in seen.values() if candidate is not None][:count]


@torch.inference_mode()
def embed(table: Tensor, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> Tensor:
    """A model's own token embeddings of words, (words, width): the mean of a word's tokens.

    table: of all tokens, (vocabulary, width).
    """
    if not words:
        return table[:0]
    # With a space before it, as inside a text: that matters to byte-level tokenizers.
    pieces = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    flat = torch.tensor([token for own in pieces for token in own])
    starts = np.cumsum([0, *(len(own) for own in pieces[:-1])])
    return F.embedding_bag(flat, table, torch.from_numpy(starts), mode="mean")


def read(file: Path, is_wanted: Callable[[str], bool]) -> tuple[list[str], Tensor, dict[str, int]]:
    """A file of word vectors in text form, GloVe's or word2vec's (with a line `count width` first).

    A line is a word, which may hold spaces, and its numbers. is_wanted: words to keep. Returns the
    words, their vectors (words, width), and counts: of lines, bad lines (other numbers of numbers,
    no numbers, no UTF-8) and words kept. Raises InputError if no line is good.
    """
    if not file.is_file():
        raise InputError(f"augment.word_vectors: {file} is no file; models/pretrained has vectors")
    with file.open("rb") as lines:
        head = list(islice(lines, LOOKED_AT))
    first = head[0].split() if head else []
    has_header = len(first) == 2 and all(part.isdigit() for part in first)
    width = int(first[1]) if has_header else _width(head)
    words: dict[str, int] = {}
    vectors, counts = [], {"lines": 0, "bad_lines": 0}
    with file.open("rb") as lines:
        for line in islice(lines, int(has_header), None):
            counts["lines"] += 1
            parsed = _parse(line, width)
            if parsed is None:
                counts["bad_lines"] += 1
            elif parsed[0] not in words and is_wanted(parsed[0]):
                words[parsed[0]] = len(words)
                vectors.append(parsed[1])
    if not words:
        raise InputError(
            f"augment.word_vectors: {file} holds no words with vectors ({counts['bad_lines']} of "
            f"{counts['lines']} lines are bad); each line must be a word and its numbers, with "
            "spaces between them"
        )
    return list(words), torch.from_numpy(np.stack(vectors)), {**counts, "words_kept": len(words)}


def _width(lines: list[bytes]) -> int:
    """How many numbers most lines end with; a word that is a number itself is in few of them."""
    widths = Counter()
    for line in lines:
        fields = line.split()
        numbers = [_is_number(field) for field in reversed(fields[1:])]
        widths[numbers.index(False) if False in numbers else len(numbers)] += 1
    return widths.most_common(1)[0][0] if widths else 0


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _parse(line: bytes, width: int) -> tuple[str, np.ndarray] | None:
    try:
        word, *numbers = line.decode("utf-8").strip().rsplit(" ", width)
        vector = np.array(numbers, dtype=np.float32)
    except ValueError:  # UnicodeDecodeError is one
        return None
    good = width > 0 and vector.shape == (width,) and np.isfinite(vector).all()
    return (word, vector) if good else None
