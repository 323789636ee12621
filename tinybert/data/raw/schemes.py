"""How tags mark entities: IOB1, IOB2, IOBES or inside-outside (IO), found out and converted to
IOB2; or not at all, as parts of speech."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from tinybert.data.raw.targets import preview
from tinybert.pipeline.errors import InputError
from tinybert.tasks.entities import OUTSIDE, find, iob2

# Also BILOU and BMES, which are IOBES in other letters.
TAG = re.compile(r"([BIESLUM])(?:-(.+))?")
SPELLED = re.compile(r"([BIESLUM])(?:([\W_])(.+))?", re.IGNORECASE)  # B_PER, b-per, B:PER
REVERSED = re.compile(r"(.+)[\W_]([BIESLUM])", re.IGNORECASE)
CONTINUES = "IEM"
SAME = {"L": "E", "U": "S", "M": "I"}
NO_TYPE = "entity"  # of tags that are a prefix alone
WORDS = "none"  # each word has a tag of its own
SCHEMES = ("IOB1", "IOB2", "IOBES", "IO", WORDS)
SETTING = "under the task's data in params.yaml"


def is_respelled(
    file: object, sentences: Iterable[Sequence[str]], scheme: str | None = None
) -> bool:
    """Whether the prefixes of train's tags have another writing throughout, as in B_PER or b-per,
    which `plain` mends. scheme: that of params.yaml.

    In IO and none they belong to the tags. Raises InputError if they may be prefixes or not.
    """
    tags = {tag for sentence in sentences for tag in sentence}
    has_outside, others = not tags.isdisjoint("Oo"), sorted(tags - {*"Oo"})
    found = [SPELLED.fullmatch(tag) for tag in others]
    if scheme in ("IO", WORDS) or not others or not all(found):
        return False
    if all(map(TAG.fullmatch, others)):
        return "o" in tags
    separators, cases = {match[2] for match in found}, {match[1].isupper() for match in found}
    begun = {match[3] for match in found if match[1].upper() == "B"}
    continued = {match[3] for match in found if match[1].upper() in CONTINUES}
    only_inside = has_outside and {match[1].upper() for match in found} == {"I"}
    if len(separators) == len(cases) == 1 and (scheme or begun & continued or only_inside):
        return True
    if has_outside and separators != {None}:
        raise InputError(
            f"{file}: the tags {preview(others)} may begin with prefixes that are written in "
            "another way: write all as in B-PER; or, if they are types of entities, set scheme: "
            f"IO, or, if each word's tag stands alone, scheme: none {SETTING}"
        )
    return False


def plain(tag: str) -> str:
    """B-PER for B_PER, b-PER and alike, O for o; another tag as it is."""
    match = SPELLED.fullmatch(tag)
    if match is None:
        return OUTSIDE if tag == "o" else tag
    return match[1].upper() + (f"-{match[3]}" if match[3] else "")


def of_types(tags: Iterable[str], types: Collection[str]) -> list[str]:
    """A sentence's tags, those with another writing as `plain` has them if only so their types are
    among these."""

    def is_known(tag: str) -> bool:
        return tag == OUTSIDE or parse(tag)[1] in types

    return [plain(tag) if not is_known(tag) and is_known(plain(tag)) else tag for tag in tags]


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
    bare = [tag for tag in others if not TAG.fullmatch(tag)]
    if len(bare) == len(others):
        if any(tag.endswith(("-B", "-S")) for tag in bare) or _are_reversed(bare):
            raise InputError(
                f"{file}: the prefix of the tags {preview(bare)} must come first, as in B-PER; "
                f"correct them, or, if each word's tag stands alone, set scheme: none {SETTING}"
            )
        if OUTSIDE not in tags and (most := tags.most_common(1)[0][0]) in ("o", "0"):
            raise InputError(
                f"{file}: no tag is {OUTSIDE}, and most are {most}; write {OUTSIDE} if they mean "
                f"no entity, or, if each word's tag stands alone, set scheme: none {SETTING}"
            )
        return "IO" if OUTSIDE in tags else WORDS
    if bare:
        raise InputError(
            f"{file}: the tags {preview(bare)} have no prefix (B-, I-, E-, S-), and others have; "
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


def _are_reversed(tags: Iterable[str]) -> bool:
    """Whether a type begins and continues with what looks like a prefix, but at its end."""
    found = [match for match in map(REVERSED.fullmatch, tags) if match]
    begun = {match[1] for match in found if match[2].upper() == "B"}
    return any(match[1] in begun and match[2].upper() in CONTINUES for match in found)


def label_names(
    tags: Iterable[Sequence[str]], scheme: str, listed: Iterable[str] = ()
) -> list[str]:
    """All labels in the order of their numbers. tags: in IOB2, or of the scheme none. In IOB2 they
    are O, and B- and I- of each type, whether or not a sentence has it. listed: further labels, or
    types of entities."""
    present = {*listed, *(tag for sentence in tags for tag in sentence)}
    if scheme == WORDS:
        return sorted(present)
    types = sorted({parse(name)[1] for name in present if name != OUTSIDE})
    return [OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]
