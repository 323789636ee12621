"""Inference with an exported student, without torch: texts in, labels and probabilities out.

from tinybert.deploy.classifier import Classifier
classify = Classifier("models/pydocs/onnx")
print(classify(["Draws a line between two points of the axes."]))
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from tinybert.deploy.onnx import reference
from tinybert.deploy.onnx.session import FILES, METADATA_FILE, TOKENIZER_FILE, logits, session
from tinybert.deploy.words import number_words, predict_words, use_windows
from tinybert.models.chunks import MAX_CHARACTERS, chunks
from tinybert.models.windows import windows
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json

THREADS = 1024  # at most


class Classifier:
    """A student as the stage `export` writes it.

    folder: models/T/onnx. kind: "int8", or "onnx" for float32. threads: texts that are read at
    once, each on one thread; 0: as many as cores. A text's prediction does not depend on the other
    texts of a call. Raises InputError if a file is missing or is not the one that was exported, or
    if this machine computes other logits.
    """

    def __init__(self, folder: str | Path, kind: str = "int8", threads: int = 0):
        folder = Path(folder)
        if kind not in FILES:
            raise InputError(f"{kind!r} is not a kind of model; use one of {', '.join(FILES)}")
        if not 0 <= threads <= THREADS:
            raise InputError(f"threads is {threads}; give 0 (all cores) to {THREADS}")
        exported = reference.read(folder, kind)
        metadata = read_json(folder / METADATA_FILE)
        self.kind, self.labels, self.pair = (metadata[k] for k in ("kind", "labels", "pair"))
        try:
            # with training's truncation: its length, side, strategy, and the stride of windows
            self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            self.stride = self.tokenizer.truncation["stride"]
            self.session, self.threads = session(folder / FILES[kind]), threads
        except (OSError, MemoryError):
            raise
        except Exception as error:  # the libraries raise no narrower one; the files are whole
            raise InputError(
                f"{folder} is as it was exported, and the libraries here cannot open it: install "
                f"the versions of onnxruntime and tokenizers of constraints.txt ({error})"
            ) from None
        self.names = [value.name for value in self.session.get_inputs()]
        encoding = self.tokenizer.encode(*exported.texts)
        [[row]] = logits(self.session, [[encoding]])
        self.difference = reference.difference(folder, kind, exported, encoding, row)
        if self.kind == "tokens":
            use_windows(self.tokenizer)

    def __call__(
        self, texts: Sequence[str | tuple[str, str]], min_confidence: float = 0.0
    ) -> list[dict]:
        """Returns a prediction for each text, or each pair of texts if the task has pairs.

        The keys of a prediction are `label` and `probabilities` (by label) for classification,
        `labels` (a list) and `probabilities` for multi-label tasks, and `score` for regression; for
        labels of words those of predict_words. min_confidence: see `withhold`.
        Raises InputError if `texts` is one text, a mapping, a set or a table, or if one of them is
        not a text (not a pair); and as check_confidence.
        """
        check_confidence(min_confidence, self.kind)
        if self.kind != "tokens":
            predictions = (decode(row, self.kind, self.labels) for row in self.logits(texts))
            return [withhold(prediction, min_confidence) for prediction in predictions]
        texts = self.check(texts)
        return [
            prediction
            for part in chunks(texts)
            for prediction in predict_words(texts[part], self.tokenizer, self._logits, self.labels)
        ]

    def number_words(self, texts: Sequence[str], words: Sequence[list[str]]) -> np.ndarray:
        """For labels of words: the numbers of the labels of all words of the texts, one text after
        the other. words: those of each text, in its order. Raises InputError as a call."""
        return number_words(self.check(texts), words, self.tokenizer, self._logits)

    def _logits(self, texts: Iterable[list[Encoding]]) -> list[list[np.ndarray]]:
        return logits(self.session, texts, self.threads)

    def logits(self, texts: Sequence[str | tuple[str, str]]) -> np.ndarray:
        """(texts, classes), float32; (texts, 1) for regression. Not for labels of words. Raises
        InputError as a call."""
        texts = self.check(texts)
        rows = [np.empty((0, max(1, len(self.labels))), np.float32)]
        sides = list(zip(*texts, strict=True)) if self.pair else [texts]
        for part in chunks(*sides) if texts else ():
            encodings = self.tokenizer.encode_batch(texts[part])
            found = self._logits(windows(encoding, self.stride) for encoding in encodings)
            rows += [np.mean(of_windows, axis=0, keepdims=True) for of_windows in found]
        return np.concatenate(rows)

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[Encoding]:
        """Texts, or pairs of texts, as the tokens that training saw; a text's further windows are
        in `overflowing`. Raises InputError as a call."""
        return self.tokenizer.encode_batch(self.check(texts))

    def check(self, texts: Sequence[str | tuple[str, str]]) -> list[str] | list[tuple[str, str]]:
        """The texts, or pairs of texts, as a list. Raises InputError as a call."""
        expected = "a pair of texts" if self.pair else "a text"
        if isinstance(texts, str):
            raise InputError(f"{texts!r:.80} is one text; give a list, in which each is {expected}")
        # the items of tables and mappings are names, and a set has no order
        unordered = (bytes, set, frozenset, Mapping)
        is_list = isinstance(texts, Iterable) and not isinstance(texts, unordered)
        if not is_list or getattr(texts, "ndim", 1) != 1:
            raise InputError(
                f"{type(texts).__name__} is no list of texts; give a list, in which each is "
                f"{expected}; of a table, one column as a list"
            )
        texts = [tuple(text) if isinstance(text, list) else text for text in texts]
        for text in texts:
            strings = text if self.pair else (text,)
            is_pair = isinstance(strings, tuple) and len(strings) == 1 + self.pair
            if not is_pair or not all(isinstance(string, str) for string in strings):
                raise InputError(
                    f"{text!r:.80} is not {expected}; this model classifies {expected}"
                )
            try:
                "".join(strings).encode()
            except UnicodeEncodeError:
                raise InputError(
                    f"{text!r:.80} is not valid Unicode: it has half of a surrogate pair"
                ) from None
            if max(map(len, strings)) > MAX_CHARACTERS:
                raise InputError(
                    f"{text!r:.80} has more than {MAX_CHARACTERS:,} characters; shorten it, or "
                    "divide it into texts"
                )
        return texts


def decode(logits: np.ndarray, kind: str, labels: list[str]) -> dict:
    """Converts a row of logits, (classes,), to a prediction, as Classifier returns it.

    kind: the task's.
    """
    logits = logits.astype(np.float64)
    if kind == "regression":
        return {"score": float(logits[0])}
    if kind == "multi_label":
        probabilities = _by_label(1 / (1 + np.exp(-logits)), labels)
        predicted = [label for label, probability in probabilities.items() if probability > 0.5]
        return {"labels": predicted, "probabilities": probabilities}
    powers = np.exp(logits - logits.max())  # softmax
    probabilities = powers / powers.sum()
    label = labels[int(probabilities.argmax())]
    return {"label": label, "probabilities": _by_label(probabilities, labels)}


def check_confidence(min_confidence: float, kind: str) -> None:
    """Raises InputError if it is not from 0 to 1, or if the kind of task has no probabilities."""
    if not 0 <= min_confidence <= 1:
        raise InputError(f"min_confidence is {min_confidence}; give a probability, 0 to 1")
    if min_confidence and kind == "regression":
        raise InputError(
            "this model predicts a score, which has no probability: min_confidence cannot be used; "
            "`spread` in metrics/eval says how far its scores are off"
        )
    if min_confidence and kind == "tokens":
        raise InputError(
            "this model labels words: min_confidence cannot be used; each entity or word has a "
            "`probability` to choose by"
        )


def withhold(prediction: dict, min_confidence: float) -> dict:
    """The prediction without the answers that are less probable than min_confidence, 0 for all.

    A `label` is then None. A label of several is an answer of its own, that it applies or that it
    does not: those that are not sure enough are listed as `undecided`, not in `labels`. The
    probabilities stay.
    """
    if not min_confidence:
        return prediction
    probabilities = prediction["probabilities"]
    if "label" in prediction:
        is_sure = probabilities[prediction["label"]] >= min_confidence
        return {**prediction, "label": prediction["label"] if is_sure else None}
    undecided = [label for label, p in probabilities.items() if max(p, 1 - p) < min_confidence]
    labels = [label for label in prediction["labels"] if label not in undecided]
    return {"labels": labels, "undecided": undecided, "probabilities": probabilities}


def _by_label(probabilities: np.ndarray, labels: list[str]) -> dict[str, float]:
    return {label: float(p) for label, p in zip(labels, probabilities, strict=True)}
