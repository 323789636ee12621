"""Sentences -> tokens -> segments, as arrays: no Python loop over tokens."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pyarrow as pa
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

GROUP = 16  # sentences joined into one input: encoding each alone takes a third longer
CHUNK = 128  # groups in one call of the tokenizer


def tokens(
    strings: Iterable[str], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tokens of strings, as in the running text: yields arrays of tokens and of their numbers.

    strings: sentences, each with the space before it if there is one. Each pair has the tokens of
    some strings, (tokens,), and the number of each string's tokens, (strings,), both int32. The
    tokenizer releases the GIL: while it encodes one chunk, the next is read and the last is used.
    """
    backend, separator = tokenizer.backend_tokenizer, tokenizer("")["input_ids"][-1]
    backend.no_truncation()
    backend.no_padding()
    separator_token = tokenizer.convert_ids_to_tokens(separator)
    one, two = (backend.encode(text, add_special_tokens=False).ids for text in ("a", "a a"))
    space = "" if one + one == two else " "  # many add it, or have none

    def at_start(string: str) -> str:
        """A string as the tokenizer must get it at the start of an input."""
        return space + string[1:] if string[:1] == " " else string

    def encode(groups: list[list[str]]) -> list[Encoding]:
        words = [
            [word for string in group for word in (at_start(string), separator_token)]
            for group in groups
        ]
        return backend.encode_batch_fast(words, is_pretokenized=True, add_special_tokens=False)

    def split(groups: list[list[str]], encodings: list[Encoding]) -> tuple[np.ndarray, np.ndarray]:
        parts, lengths = [], []
        for group, encoding in zip(groups, encodings, strict=True):
            ids = np.array(encoding.ids, np.int32)
            ends = np.flatnonzero(ids == separator)
            parts.append(ids[ids != separator])
            counts = np.diff(ends, prepend=-1) - 1
            # A sentence has no space before it, or contains the separator's text.
            if len(ends) != len(group) or not all(string[:1] == " " for string in group[1:]):
                parts[-1], counts = _by_offsets([at_start(group[0]), *group[1:]], backend)
            lengths += counts.tolist()
        return np.concatenate(parts), np.array(lengths, np.int32)

    groups, previous = _groups(strings), None
    with ThreadPoolExecutor(1) as thread:
        while chunk := list(islice(groups, CHUNK)):
            current = chunk, thread.submit(encode, chunk)
            if previous is not None:
                yield split(previous[0], previous[1].result())
            previous = current
        if previous is not None:
            yield split(previous[0], previous[1].result())


def _groups(strings: Iterable[str]) -> Iterator[list[str]]:
    """Groups of GROUP strings, or more where no space separates them."""
    group: list[str] = []
    for string in strings:
        if len(group) >= GROUP and string[:1] == " ":
            yield group
            group = []
        group.append(string)
    if group:
        yield group


def _by_offsets(strings: list[str], backend: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of strings as one text, and the number of each string's tokens. A token belongs
    to the string in which it ends."""
    encoding = backend.encode("".join(strings), add_special_tokens=False)
    ends = np.cumsum([len(string) for string in strings])
    owners = np.searchsorted(ends, [end for _, end in encoding.offsets])
    return np.array(encoding.ids, np.int32), np.bincount(owners, minlength=len(strings))


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
