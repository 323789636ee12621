"""Rows whose texts are nearly alike, for the test that `tinybert init` takes, by MinHash.

Texts are compared by their character 5-grams; a character of a script without spaces counts as a
word. So many rows are compared in a time that grows with their number, not with its square.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tinybert.data.raw.columns import Table
from tinybert.data.raw.spelling import normalised
from tinybert.models.words import spaced

CHARACTERS = 20_000  # of a text that are compared
SIZE = 5  # of the n-grams
# Of all their n-grams, rows that are nearly alike share this part: texts of 10 words that differ in
# one, or of 17 Chinese characters. Groups that are too large are divided again, by the next part.
SHARED = (0.7, 0.8, 0.9)
HASHES, BAND, SEED = 128, 4, 1  # rows are compared if one of the bands of hashes is equal
EDGE = " " * (SIZE - 1)  # so that each character is in as many n-grams
BLOCK = 1 << 18  # characters at a time
PUNCTUATION = regex.compile(r"[\p{P}\s]+")


@dataclass(frozen=True)
class Groups:
    """Of the rows of all tables, one after the other. same: rows of one number stay together.
    joined: whether a row does so with others than its copies. divided: whether it is one of too
    many that are nearly alike. example: two texts that are nearly alike, joined ones if there are
    some; None: there are none."""

    same: np.ndarray
    joined: np.ndarray
    divided: np.ndarray
    example: tuple[str, str] | None


def groups(tables: Sequence[Table], largest: float) -> Groups:
    """Joins the groups of the column `same` (same.mark) whose texts are nearly alike; of pairs,
    both texts.

    largest: the rows of the first table that a group may have; larger ones are divided into those
    that are more alike, and at last into copies.
    """
    roles = [role for role in ("text_a", "text_b") if role in tables[0].columns]
    texts = [[text for table in tables for text in table.columns[role]] for role in roles]
    same = np.concatenate([np.array(table.columns["same"], np.int64) for table in tables])
    _, rows, copies = np.unique(same, return_index=True, return_inverse=True)
    counts = np.bincount(copies[: len(tables[0])], minlength=len(rows))
    first, second, shared = _edges([_signatures(column) for column in texts])
    first, second = copies[first], copies[second]
    numbers = np.arange(len(rows))  # of the groups of copies
    is_open = np.ones(len(rows), bool)
    for i, part in enumerate(SHARED):
        kept = (shared >= part) & is_open[first] & is_open[second]
        found = _connected(first[kept], second[kept], len(rows))
        fits = is_open & (np.bincount(found, weights=counts)[found] <= largest)
        numbers[fits] = (i + 1) * len(rows) + found[fits]
        is_open &= ~fits
        if i == 0:
            divided = is_open & _with_others(found)
    # the first example that train has, joined if there is one
    is_example = (first != second) & (counts[first] + counts[second] > 0)
    is_joined = is_example & (numbers[first] == numbers[second])
    example = None
    for edge in np.flatnonzero(is_joined if is_joined.any() else is_example)[:1]:
        one, other = sorted((rows[first[edge]], rows[second[edge]]))
        column = next(column for column in texts if column[one] != column[other])
        example = (column[one], column[other])
    return Groups(numbers[copies], _with_others(numbers)[copies], divided[copies], example)


def _with_others(numbers: np.ndarray) -> np.ndarray:
    """Whether another member has its number."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return counts[places] > 1


def _connected(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    return connected_components(edges, directed=False)[1]


def _signatures(texts: Sequence[str]) -> np.ndarray:
    """(texts, HASHES): two texts have this part of them in common that they have of n-grams."""
    random = np.random.default_rng(SEED)
    factors = random.integers(2**32, size=HASHES, dtype=np.uint32) | 1
    offsets = random.integers(2**32, size=HASHES, dtype=np.uint32)
    out, start = np.empty((len(texts), HASHES), np.uint32), 0
    for block in _blocks(texts):
        hashes, starts = _ngrams(block)
        for i in range(HASHES):
            smallest = np.minimum.reduceat(hashes * factors[i] + offsets[i], starts)
            out[start : start + len(block), i] = smallest
        start += len(block)
    return out


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts as they are compared, some at a time."""
    block, size = [], 0
    for text in texts:
        plain = normalised(text[:CHARACTERS])
        if not plain.isascii():
            plain = spaced(plain)
        plain = PUNCTUATION.sub(" ", plain).strip() or plain
        block.append(f"{EDGE}{plain}{EDGE}")
        size += len(block[-1])
        if size > BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _ngrams(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all n-grams, and where each text's begin."""
    codes = "".join(texts).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(codes, np.uint32).astype(np.uint64)
    lengths = np.array(list(map(len, texts)))
    count = len(points) - SIZE + 1
    hashes = np.zeros(count, np.uint64)
    for i in range(SIZE):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + points[i : i + count]
    hashes ^= hashes >> np.uint64(29)  # mixes the bits, as splitmix64 does
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    ends = np.cumsum(lengths)
    is_within = np.ones(len(points), bool)
    for i in range(1, SIZE):  # n-grams of two texts
        is_within[ends - i] = False
    starts = np.concatenate([[0], np.cumsum(lengths - SIZE + 1)[:-1]])
    return (hashes[is_within[:count]] >> np.uint64(32)).astype(np.uint32), starts


def _edges(signatures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, other rows, and the part of n-grams that they share, if it is enough: of each row, with
    the first and the previous one of those that have an equal band. signatures: of each text of a
    row; of pairs the smaller part counts."""
    found = []
    for start in range(0, HASHES, BAND):
        bands = np.concatenate([s[:, start : start + BAND] for s in signatures], axis=1)
        keys = np.zeros(len(bands), np.uint64)
        for column in bands.T:
            keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(32)
        order = np.argsort(keys, kind="stable")
        is_first = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
        leaders = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
        for others in (leaders, np.roll(order, 1)):
            rows, others = order[~is_first], others[~is_first]
            shared = np.concatenate(
                [_shared(signatures, rows[i : i + 4096], others[i : i + 4096])
                 for i in range(0, len(rows), 4096)] or [np.zeros(0)]
            )  # fmt: skip
            enough = shared >= SHARED[0]
            found.append((rows[enough], others[enough], shared[enough]))
    first, second, shared = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, shared


def _shared(signatures: list[np.ndarray], rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.min([(s[rows] == s[others]).mean(axis=1) for s in signatures], axis=0)
