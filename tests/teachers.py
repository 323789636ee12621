"""Fine-tuned teachers that a user brings, of random weights."""

from pathlib import Path

import torch
from tiny import VOCABULARY, config_of
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from tinybert.pipeline.task_data import TaskData
from tinybert.tasks.task import Task

NLI = ["entailment", "neutral", "not_entailment"]


def task_of(
    model: Path | str, labels: list[str], kind="classification", outputs=None
) -> tuple[TaskData, Task]:
    """A task's settings with this teacher, and the task. outputs: its teacher_labels."""
    metrics = ["pearson"] if kind == "regression" else ["accuracy"]
    source = TaskData(teacher=str(model), teacher_labels=outputs)
    return source, Task(kind, labels, False, metrics, ["train", "dev"])


def fine_tuned(family: str, names: list[str]):
    """A classifier whose outputs have these names, and whose logits are far apart."""
    config = config_of(
        family,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        initializer_range=1.0,
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


def logits_of(model) -> Tensor:
    ids = torch.randint(5, len(VOCABULARY), (4, 6), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(ids, torch.ones_like(ids)).logits
