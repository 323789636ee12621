"""A PyTorch model with the interface of Classifier: the teacher, to compare a student with."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
)

from tinybert.deploy.classifier import Classifier, decode
from tinybert.deploy.onnx.session import INPUTS
from tinybert.deploy.words import predict_words, use_windows
from tinybert.models import pretrained
from tinybert.models.windows import windows
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import Task

WORDS = "labels of words"  # which has no problem_type


class TorchClassifier:
    """The teacher of a student, which predicts the student's labels.

    folder: models/T/teacher. student: of the same task. threads: of the process; 0 uses all cores.
    It reads texts with its own tokenizer. Raises InputError if the folder holds no model with the
    student's kind and labels (in any order), or one that cannot read the longest rows.
    """

    def __init__(self, folder: str | Path, student: Classifier, threads: int = 0):
        if not os.path.isdir(folder):
            raise InputError(f"--teacher: {folder} is not a folder; give models/<task>/teacher")
        config, tokenizer = pretrained.read_config(str(folder), None, "--teacher")
        self.order, self.student = _label_order(config, folder, student), student
        self.names = [name for name in INPUTS if name in tokenizer.model_input_names]
        # Both cut texts at training's length.
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        length = student.tokenizer.truncation["max_length"]
        self.tokenizer.enable_truncation(
            length, stride=student.stride, direction=tokenizer.truncation_side
        )
        is_words = student.kind == "tokens"
        if is_words:
            use_windows(self.tokenizer)
        if threads:
            torch.set_num_threads(threads)
        head = AutoModelForTokenClassification if is_words else AutoModelForSequenceClassification
        self.model = pretrained.load(head, folder, allow_missing=()).eval()
        self._check_longest(folder)

    def __call__(self, texts: Sequence[str | tuple[str, str]]) -> list[dict]:
        """As Classifier: each text runs alone."""
        kind, labels = self.student.kind, self.student.labels
        texts = self.student.check(texts)
        if kind == "tokens":
            return predict_words(texts, self.tokenizer, self._logits, labels)
        rows = self.tokenizer.encode_batch(texts)
        found = self._logits(windows(row, self.student.stride) for row in rows)
        return [decode(np.mean(of_windows, axis=0), kind, labels) for of_windows in found]

    def _logits(self, texts: Iterable[list[Encoding]]) -> list[list[np.ndarray]]:
        """Of each window of each text, in the order of the student's labels."""
        return [[self._window_logits(window) for window in text] for text in texts]

    def _window_logits(self, window: Encoding) -> np.ndarray:
        """As Classifier's session: (outputs,), or (tokens, outputs) for words."""
        inputs = {name: torch.tensor([getattr(window, INPUTS[name])]) for name in self.names}
        with torch.inference_mode():
            return self.model(**inputs).logits[0].numpy()[..., self.order]

    def _check_longest(self, folder: str | Path) -> None:
        text = "a " * self.student.tokenizer.truncation["max_length"]
        row = self.tokenizer.encode(*([text, text] if self.student.pair else [text]))
        try:
            logits = self._window_logits(row)
        except (IndexError, RuntimeError, TypeError) as error:
            raise InputError(
                f"--teacher: {folder} cannot read the longest row, {len(row.ids)} tokens "
                f"with {', '.join(self.names)}: {error}; give the teacher that it was "
                "distilled from, models/<task>/teacher"
            ) from error
        if not np.isfinite(logits).all():
            raise InputError(
                f"--teacher: {folder} computes NaN or infinite values; get it again with dvc pull"
            )


def _label_order(config: PreTrainedConfig, folder: str | Path, student: Classifier) -> list[int]:
    """The index of the teacher's output for each label of the student. Raises InputError if the
    teacher predicts something else."""
    labels = student.labels
    head = Task(student.kind, labels, student.pair, metrics=[], splits=[]).head()
    expected = head.get("problem_type", WORDS)
    problem = config.problem_type or expected  # many models do not say
    heads = config.architectures or []
    if heads and any("TokenClassification" in name for name in heads) != (expected == WORDS):
        problem = heads[0]
    names = [config.id2label.get(i, "") for i in range(config.num_labels)]
    if problem == expected and student.kind == "regression" and len(names) == 1:
        return [0]
    if problem == expected and labels and sorted(names) == sorted(labels):
        return [names.index(label) for label in labels]
    raise InputError(
        f"--teacher: {folder} does not predict what the student does.\n  teacher "
        f"({config.problem_type or (heads or ['no problem_type'])[0]}, {len(names)} outputs): "
        f"{', '.join(names)}\n"
        f"  student ({expected}, {max(1, len(labels))} outputs): {', '.join(labels)}\nGive the "
        "student's teacher, models/<task>/teacher; or set id2label in its config.json to the "
        "student's names, in the order of its outputs"
    )
