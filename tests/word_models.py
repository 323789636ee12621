"""A task that labels words, with models of random weights, as the stages leave them."""

import contextlib
from pathlib import Path

import sentences
import torch
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForTokenClassification

from tinybert.deploy.onnx.export import export_student
from tinybert.evaluation.compare import compare_models
from tinybert.pipeline.schema import Export

LENGTH = 16  # tokens in a row: the sentences have up to 11
CONLL = "dev.conll"  # the sentences of dev


def conll(rows: list) -> str:
    """rows: (words, numbers of sentences.LABELS)."""
    lines = (
        "\n".join(f"{w}\t{sentences.LABELS[t]}" for w, t in zip(*row, strict=True)) for row in rows
    )
    return "\n\n".join(lines) + "\n"


def make(folder: Path) -> None:
    """Fills a folder with the task `mine`, its models, and what evaluate and export write."""
    data, rows = folder / "data/tasks/mine", sentences.sentences()
    sentences.task().save(data)
    for split in ("train", "dev"):
        sentences.write(data / f"{split}.parquet", rows)
    (folder / CONLL).write_text(conll(rows), encoding="utf-8")
    for seed, role in enumerate(("teacher", "student", "baseline", "finetuned_general")):
        torch.manual_seed(seed)
        head = {"num_labels": 5, "id2label": dict(enumerate(sentences.LABELS))}
        model = BertForTokenClassification(tiny_config(initializer_range=0.5, **head))
        model.save_pretrained(folder / "models/mine" / role)
        tiny_tokenizer().save_pretrained(folder / "models/mine" / role)
    with contextlib.chdir(folder):
        compare_models("mine", LENGTH)
        export_student("mine", LENGTH, Export(max_drop=100))
