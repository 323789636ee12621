"""A fine-tuned teacher that the user brings: checked, its outputs in the order of the labels."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinybert.models import checks, predict, pretrained
from tinybert.models.device import output_layer
from tinybert.models.encode import read_for_each
from tinybert.models.folder import classifier_class, load_classifier, save_model
from tinybert.models.rows import Words
from tinybert.models.tokenizer import is_same_tokenizer, load_tokenizer, load_tokenizers
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks.task import Task

KEY = "task.<name>.data.teacher"  # of params.yaml, for errors
SHAPE = ("model_type", "num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")
TOKENS = "splits texts into other tokens than pretrained.model"
MEND = "Set pretrained.model to the model that it was fine-tuned from, or to the teacher itself"
LATER = "make it one of several teachers after the first, teacher: [first, other]"


def fetch_teachers(
    source: TaskData, task: Task, base: Path, out: Path, max_length: int, inside: bool = True
) -> list[Path]:
    """Writes the teacher that `source` names to out/teacher, and the other members of an ensemble
    to out/teachers, as fetch_teacher does. Returns their folders. inside: as of check_first; of the
    others only predictions are used."""
    check_first(source, task, base, inside)
    folders = [out / "teacher", *(out / f"teachers/{i:03}" for i in range(1, len(source.teachers)))]
    nameless = []
    for member, folder in zip(source.members, folders, strict=True):
        if len(folders) > 1 and source.teacher_labels and not source.has_list_for_each:
            config, _ = pretrained.read_config(member.teacher, source.teacher_revision, KEY)
            if {*map(name_key, _names(config))} == {*map(name_key, task.labels)}:
                member = member.model_copy(update={"teacher_labels": None})  # it names its own
            else:
                nameless.append(member.teacher)
        fetch_teacher(member, task, base, folder, max_length)
    if len(nameless) > 1:
        print(
            f"warning: teacher_labels names the outputs of {' and '.join(nameless)}, whose configs "
            "do not; if their orders differ, write a list for each teacher, [[...], [...]]"
        )
    return folders


def fetch_teacher(source: TaskData, task: Task, base: Path, out: Path, max_length: int) -> None:
    """Writes the teacher that `source` names to `out`, outputs in the order of the task's labels.

    base: the pretrained model, whose tokenizer is saved with the teacher unless it has another.
    max_length: tokens in a row of the task. Raises InputError if it has other labels than the task,
    too few positions or damaged weights.
    """
    check(source, task)
    model, tokenizer = load(source, task), load_tokenizer(base)
    own = _load_tokenizer(source)
    if not is_same_tokenizer(own, tokenizer):
        tokenizer = own
        checks.set_token_types(model, tokenizer)
    has_segments = "token_type_ids" in tokenizer.model_input_names
    if task.pair and getattr(model.config, "type_vocab_size", 0) > 1 and not has_segments:
        raise InputError(
            f"params.yaml: the teacher {source.teacher} tells the texts of a pair apart by segment "
            "ids, which its tokenizer does not give, or pretrained.model does not have; remove it, "
            "or use its own model as pretrained.model"
        )
    checks.check(model, tokenizer, {"encode.max_length": max_length}, f"{KEY}: {source.teacher}")
    save_model(out, model, tokenizer, max_length)


def outputs(source: TaskData) -> tuple[str, list[str]]:
    """The kind of task that the teacher was trained for, and its labels in their order: those of
    `source`, else of its config. For a task without labels. Raises InputError if it cannot be read.
    """
    first = source.members[0]
    config, _ = pretrained.read_config(first.teacher, source.teacher_revision, KEY)
    kind = source.kind or ("tokens" if labels_words(config) else None)
    if kind is None:
        is_multi_label = config.problem_type == "multi_label_classification"
        kind = "multi_label" if is_multi_label else "classification"
        kind = "regression" if config.num_labels == 1 else kind
    return kind, [] if kind == "regression" else first.teacher_labels or _names(config)


def labels_words(config: PreTrainedConfig) -> bool:
    """Whether a fine-tuned model labels words, by its config."""
    return any("TokenClassification" in head for head in config.architectures or ())


def answer(
    tables: Path, task: Task, folders: list[Path], max_length: int, stride: int = 0
) -> dict[str, dict]:
    """Writes the teacher's answers into the tables that have no labels, as their targets. Words
    that it does not read, as after max_length, have no answer, and leave their table.

    folders: of the teacher, or of the members of an ensemble. max_length, stride: as of read_rows.
    Returns, for each of these splits, its rows, and how often each label was given, or the range of
    the scores, as prepare_task counts gold ones; of words how many rows have each label or type, O
    among them.
    """
    models, tokenizers = [load_classifier(f) for f in folders], load_tokenizers(folders)
    counts = {}
    for split in task.answered:
        file = tables / f"{split}.parquet"
        rows = read_for_each(file, tokenizers, max_length, stride)
        # In the precision in which models are evaluated.
        logits = predict.mean_logits(models, rows, "fp32", f"the teacher's answers on {split}")
        table = pq.read_table(file)
        if task.kind == "tokens":
            table = _with_tags(table, logits, rows[0].words)
            counts[split] = {"rows": len(table), **_count_tags(table, task)}
        else:
            table = table.append_column(task.target, _answers(logits, task.kind))
            counts[split] = {"rows": len(table), **_count(logits, task)}
        pq.write_table(table, file)
    return counts


def _with_tags(table: pa.Table, logits: np.ndarray, words: Words) -> pa.Table:
    """The sentences that have a word with a token, these words alone, and their labels as tags.
    logits: (words, classes)."""
    begins = pa.array(words.begins, pa.int32())
    read = table["words"].combine_chunks().flatten().take(pa.array(words.index))
    tags = pa.array(logits[words.index].argmax(axis=1))
    place = table.column_names.index("words")
    table = table.set_column(place, "words", pa.ListArray.from_arrays(begins, read))
    table = table.append_column("tags", pa.ListArray.from_arrays(begins, tags))
    return table.filter(pa.array(np.diff(words.begins) > 0))


def _count_tags(table: pa.Table, task: Task) -> dict:
    names = task.types
    rows = Counter(name for tags in table["tags"].to_pylist() for name in {names[i] for i in tags})
    return {"labels": {name: rows[name] for name in dict.fromkeys(names)}}


def _answers(logits: np.ndarray, kind: str) -> pa.Array:
    """(rows, classes) -> a column of targets, as prepare_task writes gold ones."""
    if kind == "regression":
        return pa.array(logits[:, 0].astype(np.float64))
    if kind == "classification":
        return pa.array(logits.argmax(axis=1))
    applies = (logits > 0).astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(applies.ravel()), logits.shape[1])


def _count(logits: np.ndarray, task: Task) -> dict:
    if task.kind == "regression":
        bounds = {"min": logits.min(), "median": np.median(logits), "max": logits.max()}
        return {"score": {name: float(value) for name, value in bounds.items()}}
    if task.kind == "multi_label":
        counts = (logits > 0).sum(axis=0)
    else:
        counts = np.bincount(logits.argmax(axis=1), minlength=len(task.labels))
    return {"labels": dict(zip(task.labels, counts.tolist(), strict=True))}


def misfit(source: TaskData, base: Path | str) -> str | None:
    """Why step 1 cannot look inside the teacher, or the first of several, which is no fine-tuned
    version of the pretrained model; None if it can. base: that model's folder, or its hub id."""
    first = source.members[0]
    config, _ = pretrained.read_config(first.teacher, source.teacher_revision, KEY)
    base_config = checks.load_config(base)
    differences = [
        f"{part} {getattr(config, part)} (not {getattr(base_config, part)})"
        for part in SHAPE
        if getattr(config, part) != getattr(base_config, part)
    ]
    if differences:
        return f"has {', '.join(differences)}"
    same = is_same_tokenizer(_load_tokenizer(first), load_tokenizer(base))
    return None if same else TOKENS


