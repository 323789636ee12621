"""Sentences -> tokens -> segments, as arrays: no work in Python for each token."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pyarrow as pa
from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

GROUP = 16  # sentences in one call of the tokenizer: each alone costs a third more
CHUNK = 128  # such groups, given to it at once


def tokens(
    strings: Iterable[str], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tokens of some strings, each as if it were alone, and how many each string has. While the
    tokenizer, which is no Python, works on one chunk, the next is read and the last is used."""
    backend, mark = tokenizer.backend_tokenizer, tokenizer("")["input_ids"][-1]
    backend.no_truncation()
    backend.no_padding()
    between = tokenizer.convert_ids_to_tokens(mark)

    def encode(groups: list[list[str]]) -> list[Encoding]:
        return backend.encode_batch_fast(groups, is_pretokenized=True, add_special_tokens=False)

    def split(groups: list[list[str]], encodings: list[Encoding]) -> tuple[np.ndarray, np.ndarray]:
        parts, lengths = [], []
        for group, encoding in zip(groups, encodings, strict=True):
            ids = np.array(encoding.ids, np.int32)
            ends = np.flatnonzero(ids == mark)
            if len(ends) != len(group) // 2:  # the text itself has the mark, written out
                own = [np.array(e.ids, np.int32) for e in encode([[s] for s in group[::2]])]
                parts += own
                lengths += map(len, own)
            else:
                parts.append(ids[ids != mark])
                lengths += (np.diff(ends, prepend=-1) - 1).tolist()
        return np.concatenate(parts), np.array(lengths, np.int32)

    strings, before = iter(strings), None
    with ThreadPoolExecutor(1) as thread:
        while chunk := list(islice(strings, CHUNK * GROUP)):
            marked = [word for string in chunk for word in (string, between)]
            groups = [marked[i : i + 2 * GROUP] for i in range(0, len(marked), 2 * GROUP)]
            now = groups, thread.submit(encode, groups)
            if before is not None:
                yield split(before[0], before[1].result())
            before = now
        if before is not None:
            yield split(before[0], before[1].result())


def cuts(ends: Iterable[int], begin: int, room: int) -> Iterator[int]:
    """Where segments of at most `room` tokens end, so that sentences, which end at `ends`, stay
    whole where they fit."""
    end = begin
    for sentence_end in ends:
        if end > begin and sentence_end - begin > room:
            yield (begin := end)
        end = sentence_end
        while end - begin > room:
            yield (begin := begin + room)
    if end > begin:
        yield end


def with_specials(inner: np.ndarray, lengths: np.ndarray, first: int, last: int) -> pa.ListArray:
    """Segments of `inner`, with the special tokens that each gets around it.

    inner: all their tokens. lengths: of the segments, with the special tokens.
    """
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    begins, ends = offsets[:-1], offsets[1:] - 1
    values = np.empty(offsets[-1], np.int32)
    is_inner = np.ones(len(values), bool)
    is_inner[begins] = is_inner[ends] = False
    values[is_inner], values[begins], values[ends] = inner, first, last
    return pa.ListArray.from_arrays(offsets, values)
