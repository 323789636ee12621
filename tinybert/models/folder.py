"""Saving and loading fine-tuned and distilled models, in folders that transformers can load."""

from pathlib import Path

import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinybert.models import pretrained
from tinybert.models.checks import load_config
from tinybert.models.tokenizer import save_tokenizer
from tinybert.pipeline import distributed
from tinybert.pipeline.files import set_default_mode


def save_model(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    """Writes a folder that AutoModel and AutoTokenizer load. Only the main process writes.

    max_length: tokens in a row of the training; the saved tokenizer cuts at it.
    """
    if distributed.is_main():
        model.save_pretrained(folder)
        for file in folder.glob("*.safetensors"):
            set_default_mode(file)
        save_tokenizer(folder, tokenizer, max_length)


def load_encoder(folder: Path) -> PreTrainedModel:
    """A model without a head."""
    return pretrained.load(AutoModel, folder)


def classifier_class(head: dict) -> type:
    """The class of a model with this head, Task.head(): without a problem_type, words have
    labels."""
    if "problem_type" in head:
        return AutoModelForSequenceClassification
    return AutoModelForTokenClassification


def load_classifier(folder: Path, head: dict | None = None, seed: int = 0) -> PreTrainedModel:
    """A model with a classification head.

    head: Task.head(), for an encoder that may have no head yet; a new head is initialised with
    `seed`. None: the folder must hold a head, or InputError is raised.
    """
    if head is None:
        name = (load_config(folder).architectures or [""])[0]
        head_class = AutoModelForSequenceClassification
        if name.endswith("ForTokenClassification"):
            head_class = AutoModelForTokenClassification
        return pretrained.load(head_class, folder, allow_missing=())
    torch.manual_seed(seed)
    return pretrained.load(classifier_class(head), folder, **head)
