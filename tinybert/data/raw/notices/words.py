"""Sentences whose words are not those that a raw text is split into."""

from itertools import pairwise

import regex

from tinybert.data.raw.columns import Table
from tinybert.models.words import split
from tinybert.pipeline.wording import plural

HAN = regex.compile(r"\p{Han}")
CHINESE = 0.5  # share of the sentences with Chinese characters
OTHERS = 0.05  # share of the sentences with other words: fewer hardly change a score


def check_words(table: Table) -> dict[str, str]:
    """A line if many sentences of a Chinese file would be other words in a raw text, as `2 0 2 0`
    would be 2020. In other languages a text cannot be told from its words."""
    sentences = table.columns["words"]
    if sum(any(map(HAN.search, words)) for words in sentences) < CHINESE * len(sentences):
        return {}
    rows = [row for row, words in enumerate(sentences) if split(_text(words)) != words]
    if len(rows) <= OTHERS * len(sentences):
        return {}
    words = sentences[rows[0]]
    expected = split(_text(words))
    start = next(i for i, (a, b) in enumerate(zip(words, expected, strict=False)) if a != b)
    count = plural(len(rows), "sentence has", "sentences have")
    return {
        "other_words": (
            f"{count} other words than predict and serve make of a text: {table.where(rows[0])}, "
            f"{' '.join(words[start : start + 4])!r:.60}, there {expected[start]!r:.60}; scores on "
            "raw texts may be lower. Write digits and letters as whole words, and Chinese by "
            "characters"
        )
    }


def _text(words: list[str]) -> str:
    """The sentence as a text: spaces between words of letters or digits that would become one,
    unless both are a single character."""
    text = words[0]
    for before, word in pairwise(words):
        is_joined = len(split(before[-1] + word[0])) == 1
        text += f" {word}" if is_joined and len(before) + len(word) > 2 else word
    return text
