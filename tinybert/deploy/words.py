"""Predictions for the words of a text, with their places in it. Without torch."""

import numpy as np

from tinybert.models.words import first_pieces, locate, spaced, split
from tinybert.tasks.entities import OUTSIDE, of_iob2
from tinybert.tasks.task import is_iob2


def decode_words(
    text: str, offsets: list[tuple[int, int]], logits: np.ndarray, labels: list[str]
) -> dict:
    """Converts a text's logits to a prediction.

    offsets: where each token begins and ends in spaced(text). logits: (tokens, classes).
    The key is `entities`, or `words` if the labels mark none: a list of objects with start, end (in
    characters of the text), label, text and probability, the mean over its words. Words after the
    last token have no label.
    """
    words = split(text)
    places = locate(text, words)
    pieces = first_pieces(locate(spaced(text), words), offsets)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    probabilities = (powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)
    names, certain = [OUTSIDE] * len(places), np.zeros(len(places))
    for piece, word in pieces:
        names[word], certain[word] = labels[int(logits[piece].argmax())], probabilities[piece]

    def part(first: int, end: int, label: str) -> dict:
        start, stop = places[first][0], places[end - 1][1]
        return {
            "start": start, "end": stop, "label": label, "text": text[start:stop],
            "probability": float(certain[first:end].mean()),
        }  # fmt: skip

    if is_iob2(labels):
        return {"entities": [part(*entity) for entity in of_iob2(names)]}
    return {"words": [part(word, word + 1, names[word]) for _, word in pieces]}
