"""Spans of characters in a text -> tags of its words."""

from tinybert.models import words
from tinybert.tasks.entities import Entity, iob2

KEYS = ("start", "end", "label")


class SpanError(ValueError):
    """A span is wrong; the message says how to fix it."""


def span_tags(text: str, spans: object) -> tuple[list[str], list[str]]:
    """The tags of the text's words in IOB2, and the spans that were extended to whole words.

    spans: a list of {"start", "end", "label"}, or of [start, end, label], or lists under these
    three keys, as the hub's data sets have them; None: there are none. Characters are counted from
    0, the end is not part of a span. Spaces at its ends do not count. Raises SpanError for a span
    that lies outside of the text, that has no word, or that overlaps another.
    """
    if isinstance(spans, dict):
        spans = _of_lists(spans)
    spans = [] if spans is None else spans
    if not isinstance(spans, list):
        raise SpanError(f"the spans must be a list, not {spans!r:.60}; correct it")
    places = words.locate(text, words.split(text))
    entities: list[Entity] = []
    extended = []
    for start, end, label in sorted(_parsed(span, text) for span in spans):
        inside = [i for i, (a, b) in enumerate(places) if a < end and b > start]
        if not inside:
            raise SpanError(f"the span {start} to {end} ({label}) has no word; remove it")
        entity = Entity(inside[0], inside[-1] + 1, label)
        if entities and entity.start < entities[-1].end:
            raise SpanError(
                f"the span {start} to {end} ({label}) shares words with another "
                f"({entities[-1].type}); remove one"
            )
        part = text[start:end].strip()
        if part != text[places[entity.start][0] : places[entity.end - 1][1]]:
            extended.append(part)
        entities.append(entity)
    return iob2(entities, len(places)), extended


def _of_lists(spans: dict) -> list[list]:
    """[start, end, label] of each span, from lists."""
    lists = [spans.get(key) for key in KEYS]
    if not all(isinstance(part, list) for part in lists) or len({*map(len, lists)}) > 1:
        raise SpanError(
            f'{spans!r:.60} must be {{"start": [0], "end": [3], "label": ["PER"]}}, lists of one '
            "length; correct it"
        )
    return list(map(list, zip(*lists, strict=True)))


def _parsed(span: object, text: str) -> tuple[int, int, str]:
    if isinstance(span, dict):
        span = [span.get(key) for key in KEYS]
    is_triple = isinstance(span, list) and len(span) == 3
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
