"""Nearest neighbours of words among word vectors, from a file or a model."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from tinybert.pipeline.errors import InputError

GROUP = 1024  # queries per matrix product
HEAD = 100  # lines from which the vectors' width is inferred


def nearest(
    queries: list[str], vectors: Tensor, words: list[str], table: Tensor, count: int
) -> dict[str, list[str]]:
    """For each query the `count` words with the greatest cosine similarity, except itself.

    vectors: the queries', (queries, width). table: the words', (words, width). Words that differ
    only in case count as one.
    """
    unit_table = F.normalize(table.float(), dim=-1)
    candidates = min(len(words), count + 4)  # a cased vocabulary has word, Word and WORD
    neighbours = {}
    for start in range(0, len(queries), GROUP):
        group = F.normalize(vectors[start : start + GROUP].float(), dim=-1)
        best = (group @ unit_table.T).topk(candidates).indices.tolist()
        for query, row in zip(queries[start : start + GROUP], best, strict=True):
            neighbours[query] = others(query, [words[i] for i in row], count)
    return neighbours


def others(word: str, candidates: list[str], count: int) -> list[str]:
    """The first `count` distinct candidates other than the word, ignoring case."""
    seen = {word.casefold(): None}
    for candidate in candidates:
        seen.setdefault(candidate.casefold(), candidate)
    return [candidate for candidate in seen.values() if candidate is not None][:count]


@torch.inference_mode()
def embed(table: Tensor, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> Tensor:
    """Word vectors (words, width) from a model: the mean of the embeddings of a word's tokens.

    table: the embeddings of all tokens, (vocabulary, width).
    """
    if not words:
        return table[:0]
    # With a space before it, as inside a text: byte-level tokenizers encode it differently.
    pieces = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    flat = torch.tensor([token for ids in pieces for token in ids])
    starts = np.cumsum([0, *(len(ids) for ids in pieces[:-1])])
    return F.embedding_bag(flat, table, torch.from_numpy(starts), mode="mean")


def read(
    file: Path, is_relevant: Callable[[str], bool]
) -> tuple[list[str], Tensor, dict[str, int]]:
    """Reads word vectors in GloVe's text format or word2vec's (which starts with `count width`).

    A line is a word, which may contain spaces, and its numbers. is_relevant: chooses the words.
    Returns the words, their vectors (words, width), and counts of lines, of bad lines (another
    width, not numbers, not UTF-8) and of words. Raises InputError if no word is read.
    """
    if not file.is_file():
        raise InputError(
            f"augment.word_vectors: {file} is not a file; put it there, or set null for the "
            "pretrained model's embeddings"
        )
    with file.open("rb") as lines:
        head = list(islice(lines, HEAD))
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
            elif parsed[0] not in words and is_relevant(parsed[0]):
                words[parsed[0]] = len(words)
                vectors.append(parsed[1])
    if not words:
        raise InputError(
            f"augment.word_vectors: {file} holds no words with vectors ({counts['bad_lines']} of "
            f"{counts['lines']} lines are bad); each line must be a word and its numbers, "
            "separated by spaces"
        )
    return list(words), torch.from_numpy(np.stack(vectors)), {**counts, "words_kept": len(words)}


def _width(lines: list[bytes]) -> int:
    """The most common number of trailing numbers in a line; words that are numbers are rare."""
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
    except ValueError:  # includes UnicodeDecodeError
        return None
    is_valid = width > 0 and vector.shape == (width,) and np.isfinite(vector).all()
    return (word, vector) if is_valid else None
