"""Fixtures that tests of several rooms share."""

import contextlib
import functools
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import word_models
from accelerate.state import AcceleratorState
from hypothesis import settings
from tiny import HOSTILE, PIECES, WORDS, tiny_config, tiny_tokenizer
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertForSequenceClassification,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
)

from tinybert.deploy.onnx.export import export_student
from tinybert.evaluation.compare import compare_models
from tinybert.pipeline.schema import Export
from tinybert.tasks.task import Task

# The same examples each time: what passed here passes elsewhere.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def work(tmp_path) -> Path:
    """Where shards are on their way."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _any_precision():
    """A stage is a process of its own with one precision; here many stages share a process."""
    AcceleratorState._reset_state()


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def byte_tokenizer(tmp_path_factory) -> RobertaTokenizer:
    """Byte-level BPE, learnt from the words."""
    core = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    core.train_from_iterator([" ".join(WORDS)] * 3, vocab_size=PIECES, special_tokens=special)
    folder = tmp_path_factory.mktemp("byte_level")
    core.save_model(str(folder))
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    return RobertaTokenizer(**files)


@pytest.fixture
def tokenizer_of(tokenizer, byte_tokenizer):
    """The tiny tokenizer of one of FAMILIES (or of a model_type)."""

    def find(family: str) -> PreTrainedTokenizerBase:
        return byte_tokenizer if family in ("roberta", "modernbert") else tokenizer

    return find


@pytest.fixture
def checkpoint(tmp_path, tokenizer_of):
    """Saves a model with its family's tiny tokenizer beside it and returns the folder."""

    def save(model, name: str = "checkpoint") -> Path:
        model.save_pretrained(tmp_path / name)
        tokenizer_of(model.config.model_type).save_pretrained(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture(scope="session")
def made(tmp_path_factory, tokenizer):
    """Makes, once for each set of arguments, a folder with a prepared task `mine` and its teacher,
    student and baselines of random weights; `exported` adds what evaluate and export write."""
    folders: dict[tuple, Path] = {}

    def make(kind: str, test: bool, pair: bool, exported: bool) -> Path:
        key = kind, test, pair, exported
        if key not in folders:
            folder = tmp_path_factory.mktemp("made")
            if exported:
                shutil.copytree(make(kind, test, pair, False), folder, dirs_exist_ok=True)
                with contextlib.chdir(folder):
                    compare_models("mine", 32)
                    export_student("mine", 32, Export(max_drop=100))
            else:
                _make(folder, kind, test, pair, tokenizer)
            folders[key] = folder
        return folders[key]

    return make


def _make(folder: Path, kind: str, test: bool, pair: bool, tokenizer) -> None:
    labels = ["bad", HOSTILE] if kind != "regression" else []
    metrics = ["pearson", "spearman"] if kind == "regression" else ["accuracy", "f1_macro"]
    splits = ["train", "dev", *(["test"] if test else [])]
    data = folder / "data/tasks/mine"
    Task(kind, labels, pair, metrics, splits).save(data)
    texts = [f"{'very ' * n}good {WORDS[n]} is {WORDS[-n]}" for n in range(1, 20)]
    texts[1] += HOSTILE
    other = [f"the {word}" for word in WORDS[1:20]] if pair else [None] * len(texts)
    column = [n / 7 for n in range(19)] if kind == "regression" else [n % 2 for n in range(19)]
    name = "score" if kind == "regression" else "label"
    for split in splits:
        target = [1] * 19 if split == "test" else column
        table = {"text_a": texts, "text_b": pa.array(other, pa.string()), name: target}
        pq.write_table(pa.table(table), data / f"{split}.parquet")
    head = {"num_labels": max(1, len(labels)), "initializer_range": 0.5}
    for seed, role in enumerate(("teacher", "student", "baseline", "finetuned_general")):
        torch.manual_seed(seed)
        names = {"id2label": dict(enumerate(labels))} if labels else {}
        model = BertForSequenceClassification(tiny_config(**head, **names))
        model.save_pretrained(folder / "models/mine" / role)
        tokenizer.save_pretrained(folder / "models/mine" / role)


@pytest.fixture
def finished(tmp_path, monkeypatch, made):
    """The current directory, with a task `mine` and its models of random weights."""

    def copy(kind: str, test: bool = False, pair: bool = False, exported: bool = False) -> Path:
        shutil.copytree(made(kind, test, pair, exported), tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return copy


@pytest.fixture
def exported(finished):
    """As finished, with the student's ONNX files and the metrics of evaluate and export."""
    return functools.partial(finished, exported=True)


@pytest.fixture(scope="session")
def words_made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    word_models.make(folder)
    return folder


@pytest.fixture
def words(words_made, tmp_path, monkeypatch) -> Path:
    """The current directory, with an exported task `mine` that labels words: see word_models."""
    shutil.copytree(words_made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
