"""Entities in sequences of tags, as conlleval and seqeval define them. Without torch.

A tag is O (outside), or a prefix and a type: B-PER begins an entity, I-PER continues it, E-PER ends
it, S-PER is one of a single word. An I or E that nothing of its type comes before begins an entity.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"


class Entity(NamedTuple):
    """start, end: of its words in the sequence, from 0; the end is not part of it."""

    start: int
    end: int
    type: str


def find(tags: Iterable[tuple[str, str]]) -> list[Entity]:
    """The entities of a sequence, in its order. tags: prefix (O, B, I, E, S) and type."""
    entities: list[Entity] = []
    start, current, end = 0, None, -1  # current: the type of the open entity; end: the last word
    for end, (prefix, kind) in enumerate(tags):
        if current is not None and (prefix not in "IE" or kind != current):
            entities.append(Entity(start, end, current))
            current = None
        if prefix != OUTSIDE and current is None:
            start, current = end, kind
        if prefix in "ES":
            entities.append(Entity(start, end + 1, kind))
            current = None
    if current is not None:
        entities.append(Entity(start, end + 1, current))
    return entities


def iob2(entities: Iterable[Entity], length: int) -> list[str]:
    """The tags of a sequence with these entities, which do not overlap: B- on the first word of
    each, I- on its others, O elsewhere."""
    tags = [OUTSIDE] * length
    for start, end, kind in entities:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def of_iob2(tags: Sequence[str]) -> list[Entity]:
    """As find, for tags of IOB2."""
    return find((tag[0], tag[2:]) for tag in tags)
