"""Tiny models and tokenizers, made on the spot: 2 layers, width 8."""

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from accelerate.state import AcceleratorState
from hypothesis import settings
from tokenizers import (
    ByteLevelBPETokenizer,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
)

from tinybert.task import Task

# The same examples each time: what passed here passes elsewhere.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

WORDS = (
    "good bad film great dull movie plot actor story boring brilliant terrible watch scene music "
    "the a is was and it of in this that very never always again one two three red blue green"
).split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing"]
HOSTILE = '<img src=x onerror="window.hit=1">'  # would run if a page took it as it is
PIECES = 300  # of the byte-level vocabulary
FAMILIES = ("bert", "roberta", "electra", "narrow electra", "modernbert")


@pytest.fixture
def work(tmp_path) -> Path:
    """Where shards are on their way."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def tiny_config(**changes) -> BertConfig:
    sizes = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 64,
    }
    return BertConfig(**{**sizes, **changes})


def config_of(family: str, **changes) -> PreTrainedConfig:
    """A tiny config of one of FAMILIES; narrow electra has embeddings of half the width, and every
    other layer of modernbert sees two tokens to each side."""
    if family == "bert":
        return tiny_config(**changes)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    sizes = {name: getattr(tiny_config(), name) for name in names}
    if family == "roberta":
        kind = RobertaConfig
        sizes |= {"vocab_size": PIECES, "max_position_embeddings": 66, "type_vocab_size": 1}
    elif family == "modernbert":
        kind = ModernBertConfig
        sizes |= {"vocab_size": PIECES, "max_position_embeddings": 64, "local_attention": 4}
        sizes |= {"global_attn_every_n_layers": 2, "pad_token_id": 1}
        sizes |= {"cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
    else:
        kind = ElectraConfig
        sizes |= {"vocab_size": len(VOCABULARY), "max_position_embeddings": 64}
        sizes["embedding_size"] = 4 if family == "narrow electra" else 8
    return kind(**{**sizes, **changes})


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def any_precision():
    """A process has one precision; such a test may have several."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A new one: what it was last called with (truncation, padding) is saved with it."""
    core = Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return BertTokenizer(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


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
def undisturbed(tmp_path_factory):
    """clone.project, after one run of its pipeline; tests leave its workspace as it is."""
    from clone import project

    made = project(tmp_path_factory.mktemp("undisturbed"))
    made.dvc("repro")
    made.commit("ran")
    return made


@pytest.fixture
def finished(tmp_path, monkeypatch, tokenizer):
    """A folder with a prepared task `mine`, and its teacher and student of random weights."""

    def make(kind: str, test: bool = False, pair: bool = False) -> Path:
        monkeypatch.chdir(tmp_path)
        labels = ["bad", HOSTILE] if kind != "regression" else []
        metrics = ["pearson", "spearman"] if kind == "regression" else ["accuracy", "f1_macro"]
        splits = ["train", "dev", *(["test"] if test else [])]
        task = Task(kind, labels, pair, metrics, splits)
        data = tmp_path / "data/tasks/mine"
        data.mkdir(parents=True)
        (data / "task.json").write_text(json.dumps(asdict(task)))
        texts = [f"{'very ' * n}good {WORDS[n]} is {WORDS[-n]}" for n in range(1, 20)]
        texts[1] += HOSTILE
        other = [f"the {word}" for word in WORDS[1:20]] if pair else [None] * len(texts)
        column = [n / 7 for n in range(19)] if kind == "regression" else [n % 2 for n in range(19)]
        name = "score" if kind == "regression" else "label"
        for split in splits:
            own = [1] * 19 if split == "test" else column
            table = {"text_a": texts, "text_b": pa.array(other, pa.string()), name: own}
            pq.write_table(pa.table(table), data / f"{split}.parquet")
        head = {"num_labels": max(1, len(labels)), "initializer_range": 0.5}
        for seed, role in enumerate(("teacher", "student", "baseline")):
            torch.manual_seed(seed)
            names = {"id2label": dict(enumerate(labels))} if labels else {}
            model = BertForSequenceClassification(tiny_config(**head, **names))
            model.save_pretrained(tmp_path / "models/mine" / role)
            tokenizer.save_pretrained(tmp_path / "models/mine" / role)
        return tmp_path

    return make
