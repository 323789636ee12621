"""Texts in chunks that a tokenizer takes at once. Without torch, as inference is."""

from collections.abc import Iterator

# A tokenizer holds some 170 bytes for each character until a chunk is done, also of what it cuts.
CHARACTERS = 2_000_000
ROWS = 10_000
MAX_CHARACTERS = 1_000_000  # in a text: beyond that, line breaks are missing


def chunks(first: list[str], second: list[str] | None = None) -> Iterator[slice]:
    """Yields consecutive slices of texts, or of pairs of texts, each of at most ROWS rows and
    CHARACTERS characters, or of one longer row."""
    start = size = 0
    for i, text in enumerate(first):
        length = len(text) + (len(second[i]) if second else 0)
        if i > start and (size + length > CHARACTERS or i - start == ROWS):
            yield slice(start, i)
            start, size = i, 0
        size += length
    if first:
        yield slice(start, len(first))
