"""Texts and labels that differ only in their spelling."""

import re
import unicodedata

# What is not displayed: Unicode's Default_Ignorable_Code_Point, and control characters.
INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Typographic marks, as word processors write them, and those of keyboards.
MARKS = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2010\u2011\u2012\u2013\u2014\u2212\u3002",
    "''''\"\"\"\"------.",
)
# Letters that look like Latin ones, in lower or upper case: Cyrillic, Greek, dotless i.
LETTERS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d"
    "\u0432\u043a\u043c\u043d\u0442\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1"
    "\u03c4\u03c5\u03c7\u0131",
    "aeopcyxijsdhlqwbkmhtabezhikmnoptyxi",
)
BETWEEN_WORDS = re.compile(r"(?<=\w)[-_\s]+(?=\w)")
TRUTH = {"true": "1", "yes": "1", "false": "0", "no": "0"}


def visible(text: str) -> str:
    """The text without invisible characters."""
    return INVISIBLE.sub("", text)


def normalised(text: str) -> str:
    """The text in NFKC and case-folded, with single spaces, plain quotes and hyphens, and without
    invisible characters."""
    text = visible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(MARKS)
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())


def plain_name(name: str) -> str:
    """Equal for names that look alike: as normalised, without punctuation at the ends, in Latin
    letters where others look like them, with a space for - and _ in it, and without the s of a
    plural; yes and true are 1, no and false 0."""
    key = normalised(name).translate(LETTERS)
    key = BETWEEN_WORDS.sub(" ", key.strip("'\"`.,:;!?()[] ")) or key
    return TRUTH.get(key) or (key.removesuffix("s") if len(key) > 3 else key)
