"""Labels of the words of a text, with their places in it. Without torch.

A model reads a long text in windows, which overlap by half. A word's label is that of the window in
which the word is farthest from an edge, since it is sure of what it sees on both sides.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from tinybert.models.words import first_pieces, locate, spaced, split
from tinybert.tasks.entities import OUTSIDE, of_iob2
from tinybert.tasks.task import is_iob2

# The windows of each text -> the logits of each, (tokens, classes).
Logits = Callable[[list[list[Encoding]]], list[list[np.ndarray]]]


def use_windows(tokenizer: Tokenizer) -> None:
    """Lets a tokenizer that cuts texts give what it cuts as windows, in Encoding.overflowing."""
    cut = tokenizer.truncation
    room = cut["max_length"] - tokenizer.num_special_tokens_to_add(False)
    tokenizer.enable_truncation(**{**cut, "stride": max(0, room // 2)})


def label_words(
    windows: list[Encoding], logits: list[np.ndarray], places: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the words' labels, and their probabilities, both (words,).

    windows: of a text. logits: of each window, (tokens, classes). places: where the words begin and
    end in the text. A word without a token, such as an invisible character, has label 0 and
    probability 0.
    """
    numbers, probabilities = np.zeros(len(places), int), np.zeros(len(places))
    distance = np.full(len(places), -1)  # tokens between a word and the nearer edge
    starts, ends = zip(*places, strict=True) if places else ((), ())
    for window, values in zip(windows, logits, strict=True):
        real = [place for place in window.offsets if place[0] < place[1]]  # no special tokens
        begin = bisect_right(ends, min((start for start, _ in real), default=0))
        part = places[begin : bisect_left(starts, max((end for _, end in real), default=0))]
        values = values.astype(np.float64)
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
    predictions = []
    for text, read in zip(texts, _read(map(spaced, texts), tokenizer, logits), strict=True):
        words = split(text)
        found = label_words(*read, locate(spaced(text), words))
        predictions.append(_decode(text, locate(text, words), *found, labels))
    return predictions


def number_words(
    texts: Sequence[str], words: Sequence[list[str]], tokenizer: Tokenizer, logits: Logits
) -> np.ndarray:
    """The numbers of the labels of all words of the texts, one text after the other. words: those
    of each text, in its order."""
    rows = (
        label_words(*read, locate(text, part))[0]
        for text, part, read in zip(texts, words, _read(texts, tokenizer, logits), strict=True)
    )
    return np.concatenate([np.empty(0, int), *rows])


def _read(
    texts: Iterable[str], tokenizer: Tokenizer, logits: Logits
) -> Iterator[tuple[list[Encoding], list[np.ndarray]]]:
    """The windows of each text, and their logits."""
    encodings = tokenizer.encode_batch(list(texts))
    windows = [[encoding, *encoding.overflowing] for encoding in encodings]
    return zip(windows, logits(windows), strict=True)


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
