"""Inference with an exported student, without torch: texts in, labels and probabilities out.

from tinybert.deploy.classifier import Classifier
classify = Classifier("models/pydocs/onnx")
print(classify(["Draws a line between two points of the axes."]))
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from tinybert.deploy.onnx.session import FILES, METADATA_FILE, session
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json


class Classifier:
    """A student as the stage `export` writes it.

    folder: models/T/onnx. kind: "int8", or "onnx" for float32. threads: 0 uses all cores. Raises
    InputError if the folder lacks the model or task.json.
    """

    def __init__(self, folder: str | Path, kind: str = "int8", threads: int = 0):
        folder = Path(folder)
        missing = [name for name in (FILES[kind], METADATA_FILE) if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder} has no {' and no '.join(missing)}; give the folder that the stage "
                "export writes, models/<task>/onnx"
            )
        metadata = read_json(folder / METADATA_FILE)
        self.kind, self.labels, self.pair = (metadata[k] for k in ("kind", "labels", "pair"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.max_length = metadata["max_length"]
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.no_padding()
        settings = read_json(folder / "tokenizer_config.json")
        self.padding_id = self.tokenizer.token_to_id(settings["pad_token"])
        self.session = session(folder / FILES[kind], threads)
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, texts: Sequence[str | tuple[str, str]]) -> list[dict]:
        """Returns a prediction for each text, or each pair of texts if the task has pairs.

        The keys of a prediction are `label` and `probabilities` (by label) for classification,
        `labels` (a list) and `probabilities` for multi-label tasks, and `score` for regression.
        Raises InputError if one of the texts is not a text (not a pair of texts).
        """
        if not texts:
            return []
        for text in texts:
            strings = (text,) if isinstance(text, str) else tuple(text)
            if len(strings) != 1 + self.pair or not all(isinstance(s, str) for s in strings):
                expected = "a pair of texts" if self.pair else "a text"
                raise InputError(
                    f"{text!r:.80} is not {expected}; this model classifies {expected}"
                )
        return [decode(row, self.kind, self.labels) for row in self.logits(texts)]

    def logits(self, texts: Sequence[str | tuple[str, str]]) -> np.ndarray:
        """(texts, classes), float32; (texts, 1) for regression."""
        encoded = self.tokenizer.encode_batch([tuple(t) if self.pair else t for t in texts])
        lengths = np.array([len(encoding.ids) for encoding in encoded])
        shape = len(encoded), int(lengths.max())
        inputs = {
            "input_ids": np.full(shape, self.padding_id, np.int64),
            "attention_mask": (np.arange(shape[1]) < lengths[:, None]).astype(np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for i, encoding in enumerate(encoded):
            inputs["input_ids"][i, : lengths[i]] = encoding.ids
            inputs["token_type_ids"][i, : lengths[i]] = encoding.type_ids
        return self.session.run(None, {name: inputs[name] for name in self.names})[0]


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


def _by_label(probabilities: np.ndarray, labels: list[str]) -> dict[str, float]:
    return {label: float(p) for label, p in zip(labels, probabilities, strict=True)}
