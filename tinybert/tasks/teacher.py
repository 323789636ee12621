"""A fine-tuned teacher that the user brings: checked, its outputs in the order of the labels."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from tinybert.models import checks, pretrained
from tinybert.models.folder import classifier_class, save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import TaskData
from tinybert.tasks.task import Task

KEY = "task.<name>.data.teacher"  # of params.yaml, for errors
SHAPE = ("model_type", "num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")


def fetch_teacher(source: TaskData, task: Task, base: Path, out: Path, max_length: int) -> None:
    """Writes the teacher that `source` names to `out`, outputs in the order of the task's labels.

    base: the pretrained model, whose tokens and sizes the teacher must have. max_length: tokens in
    a row of the task. Raises InputError if it has others, other labels than the task, too few
    positions or damaged weights.
    """
    check(source, task, base)
    model, tokenizer = load(source, task), load_tokenizer(base)
    checks.check(model, tokenizer, {"encode.max_length": max_length}, f"{KEY}: {source.teacher}")
    save_model(out, model, tokenizer, max_length)


def check(source: TaskData, task: Task, base: Path) -> None:
    """Raises InputError if the teacher does not fit the task's labels or the pretrained model."""
    name = source.teacher
    config, tokenizer = pretrained.read_config(name, source.teacher_revision, KEY)
    base_config = checks.load_config(base)
    differences = [
        f"{part} {getattr(config, part)} (not {getattr(base_config, part)})"
        for part in SHAPE
        if getattr(config, part) != getattr(base_config, part)
    ]
    if differences:
        raise InputError(
            f"params.yaml: the teacher {name} has {', '.join(differences)}: it must be a "
            "fine-tuned version of pretrained.model. Set pretrained.model to the model that it was "
            "fine-tuned from"
        )
    if not checks.is_same_tokenizer(tokenizer, load_tokenizer(base)):
        raise InputError(
            f"params.yaml: the teacher {name} splits texts into other tokens than "
            "pretrained.model. Set pretrained.model to the model that it was fine-tuned from"
        )
    label_order(config, source, task)
    expected = task.head().get("problem_type")
    if config.problem_type not in (None, expected):
        print(
            f"warning: {KEY}: {name} was trained for {config.problem_type} (problem_type in its "
            f"config.json), and the task is {task.kind}: its logits mean something else. Use "
            "another teacher, or set task.<name>.data.kind"
        )


def label_order(config: PreTrainedConfig, source: TaskData, task: Task) -> list[int]:
    """The index of the teacher's output for each label of the task.

    Names are compared without regard to case, spaces, - and _. Raises InputError with both lists if
    the labels are not the same.
    """
    if task.kind == "regression":
        if config.num_labels != 1:
            raise InputError(
                f"params.yaml: the teacher {source.teacher} has {config.num_labels} outputs; a "
                "regression needs one"
            )
        return [0]
    names = [str(config.id2label.get(i, "(without a name)")) for i in range(config.num_labels)]
    outputs = source.teacher_labels or names
    for spelling in (str, _normalise):  # exact names first: they may differ in case alone
        index = {spelling(name): i for i, name in enumerate(outputs)}
        labels = [spelling(name) for name in task.labels]
        if sorted(index) == sorted(labels) and config.num_labels == len(labels):
            return [index[name] for name in labels]
    raise InputError(
        f"params.yaml: the labels of the teacher {source.teacher} are not those of the "
        f"task.\n  teacher ({config.num_labels} outputs): {', '.join(outputs)}\n  task: "
        f"{', '.join(task.labels)}\nSet teacher_labels: [...] under the task's data: its labels in "
        "the order of the teacher's outputs; or rename the task's labels, labels: {name in the "
        "files: name of the teacher}"
    )


def load(source: TaskData, task: Task) -> PreTrainedModel:
    """The teacher with the task's head: its outputs are in the order of the task's labels."""
    folder, options = pretrained.locate(source.teacher, source.teacher_revision, KEY)
    model = pretrained.load(classifier_class(task.head()), folder, allow_missing=(), **options)
    order = label_order(model.config, source, task)
    encoder = {name for name, _ in model.base_model.named_modules(prefix=model.base_model_prefix)}
    last = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in encoder
    ][-1]
    with torch.no_grad():
        last.weight.copy_(last.weight[order].clone())
        if last.bias is not None:
            last.bias.copy_(last.bias[order].clone())
    for key, value in task.head().items():
        setattr(model.config, key, value)
    return model


def _normalise(name: str) -> str:
    return "".join(c for c in str(name).casefold() if c not in " -_")
