"""Several teachers that the user brings: the mean of their logits counts."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError
from teachers import NLI, fine_tuned, task_of
from tiny import tiny_config
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
)

from tinybert.distillation.prediction.label import label_shards, read_logits
from tinybert.models import predict
from tinybert.models.encode import encode
from tinybert.models.folder import load_classifier
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks import teacher
from tinybert.tasks.task import Task

TEXTS = ["good film", "a very bad film", "dull", "the story is boring and the plot", "great"]


def deeper(names: list[str], **changes):
    """A classifier of three layers."""
    config = tiny_config(
        num_hidden_layers=3, id2label=dict(enumerate(names)), initializer_range=1.0, **changes
    )
    return BertForSequenceClassification(config).eval()


@pytest.fixture
def members(checkpoint):
    """The pretrained model, and two teachers of different sizes and orders of labels."""
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    models = [fine_tuned("bert", NLI), deeper(NLI[::-1])]
    return base, [str(checkpoint(model, f"member{i}")) for i, model in enumerate(models)]


def expected(folders: list[str], tokenizer) -> np.ndarray:
    """The mean logits in the order of NLI, one text at a time, by transformers alone."""
    means = []
    for text in TEXTS:
        with torch.no_grad():
            first, second = (
                AutoModelForSequenceClassification.from_pretrained(folder)(
                    **tokenizer(text, return_tensors="pt")
                ).logits[0]
                for folder in folders
            )
        means.append((first + second.flip(0)) / 2)
    return torch.stack(means).numpy()


def test_the_mean_of_their_logits_answers(members, tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base, folders = members
    source = TaskData(teacher=folders)
    task = Task("classification", NLI, False, ["accuracy"], ["dev", "unlabeled"], ["dev"])
    out = paths.tables("mine")
    out.mkdir(parents=True)
    table = pa.table({"text_a": TEXTS, "text_b": pa.nulls(len(TEXTS), pa.string())})
    pq.write_table(table, out / "dev.parquet")
    written = teacher.fetch_teachers(source, task, base, out, 32)
    assert written == [paths.teacher_source("mine"), *paths.other_teachers("mine")]
    counts = teacher.answer(out, task, written, 32)
    answers = pq.read_table(out / "dev.parquet")["label"].to_numpy()
    logits = expected(folders, tokenizer)
    np.testing.assert_array_equal(answers, logits.argmax(axis=1))
    assert list(counts["dev"]["labels"].values()) == np.bincount(answers, minlength=3).tolist()


def test_their_mean_labels_the_rows_in_the_order_of_the_labels(members, tokenizer, tmp_path, work):
    """The second member's outputs stand the other way round; their names say so."""
    base, folders = members
    _, task = task_of(folders[0], NLI)
    written = teacher.fetch_teachers(TaskData(teacher=folders), task, base, tmp_path / "out", 32)
    shards = [tmp_path / f"{i:05}.parquet" for i in range(2)]
    for shard, texts in zip(shards, (TEXTS[:2], TEXTS[2:]), strict=True):
        texts = {"text_a": texts, "text_b": pa.nulls(len(texts), pa.string())}
        pq.write_table(pa.table(texts), shard)
    models, labels = [load_classifier(folder) for folder in written], tmp_path / "labels"
    label_shards(models, shards, labels, [tokenizer] * 2, 32, "fp32", work)
    logits = expected(folders, tokenizer)
    np.testing.assert_allclose(read_logits(labels), logits, rtol=1e-4, atol=1e-5)
    alone = predict.logits(models[0], encode(TEXTS, None, tokenizer, 32), "fp32")
    assert np.abs(alone - logits).max() > 0.1  # the first one alone would not do


