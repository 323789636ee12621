"""A model in PyTorch, called as an exported one is: the teacher, beside its student."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from tinybert import pretrained
from tinybert.classifier import Classifier, said


class TorchClassifier:
    """folder: models/T/teacher. student: whose task it is."""

    def __init__(self, folder: str | Path, student: Classifier):
        self.model = pretrained.load(AutoModelForSequenceClassification, folder, new=()).eval()
        self.tokenizer, self.student = pretrained.load_tokenizer(folder), student

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
        return [said(row, self.student.kind, self.student.labels) for row in logits]
