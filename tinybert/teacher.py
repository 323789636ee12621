"""A teacher that is already fine-tuned: checked, and its outputs in the task's order of labels."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from tinybert import pretrained
from tinybert.errors import InputError
from tinybert.task import Task

SHAPE = ("model_type", "num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")
SAMPLE = "Café, ÄB 42 naïve 中文 — ok"  # tells most tokenizers with one vocabulary apart


def check(task: Task, folder: Path) -> None:
    """Raises InputError if the task's own teacher does not fit the task's labels or the pretrained
    model in `folder`, whose tokens and sizes the general student has learnt."""
    name, key = task.teacher["model"], "its task's teacher"
    config, tokenizer = pretrained.read_config(name, task.teacher["revision"], key)
    ours = AutoConfig.from_pretrained(folder)
    wrong = [
        f"{part} {getattr(config, part)} (not {getattr(ours, part)})"
        for part in SHAPE
        if getattr(config, part) != getattr(ours, part)
    ]
    if wrong:
        raise InputError(
            f"params.yaml: the teacher {name} has {', '.join(wrong)}: it must be a fine-tuned form "
            "of pretrained.model. Set pretrained.model to the model that it was fine-tuned from"
        )
    base = pretrained.load_tokenizer(folder)
    if tokenizer.get_vocab() != base.get_vocab() or tokenizer.encode(SAMPLE) != base.encode(SAMPLE):
        raise InputError(
            f"params.yaml: the teacher {name} cuts texts into other tokens than pretrained.model. "
            "Set pretrained.model to the model that it was fine-tuned from"
        )
    label_order(config, task)


def label_order(config: AutoConfig, task: Task) -> list[int]:
    """For each label of the task, the teacher's output for it. Names are compared without regard to
    case, spaces, - and _. Raises InputError with both lists if they are not the same labels."""
    if task.kind == "regression":
        if config.num_labels != 1:
            raise InputError(
                f"params.yaml: the teacher {task.teacher['model']} has {config.num_labels} outputs"
                ", a regression has one"
            )
        return [0]
    outputs = task.teacher["labels"] or [config.id2label[i] for i in range(config.num_labels)]
    for spelled in (str, _plain):  # as they are, if that tells them apart already
        place = {spelled(name): i for i, name in enumerate(outputs)}
        wanted = [spelled(name) for name in task.labels]
        if sorted(place) == sorted(wanted) and config.num_labels == len(wanted):
            break
    else:
        raise InputError(
            f"params.yaml: the labels of the teacher {task.teacher['model']} are not those of the "
            f"task.\n  teacher ({config.num_labels} outputs): {', '.join(outputs)}\n  task: "
            f"{', '.join(task.labels)}\nGive the task's labels in the order of the teacher's "
            "outputs as teacher_labels: [...] under the task; or rename the task's, labels: "
            "{name in the files: name of the teacher}"
        )
    return [place[name] for name in wanted]


def load(task: Task) -> PreTrainedModel:
    """The task's own teacher, with the task's head: its outputs stand in the task's order."""
    source, options = pretrained.locate(task.teacher["model"], task.teacher["revision"], "teacher")
    model = pretrained.load(AutoModelForSequenceClassification, source, new=(), **options)
    order = label_order(model.config, task)
    head = {name for name, _ in model.base_model.named_modules(prefix=model.base_model_prefix)}
    last = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in head
    ][-1]
    with torch.no_grad():
        last.weight.copy_(last.weight[order].clone())
        if last.bias is not None:
            last.bias.copy_(last.bias[order].clone())
    for key, value in task.head().items():
        setattr(model.config, key, value)
    return model


def _plain(name: str) -> str:
    return "".join(c for c in str(name).casefold() if c not in " -_")
