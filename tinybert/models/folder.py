"""Saving and loading fine-tuned and distilled models, in folders that transformers can load."""

from pathlib import Path

import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinybert.models import pretrained
from tinybert.pipeline import distributed


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes a folder that AutoModel and AutoTokenizer load. Only the main process writes."""
    if distributed.is_main():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def load_encoder(folder: Path) -> PreTrainedModel:
    """A model without a head."""
    return pretrained.load(AutoModel, folder)


def load_classifier(folder: Path, head: dict | None = None, seed: int = 0) -> PreTrainedModel:
    """A model with a classification head.

    head: Task.head(), for an encoder that may have no head yet; a new head is initialised with
    `seed`. None: the folder must hold a head, or InputError is raised.
    """
    if head is None:
        return pretrained.load(AutoModelForSequenceClassification, folder, allow_missing=())
    torch.manual_seed(seed)
    return pretrained.load(AutoModelForSequenceClassification, folder, **head)
