"""The language of texts, by the scripts of their letters and by stop words."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import regex
from stop_words import LANGUAGE_MAPPING, get_stop_words

# Unicode's name of a script -> the language (ISO 639-1) that is written in it alone, or most.
SCRIPTS = {
    "Latin": None, "Cyrillic": None, "Arabic": None, "Han": "zh", "Hiragana": "ja",
    "Katakana": "ja", "Hangul": "ko", "Greek": "el", "Hebrew": "he", "Devanagari": "hi",
    "Thai": "th", "Bengali": "bn", "Tamil": "ta", "Telugu": "te", "Georgian": "ka",
    "Armenian": "hy",
}  # fmt: skip
NAMES = {
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "el": "Greek", "he": "Hebrew",
    "hi": "Hindi", "th": "Thai", "bn": "Bengali", "ta": "Tamil", "te": "Telugu",
    "ka": "Georgian", "hy": "Armenian",
}  # fmt: skip
LETTERS = {script: regex.compile(rf"\p{{{script}}}") for script in SCRIPTS}
PER_WORD = {"Han": 1, "Hiragana": 2, "Katakana": 2, "Hangul": 2}  # letters, about; others: 5
WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")
URL = regex.compile(r"(?:https?://|www\.)[!-~]+", regex.IGNORECASE)
KANA = 0.05  # share of the letters: Japanese has more, a Chinese text may quote some
STOP = 0.1  # share of the words: running text of a language has 0.3 to 0.6
CLEAR = 1.2  # how many times English's share another language must have


class Language(NamedTuple):
    """code: ISO 639-1, or None. name: of the language, or of the script. script: most words'."""

    code: str | None
    name: str
    script: str


def detect(texts: Iterable[str]) -> Language | None:
    """The language of most words, by the usual number of letters in one: a brand among Chinese
    words is one word. URLs do not count. None without letters of a known script."""
    joined = URL.sub(" ", "\n".join(texts))
    letters = {script: len(letter.findall(joined)) for script, letter in LETTERS.items()}
    counts = Counter({script: n / PER_WORD.get(script, 5) for script, n in letters.items()})
    kana = letters["Hiragana"] + letters["Katakana"]
    is_japanese = kana > KANA * (kana + letters["Han"])
    words = counts.pop("Hiragana") + counts.pop("Katakana") + counts["Han"]
    if is_japanese and words > counts["Latin"]:
        return Language("ja", "Japanese", "Han")
    [(script, most)] = counts.most_common(1)
    if not most:
        return None
    code = SCRIPTS[script] or _by_stop_words(joined, script)
    name = NAMES.get(code) or LANGUAGE_MAPPING.get(code, script)
    return Language(code, name.capitalize(), script)


def _by_stop_words(text: str, script: str) -> str | None:
    """The language of the script whose stop words are most frequent; None if none's are."""
    words = Counter(word.casefold() for word in WORD.findall(text))
    shares = {}
    for code in LANGUAGE_MAPPING:
        known = {word.casefold() for word in get_stop_words(code)}
        if sum(bool(LETTERS[script].match(word)) for word in known) > len(known) / 2:
            shares[code] = sum(words[word] for word in known) / max(1, words.total())
    best = max(shares, key=shares.__getitem__, default=None)
    if best is None or shares[best] < STOP:
        return None
    return best if shares[best] > CLEAR * shares.get("en", 0) else "en"
