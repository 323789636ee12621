"""Words of a text and their places. Without torch, as inference is."""

import re
from collections.abc import Iterable, Sequence

# Scripts without spaces between words, in which a character counts as one: Han, kana, Thai, Lao,
# Myanmar, Khmer.
ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
BORDER = re.compile(rf"(?<=[{ALONE}])(?=\S)|(?<=\S)(?=[{ALONE}])")
WORD = re.compile(rf"[{ALONE}]|[^\W{ALONE}]+|[^\w\s]")


def split(text: str) -> list[str]:
    """The words of a text in its order: runs of letters and digits, characters of ALONE, and marks
    such as punctuation, each alone. Only spaces lie between them."""
    return WORD.findall(text)


def spaced(text: str) -> str:
    """The text with spaces around each character of ALONE, so that no token has two words, as
    those of SentencePiece would."""
    return BORDER.sub(" ", text)


def locate(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where words begin and end in the text, in characters. words: in its order, without overlap.
    Raises ValueError if one is missing."""
    places, end = [], 0
    for word in words:
        start = text.index(word, end)
        end = start + len(word)
        places.append((start, end))
    return places


def first_pieces(
    words: Sequence[tuple[int, int]], pieces: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """(piece, word) of the first piece of each word that has one, in their order.

    words, pieces: where they begin and end in the text, in order; special tokens are empty. A piece
    belongs to the first word that it overlaps; a word without one, as after max_length, is absent.
    """
    firsts: list[tuple[int, int]] = []
    word = 0
    for piece, (start, end) in enumerate(pieces):
        if start == end:
            continue
        while word < len(words) and words[word][1] <= start:
            word += 1
        if word < len(words) and words[word][0] < end and (not firsts or firsts[-1][1] != word):
            firsts.append((piece, word))
    return firsts
