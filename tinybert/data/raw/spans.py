"""Spans of characters in a text -> tags of its words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tinybert.data.raw.records import in_params
from tinybert.models import words
from tinybert.tasks.entities import Entity, iob2

KEYS = ("start", "end", "label")
OTHER_KEYS = {"start": "start_offset", "end": "end_offset"}  # doccano's
NUMBERS = in_params("labels", "[PER, LOC, ...]") + ", the names in the order of the numbers"


class SpanError(ValueError):
    """A span is wrong; the message says how to fix it."""


class OverlapError(SpanError):
    """Two spans share words."""


@dataclass
class Tagged:
    """tags: of the text's words, in IOB2. extended: the texts of the spans that were extended to
    whole words. repeated: those of the spans that were given more than once."""

    tags: list[str]
    extended: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def span_tags(text: str, spans: object, names: Sequence[str] | None = None) -> Tagged:
    """The tags that spans of characters give to the text's words.

    spans: a list of {"start", "end", "label"} (or doccano's start_offset and end_offset), or of
    [start, end, label], or lists under these three keys, as the hub's data sets have them; None:
    there are none. Characters are counted from 0, the end is not part of a span. Spaces at its ends
    do not count. names: of labels that are numbers. Raises SpanError for a span that lies outside
    of the text or that has no word, and OverlapError for one that shares words with another.
    """
    if isinstance(spans, dict):
        spans = _of_lists(spans)
    spans = [] if spans is None else spans
    if not isinstance(spans, list):
        raise SpanError(f"the spans must be a list, not {spans!r:.60}; correct it")
    places = words.locate(text, words.split(text))
    entities: list[Entity] = []
    found = Tagged([])
    last = None
    for span in sorted(_parsed(span, text, names) for span in spans):
        start, end, label = span
        if span == last:
            found.repeated.append(text[start:end])
            continue
        last = span
        inside = [i for i, (a, b) in enumerate(places) if a < end and b > start]
        if not inside:
            raise SpanError(f"the span {start} to {end} ({label}) has no word; remove it")
        entity = Entity(inside[0], inside[-1] + 1, label)
        if entities and entity.start < entities[-1].end:
            raise OverlapError(
                f"the span {start} to {end} ({label}) shares words with another "
                f"({entities[-1].type}), and a word has one label; remove one of them"
            )
        part = text[start:end].strip()
        if part != text[places[entity.start][0] : places[entity.end - 1][1]]:
            found.extended.append(part)
        entities.append(entity)
    found.tags = iob2(entities, len(places))
    return found


def _of_lists(spans: dict) -> list[list]:
    """[start, end, label] of each span, from lists."""
    lists = _values(spans)
    if not all(isinstance(part, list) for part in lists) or len({*map(len, lists)}) > 1:
        raise SpanError(
            f'{spans!r:.60} must be {{"start": [0], "end": [3], "label": ["PER"]}}, lists of one '
            "length; correct it"
        )
    return list(map(list, zip(*lists, strict=True)))


def _values(spans: dict) -> list:
    """Start, end and label."""
    return [spans.get(key, spans.get(OTHER_KEYS.get(key))) for key in KEYS]


def _parsed(span: object, text: str, names: Sequence[str] | None) -> tuple[int, int, str]:
    if isinstance(span, dict):
        span = _values(span)
    is_triple = isinstance(span, list) and len(span) == 3
    if is_triple and type(span[2]) is int:
        number = span[2]
        if names is None or not 0 <= number < len(names):
            raise SpanError(
                f"the label of the span {span[0]} to {span[1]} is the number {number}, which has "
                f"no name; {NUMBERS}"
            )
        span = [*span[:2], names[number]]
    if not is_triple or not all(type(n) is int for n in span[:2]) or not isinstance(span[2], str):
        raise SpanError(
            f'{span!r:.60} must be {{"start": 0, "end": 3, "label": "PER"}}; correct it'
        )
    start, end, label = span
    if not 0 <= start < end <= len(text):
        raise SpanError(
            f"the span {start} to {end} ({label}) lies outside of the text, which has {len(text)} "
            "characters; correct it"
        )
    if not label.strip():
        raise SpanError(f"the span {start} to {end} has no label; add it")
    return start, end, label.strip()
