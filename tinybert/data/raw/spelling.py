"""Texts and labels that differ only in their spelling."""

import re
import unicodedata

# Format characters and variation selectors: zero-width spaces and joiners, marks, soft hyphens.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]"
)


def normalised(text: str) -> str:
    """The text in NFKC and case-folded, with single spaces and without invisible characters."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())