def test_each_member_must_have_the_labels_and_a_tokenizer_of_its_own(members, checkpoint, tmp_path):
    base, [first, _] = members
    others = {
        "labels of the teacher": deeper(["good", "bad", "dull"]),
        r"the embedding table has 40 rows \(vocab_size\)": deeper(NLI, vocab_size=40),
    }
    _, task = task_of(first, NLI)
    for message, model in others.items():
        source = TaskData(teacher=[first, str(checkpoint(model, "other"))])
        with pytest.raises(InputError, match=message):
            teacher.fetch_teachers(source, task, base, tmp_path / "out", 32)


def test_the_first_member_must_have_the_pretrained_models_sizes(members, tmp_path):
    base, folders = members
    _, task = task_of(folders[0], NLI)
    with pytest.raises(InputError, match=r"num_hidden_layers 3 \(not 2\).*step 2 learns pred"):
        teacher.fetch_teachers(TaskData(teacher=folders[::-1]), task, base, tmp_path / "out", 32)


def test_a_revision_is_for_one_teacher():
    with pytest.raises(ValidationError, match="teacher_revision is for one teacher"):
        TaskData(teacher=["a/b", "c/d"], teacher_revision="main")


def nameless(checkpoint) -> tuple[list[str], list[str]]:
    """Two members whose outputs have no names, and whose orders differ, as they are and as their
    configs could have said it."""
    models = [fine_tuned("bert", NLI), deeper(NLI[::-1])]
    named = [str(checkpoint(model, f"named{i}")) for i, model in enumerate(models)]
    for model in models:
        model.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
        model.config.label2id = {name: i for i, name in model.config.id2label.items()}
    return [str(checkpoint(model, f"nameless{i}")) for i, model in enumerate(models)], named


def logits_of_members(source: TaskData, base, out, tokenizer) -> np.ndarray:
    """The mean of the members as they are written, by transformers alone."""
    _, task = task_of(source.teachers[0], NLI)
    folders = teacher.fetch_teachers(source, task, base, out, 32)
    models = [AutoModelForSequenceClassification.from_pretrained(f) for f in folders]
    with torch.no_grad():
        logits = [[m(**tokenizer(t, return_tensors="pt")).logits[0] for m in models] for t in TEXTS]
    return np.array([torch.stack(pair).mean(0).numpy() for pair in logits])


def test_each_member_may_have_its_own_list_of_outputs(checkpoint, members, tokenizer, tmp_path):
    (folders, named), [base, _] = nameless(checkpoint), members
    source = TaskData(teacher=folders, teacher_labels=[NLI, NLI[::-1]])
    logits = logits_of_members(source, base, tmp_path / "out", tokenizer)
    np.testing.assert_allclose(logits, expected(named, tokenizer), rtol=1e-4, atol=1e-5)
    assert [member.teacher_labels for member in source.members] == [NLI, NLI[::-1]]


def test_one_list_for_several_nameless_members_is_said(checkpoint, members, tmp_path, capsys):
    (folders, _), [base, _] = nameless(checkpoint), members
    _, task = task_of(folders[0], NLI)
    source = TaskData(teacher=folders, teacher_labels=NLI)
    teacher.fetch_teachers(source, task, base, tmp_path / "out", 32)
    assert "write a list for each teacher" in capsys.readouterr().out
    one = TaskData(teacher=[folders[0], members[1][1]], teacher_labels=NLI)
    teacher.fetch_teachers(one, task, base, tmp_path / "one", 32)
    assert "list for each" not in capsys.readouterr().out


@pytest.mark.parametrize("teachers", ["a/b", ["a/b", "c/d", "e/f"]])
def test_there_is_a_list_of_outputs_for_each_teacher(teachers):
    with pytest.raises(ValidationError, match=r"has 2 lists, and the task has \d teachers?; write"):
        TaskData(teacher=teachers, teacher_labels=[["a", "b"], ["b", "a"]])


def test_without_labels_the_first_members_list_is_that_of_the_task(checkpoint):
    folders, _ = nameless(checkpoint)
    source = TaskData(teacher=folders, teacher_labels=[NLI, NLI[::-1]])
    assert teacher.outputs(source) == ("classification", NLI)
