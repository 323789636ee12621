"""The words of a text, and which of them may be replaced: in any script that marks its words, and
in Chinese, which rjieba cuts."""

from functools import cache

import regex
import rjieba
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from stop_words import LANGUAGE_MAPPING, get_stop_words
from transformers import PreTrainedTokenizerBase

from tinybert.errors import InputError

# Scripts without spaces between words, and nothing here to cut them: such words stay as they are.
UNCUT = r"\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
LETTER = rf"[\p{{L}}--[\p{{Han}}{UNCUT}]]"
# Combining marks belong to the letter before them; joiners stand inside Persian and Hindi words.
WORD = regex.compile(rf"(?V1)\p{{Han}}+|{LETTER}[{LETTER}\p{{M}}\u200c\u200d]*")
HAN = regex.compile(r"\p{Han}+")
# What carries meaning, by the first letter of rjieba's tags: nouns, verbs, adjectives, idioms,
# set phrases, abbreviations, times, manners, distinguishing words.
CONTENT = "nvaijltzb"
NEGATIONS = frozenset(
    "没有 沒有 不是 不会 不會 不能 不要 不可 不用 并非 並非 从未 從未 未必".split()
)
Span = tuple[int, int]


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words that carry little meaning or, like "not", all of it. language: ISO 639-1.

    Raises InputError that lists the languages that there are.
    """
    if language == "en":
        return ENGLISH_STOP_WORDS
    if language not in LANGUAGE_MAPPING:
        known = ", ".join(sorted(LANGUAGE_MAPPING))
        raise InputError(f"augment.language: no stop words of {language!r} are known; of {known}")
    return frozenset(word.casefold() for word in get_stop_words(language))


def find(text: str, language: str) -> tuple[list[Span], int]:
    """Where the words are that may be replaced, (start, end) each, and the number of all words."""
    spans, count = [], 0
    for match in WORD.finditer(text):
        start = match.start()
        if not HAN.fullmatch(match[0]):
            count += 1
            if is_replaceable(match[0], language):
                spans.append(match.span())
            continue
        for word, tag in rjieba.tag(match[0]):
            count += 1
            # A single character has too many meanings; zg are adverbs.
            if len(word) > 1 and tag[0] in CONTENT and tag != "zg" and word not in NEGATIONS:
                spans.append((start, start + len(word)))
            start += len(word)
    return spans, count


def is_replaceable(word: str, language: str) -> bool:
    """Of a word in a script that marks its words."""
    return len(word) > 1 and word.casefold() not in stop_words(language)


def whole_words(tokenizer: PreTrainedTokenizerBase, language: str) -> dict[int, str]:
    """Tokens that are a whole replaceable word by themselves: id -> word. Not Chinese: its words
    are of several tokens."""
    found = {}
    for token, i in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
        word = tokenizer.convert_tokens_to_string([token]).strip()
        is_word = WORD.fullmatch(word) and not HAN.match(word) and is_replaceable(word, language)
        if is_word and not token.startswith("##"):
            found[i] = word
    return found
