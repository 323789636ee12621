"""The words of a text that may be replaced, in scripts with spaces and in Chinese (rjieba)."""

from functools import cache

import regex
import rjieba
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from stop_words import LANGUAGE_MAPPING, get_stop_words
from transformers import PreTrainedTokenizerBase

from tinybert.pipeline.errors import InputError

# Scripts without spaces between words for which there is no segmenter here: never replaced.
UNSEGMENTED = r"\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
LETTER = rf"[\p{{L}}--[\p{{Han}}{UNSEGMENTED}]]"
# Combining marks belong to the letter before them; Persian and Hindi words contain joiners.
WORD = regex.compile(rf"(?V1)\p{{Han}}+|{LETTER}[{LETTER}\p{{M}}\u200c\u200d]*")
HAN = regex.compile(r"\p{Han}+")
# First letters of rjieba's tags of content words: nouns, verbs, adjectives, idioms, set phrases,
# abbreviations, times, manners, distinguishing words.
CONTENT = "nvaijltzb"
NEGATIONS = frozenset(
    "没有 沒有 不是 不会 不會 不能 不要 不可 不用 并非 並非 从未 從未 未必".split()
)
SPACES = ("Ġ", "▁")  # how byte-level BPE and SentencePiece write the space before a word
Span = tuple[int, int]


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words that carry little meaning or, like "not", decide it. language: ISO 639-1.

    Raises InputError that lists the known languages.
    """
    if language == "en":
        return ENGLISH_STOP_WORDS
    if language not in LANGUAGE_MAPPING:
        known = ", ".join(sorted(LANGUAGE_MAPPING))
        raise InputError(
            f"augment.language: there are no stop words for {language!r}; use one of {known}"
        )
    return frozenset(word.casefold() for word in get_stop_words(language))


def find(text: str, language: str) -> tuple[list[Span], int]:
    """The spans (start, end) of the replaceable words, in order, and the number of all words."""
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
    """Whether a word of a script with spaces is neither a stop word nor a single letter."""
    return len(word) > 1 and word.casefold() not in stop_words(language)


def whole_words(tokenizer: PreTrainedTokenizerBase, language: str) -> dict[int, str]:
    """The tokens that are a whole replaceable word: id -> word, ordered by id.

    Those that continue a word do not count: WordPiece marks them, byte-level BPE and SentencePiece
    mark the others, by the space before them. Without Chinese, whose words have several tokens.
    """
    vocabulary = tokenizer.get_vocab()
    prefix = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
    has_spaces = not prefix and any(token[0] in SPACES for token in vocabulary if len(token) > 1)

    def begins_word(token: str) -> bool:
        return token[0] in SPACES if has_spaces else not (prefix and token.startswith(prefix))

    words = {}
    for token, i in sorted(vocabulary.items(), key=lambda item: item[1]):
        word = tokenizer.convert_tokens_to_string([token]).strip()
        is_word = WORD.fullmatch(word) and not HAN.match(word) and is_replaceable(word, language)
        if is_word and begins_word(token):
            words[i] = word
    return words
