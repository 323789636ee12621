"""How tags mark entities: IOB1, IOB2, IOBES or inside-outside (IO), found out and converted to
IOB2; or not at all, as parts of speech."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tinybert.data.raw.targets import preview
from tinybert.pipeline.errors import InputError
from tinybert.tasks.entities import OUTSIDE, find, iob2

# Also BILOU and BMES, which are IOBES in other letters.
TAG = re.compile(r"([BIESLUM])(?:-(.+))?")
SAME = {"L": "E", "U": "S", "M": "I"}
NO_TYPE = "entity"  # of tags that are a prefix alone
WORDS = "none"  # each word has a tag of its own
SCHEMES = ("IOB1", "IOB2", "IOBES", "IO", WORDS)
SETTING = "under the task's data in params.yaml"


def find_scheme(file: object, sentences: Sequence[Sequence[str]]) -> str:
    """One of SCHEMES, from the tags of train's sentences.

    IOB1 and IOB2 differ in where entities begin: with B only after another of the same type, or
    always. What most entities of the file do decides. Raises InputError if some tags have a prefix
    and others neither have one nor are O.
    """
    tags = Counter(tag for sentence in sentences for tag in sentence)
    others = sorted(tags.keys() - {OUTSIDE})
    if not others:
        raise InputError(f"{file}: all tags are {OUTSIDE}; correct the tags, or their column")
    plain = [tag for tag in others if not TAG.fullmatch(tag)]
    if len(plain) == len(others):
        if any(tag.endswith(("-B", "-S")) for tag in plain):
            raise InputError(
                f"{file}: the prefix of the tags {preview(plain)} must come first, as in B-PER; "
                f"correct them, or, if each word's tag stands alone, set scheme: none {SETTING}"
            )
        return "IO" if OUTSIDE in tags else WORDS
    if plain:
        raise InputError(
            f"{file}: the tags {preview(plain)} have no prefix (B-, I-, E-, S-), and others have; "
            f"correct them, or, if each word's tag stands alone, set scheme: none {SETTING}"
        )
    prefixes = {tag[0] for tag in others}
    if prefixes & set("ESLUM"):
        return "IOBES"
    if prefixes == {"I"}:
        return "IO"
    begins: Counter[str] = Counter()  # entities that do not follow one of their type
    for sentence in sentences:
        parsed = [("O", ""), *map(parse, sentence)]
        begins.update(p for (_, before), (p, kind) in pairwise(parsed) if kind != before)
    return "IOB2" if begins["B"] >= begins["I"] else "IOB1"


def parse(tag: str) -> tuple[str, str]:
    """A tag's prefix (O, B, I, E or S) and type. A tag without a prefix is inside its type."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    match = TAG.fullmatch(tag)
    if match is None:
        return "I", tag
    return SAME.get(match[1], match[1]), match[2] or NO_TYPE


def to_iob2(tags: Sequence[str], scheme: str) -> list[str]:
    """The same entities in IOB2; the tags themselves for the scheme none."""
    if scheme == WORDS:
        return list(tags)
    return iob2(find(map(parse, tags)), len(tags))


def first_break(tags: Sequence[str], scheme: str) -> int | None:
    """The first word whose tag the scheme does not allow there; None: there is none."""
    if scheme in ("IO", WORDS):
        return None
    parsed = [("O", ""), *map(parse, tags), ("O", "")]
    for i, ((before, last), (prefix, kind)) in enumerate(pairwise(parsed)):
        continues = kind == last and before in "BI"
        if scheme == "IOB1":
            wrong = prefix == "B" and kind != last
        else:
            wrong = prefix in "IE" and not continues
        if scheme == "IOBES" and before in "BI" and not (prefix in "IE" and continues):
            return i - 1  # nothing ends it
        if wrong:
            return i
    return None


def label_names(tags: Iterable[Sequence[str]], scheme: str) -> list[str]:
    """All labels in the order of their numbers. tags: in IOB2, or of the scheme none. In IOB2 they
    are O, and B- and I- of each type, whether or not a sentence has it."""
    present = sorted({tag for sentence in tags for tag in sentence})
    if scheme == WORDS:
        return present
    types = dict.fromkeys(tag[2:] for tag in present if tag != OUTSIDE)
    return [OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]
