"""A PyTorch model with the interface of Classifier: the teacher, to compare a student with."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from tinybert.deploy.classifier import Classifier, decode
from tinybert.models import pretrained
from tinybert.models.tokenizer import load_tokenizer


class TorchClassifier:
    """folder: models/T/teacher. student: of the same task; its labels and max_length are used."""

    def __init__(self, folder: str | Path, student: Classifier):
        self.model = pretrained.load(
            AutoModelForSequenceClassification, folder, allow_missing=()
        ).eval()
        self.tokenizer, self.student = load_tokenizer(folder), student

    def __call__(self, texts: Sequence[str | tuple[str, str]]) -> list[dict]:
        columns = list(zip(*texts, strict=True)) if self.student.pair else [texts]
        inputs = self.tokenizer(
            *map(list, columns),
            truncation=True,
            max_length=self.student.max_length,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = self.model(**inputs).logits.numpy()
        return [decode(row, self.student.kind, self.student.labels) for row in logits]
