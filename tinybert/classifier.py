"""An exported student at work: texts in, labels and probabilities out. Without torch.

from tinybert.classifier import Classifier
classify = Classifier("models/pydocs/onnx")
print(classify(["Draws a line between two points of the axes."]))
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from tinybert.errors import InputError

FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
FACTS = "task.json"


def session(file: Path, threads: int = 0) -> ort.InferenceSession:
    """threads: 0 takes all cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Between requests its threads would wait actively, for 10 to 50 ms, and slow what else runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class Classifier:
    """What the stage `export` made of a student.

    folder: models/T/onnx. kind: "int8" or "onnx", in float32. threads: 0 takes all cores.
    """

    def __init__(self, folder: str | Path, kind: str = "int8", threads: int = 0):
        folder = Path(folder)
        missing = [name for name in (FILES[kind], FACTS) if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder} has no {' and no '.join(missing)}; give the folder that the stage "
                "export made, models/<task>/onnx"
            )
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        self.kind, self.labels, self.pair = facts["kind"], facts["labels"], facts["pair"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.max_length = facts["max_length"]
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.no_padding()
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.padding_id = self.tokenizer.token_to_id(settings["pad_token"])
        self.session = session(folder / FILES[kind], threads)
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, texts: Sequence[str | tuple[str, str]]) -> list[dict]:
        """For each text (each pair of texts, where the task is one of pairs): `label` and
        `probabilities` by label; `labels`, a list, where several may apply; or `score`.

        Raises InputError if a text is no text, or no pair where the task wants one.
        """
        if not texts:
            return []
        for text in texts:
            strings = (text,) if isinstance(text, str) else tuple(text)
            if len(strings) != 1 + self.pair or not all(isinstance(s, str) for s in strings):
                wanted = "a pair of texts" if self.pair else "a text"
                raise InputError(f"{text!r:.80} is not {wanted}")
        return [said(row, self.kind, self.labels) for row in self.logits(texts)]

    def logits(self, texts: Sequence[str | tuple[str, str]]) -> np.ndarray:
        """(texts, outputs)."""
        encoded = self.tokenizer.encode_batch([tuple(t) if self.pair else t for t in texts])
        lengths = np.array([len(own.ids) for own in encoded])
        shape = len(encoded), int(lengths.max())
        inputs = {
            "input_ids": np.full(shape, self.padding_id, np.int64),
            "attention_mask": (np.arange(shape[1]) < lengths[:, None]).astype(np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for i, own in enumerate(encoded):
            inputs["input_ids"][i, : len(own.ids)] = own.ids
            inputs["token_type_ids"][i, : len(own.ids)] = own.type_ids
        return self.session.run(None, {name: inputs[name] for name in self.names})[0]


def said(logits: np.ndarray, kind: str, labels: list[str]) -> dict:
    """What a row of logits says, by the task's kind."""
    logits = logits.astype(np.float64)
    if kind == "regression":
        return {"score": float(logits[0])}
    if kind == "multi_label":
        found = 1 / (1 + np.exp(-logits))
        applies = [label for label, p in zip(labels, found, strict=True) if p > 0.5]
        return {"labels": applies, "probabilities": _named(found, labels)}
    powers = np.exp(logits - logits.max())
    found = powers / powers.sum()
    return {"label": labels[int(found.argmax())], "probabilities": _named(found, labels)}


def _named(found: np.ndarray, labels: list[str]) -> dict[str, float]:
    return {label: float(p) for label, p in zip(labels, found, strict=True)}