def check_first(source: TaskData, task: Task, base: Path | str, inside: bool = True) -> None:
    """Raises InputError if the teacher, or the first of several, does not fit the pretrained model.

    base: that model's folder, or its hub id. inside: whether step 1 is to look inside the teacher.
    If not, it may be any model; but labels of words need its tokens, or the student could read
    words that no teacher reads."""
    first = source.members[0]
    if inside and (problem := misfit(source, base)):
        raise InputError(
            f"params.yaml: the teacher {first.teacher} {problem}: step 1 compares layers, so it "
            f"must be a fine-tuned version of pretrained.model. {MEND}. Or leave step 1 out, since "
            f"step 2 learns predictions alone: intermediate: {{epochs: 0}} of the task; or {LATER}"
        )
    is_words = task.kind == "tokens"
    if is_words and not is_same_tokenizer(_load_tokenizer(first), load_tokenizer(base)):
        raise InputError(
            f"params.yaml: the teacher {first.teacher} {TOKENS}, and the task labels words: both "
            f"must read the same ones. {MEND}; or {LATER}"
        )


def check(source: TaskData, task: Task) -> None:
    """Raises InputError if the teacher does not fit the task's labels."""
    name = source.teacher
    config, _ = pretrained.read_config(name, source.teacher_revision, KEY)
    heads, wanted = config.architectures or [], task.kind == "tokens"
    if heads and labels_words(config) != wanted:
        raise InputError(
            f"params.yaml: the teacher {name} is a {heads[0]}, and the task labels "
            f"{'words' if wanted else 'texts'}: use another teacher, or "
            f"{'remove kind: tokens' if wanted else 'kind: tokens'} under the task's data"
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
    outputs = source.teacher_labels or _names(config)
    for spelling in (str, name_key):  # exact names first: they may differ in case alone
        index = {spelling(name): i for i, name in enumerate(outputs)}
        labels = [spelling(name) for name in task.labels]
        if sorted(index) == sorted(labels) and config.num_labels == len(labels):
            return [index[name] for name in labels]
    remedy = "task's labels, labels: {name in the files: name of the teacher}"
    if task.kind == "tokens":
        remedy = "tags in the files: each must be one of the teacher's"
        remedy += ", whose labels must be O, B-... and I-... of each type" * task.has_entities
    raise InputError(
        f"params.yaml: the labels of the teacher {source.teacher} are not those of the "
        f"task.\n  teacher ({config.num_labels} outputs): {', '.join(outputs)}\n  task: "
        f"{', '.join(task.labels)}\nSet teacher_labels: [...] under the task's data: its labels in "
        "the order of the teacher's outputs (with several teachers a list for each); or rename the "
        f"{remedy}"
    )


def load(source: TaskData, task: Task) -> PreTrainedModel:
    """The teacher with the task's head: its outputs are in the order of the task's labels."""
    folder, options = pretrained.locate(source.teacher, source.teacher_revision, KEY)
    model = pretrained.load(classifier_class(task.head()), folder, allow_missing=(), **options)
    order = label_order(model.config, source, task)
    last = output_layer(model)
    with torch.no_grad():
        last.weight.copy_(last.weight[order].clone())
        if last.bias is not None:
            last.bias.copy_(last.bias[order].clone())
    for key, value in task.head().items():
        setattr(model.config, key, value)
    return model


def _load_tokenizer(source: TaskData) -> PreTrainedTokenizerBase:
    folder, options = pretrained.locate(source.teacher, source.teacher_revision, KEY)
    return load_tokenizer(folder, **options)


def _names(config: PreTrainedConfig) -> list[str]:
    return [str(config.id2label.get(i, "(without a name)")) for i in range(config.num_labels)]


def name_key(name: str) -> str:
    """Equal for names of labels that differ in case, spaces, - and _ alone."""
    return "".join(c for c in str(name).casefold() if c not in " -_")
