"""Labels of the words of a text, with their places in it. Without torch.

A model reads a long text in windows, which overlap by half. A word's label is that of the window in
which the word is farthest from an edge, since it is sure of what it sees on both sides.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from tinybert.models.words import first_pieces, locate, spaced, split
from tinybert.tasks.entities import OUTSIDE, of_iob2
from tinybert.tasks.task import is_iob2

Logits = Callable[[Encoding], np.ndarray]  # a window -> (tokens, classes)


def use_windows(tokenizer: Tokenizer) -> None:
    """Lets a tokenizer that cuts texts give what it cuts as windows, in Encoding.overflowing."""
    cut = tokenizer.truncation
    room = cut["max_length"] - tokenizer.num_special_tokens_to_add(False)
    tokenizer.enable_truncation(**{**cut, "stride": max(0, room // 2)})


def label_words(
    encoding: Encoding, places: Sequence[tuple[int, int]], logits: Logits
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the words' labels, and their probabilities, both (words,).

    encoding: of a text, with its windows. places: where the words begin and end in the text. A word
    without a token, such as an invisible character, has label 0 and probability 0.
    """
    numbers, probabilities = np.zeros(len(places), int), np.zeros(len(places))
    distance = np.full(len(places), -1)  # tokens between a word and the nearer edge
    starts, ends = zip(*places, strict=True) if places else ((), ())
    for window in [encoding, *encoding.overflowing]:
        real = [place for place in window.offsets if place[0] < place[1]]  # no special tokens
        begin = bisect_right(ends, min((start for start, _ in real), default=0))
        part = places[begin : bisect_left(starts, max((end for _, end in real), default=0))]
        values = logits(window).astype(np.float64)
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        highest = (powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)
        for piece, i in first_pieces(part, window.offsets):
            word, nearer = begin + i, min(piece, len(window) - 1 - piece)
            if nearer > distance[word]:
                distance[word] = nearer
                numbers[word], probabilities[word] = values[piece].argmax(), highest[piece]
    return numbers, probabilities


def predict_words(
    texts: Sequence[str], tokenizer: Tokenizer, logits: Logits, labels: list[str]
) -> list[dict]:
    """A prediction for each text.

    The key is `entities`, or `words` if the labels mark none: a list of objects with start, end (in
    characters of the text), label, text and probability, the mean over its words.
    """
    encodings = tokenizer.encode_batch([spaced(text) for text in texts])
    predictions = []
    for text, encoding in zip(texts, encodings, strict=True):
        words = split(text)
        found = label_words(encoding, locate(spaced(text), words), logits)
        predictions.append(_decode(text, locate(text, words), *found, labels))
    return predictions


def number_words(
    texts: Sequence[str], words: Sequence[list[str]], tokenizer: Tokenizer, logits: Logits
) -> np.ndarray:
    """The numbers of the labels of all words of the texts, one text after the other. words: those
    of each text, in its order."""
    encodings = tokenizer.encode_batch(texts)
    rows = (
        label_words(encoding, locate(text, part), logits)[0]
        for text, part, encoding in zip(texts, words, encodings, strict=True)
    )
    return np.concatenate([np.empty(0, int), *rows])


def _decode(
    text: str,
    places: list[tuple[int, int]],
    numbers: np.ndarray,
    probabilities: np.ndarray,
    labels: list[str],
) -> dict:
    def part(first: int, end: int, label: str) -> dict:
        start, stop = places[first][0], places[end - 1][1]
        return {
            "start": start, "end": stop, "label": label, "text": text[start:stop],
            "probability": float(probabilities[first:end].mean()),
        }  # fmt: skip

    has_token = probabilities > 0
    if not is_iob2(labels):
        words = has_token.nonzero()[0].tolist()
        return {"words": [part(word, word + 1, labels[numbers[word]]) for word in words]}
    names = [
        labels[number] if seen else OUTSIDE for number, seen in zip(numbers, has_token, strict=True)
    ]
    return {"entities": [part(*entity) for entity in of_iob2(names)]}
