"""Sentences -> tokens -> segments, as arrays: no Python loop over tokens."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pyarrow as pa
from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

GROUP = 16  # sentences joined into one input: encoding each alone takes a third longer
CHUNK = 128  # groups in one call of the tokenizer


def tokens(
    strings: Iterable[str], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tokens of strings, each encoded as if alone: yields arrays of tokens and of their numbers.

    Each pair has the tokens of some strings, (tokens,), and the number of each string's tokens,
    (strings,), both int32. The tokenizer releases the GIL: while it encodes one chunk, the next is
    read and the last is used.
    """
    backend, separator = tokenizer.backend_tokenizer, tokenizer("")["input_ids"][-1]
    backend.no_truncation()
    backend.no_padding()
    separator_token = tokenizer.convert_ids_to_tokens(separator)

    def encode(groups: list[list[str]]) -> list[Encoding]:
        return backend.encode_batch_fast(groups, is_pretokenized=True, add_special_tokens=False)

    def split(groups: list[list[str]], encodings: list[Encoding]) -> tuple[np.ndarray, np.ndarray]:
        parts, lengths = [], []
        for group, encoding in zip(groups, encodings, strict=True):
            ids = np.array(encoding.ids, np.int32)
            ends = np.flatnonzero(ids == separator)
            if len(ends) != len(group) // 2:  # a sentence contains the separator's text
                alone = [np.array(e.ids, np.int32) for e in encode([[s] for s in group[::2]])]
                parts += alone
                lengths += map(len, alone)
            else:
                parts.append(ids[ids != separator])
                lengths += (np.diff(ends, prepend=-1) - 1).tolist()
        return np.concatenate(parts), np.array(lengths, np.int32)

    strings, previous = iter(strings), None
    with ThreadPoolExecutor(1) as thread:
        while chunk := list(islice(strings, CHUNK * GROUP)):
            words = [word for string in chunk for word in (string, separator_token)]
            groups = [words[i : i + 2 * GROUP] for i in range(0, len(words), 2 * GROUP)]
            current = groups, thread.submit(encode, groups)
            if previous is not None:
                yield split(previous[0], previous[1].result())
            previous = current
        if previous is not None:
            yield split(previous[0], previous[1].result())


def cuts(ends: Iterable[int], begin: int, room: int) -> Iterator[int]:
    """The ends of segments of at most `room` tokens, which start at `begin`.

    ends: of the sentences, ascending. A sentence is split only if it is longer than `room`.
    """
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
    """Segments with a special token at either end, as lists of int32.

    inner: the other tokens of all segments, in order. lengths: the segments', with the special
    tokens. first, last: ids of the special tokens.
    """
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    begins, ends = offsets[:-1], offsets[1:] - 1
    values = np.empty(offsets[-1], np.int32)
    is_inner = np.ones(len(values), bool)
    is_inner[begins] = is_inner[ends] = False
    values[is_inner], values[begins], values[ends] = inner, first, last
    return pa.ListArray.from_arrays(offsets, values)
