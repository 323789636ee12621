"""The whole pipeline on labels of words, with a tiny BERT of random weights."""

import contextlib
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from clone import task_settings
from in_process import run_stages
from ruamel.yaml import YAML
from runs import Page
from sentences import LABELS, sentences
from seqeval.metrics.sequence_labeling import get_entities
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForMaskedLM, BertTokenizer, pipeline
from word_models import conll

from tinybert.commands import recipe
from tinybert.commands.texts import line
from tinybert.deploy.classifier import Classifier

ROOT = Path(__file__).parents[2]
STARTS, WORKS = ["it was a", "the good", "never watch the"], ["films", "movie", "music"]


def run(folder: Path, files: dict[str, str], tokenizer=None, **data) -> Path:
    """Runs all stages of the task `mine` with these raw files, in this process. data: settings of
    its data beside the kind. Returns the folder."""
    raw = folder / "data/raw/mine"
    raw.mkdir(parents=True)
    for name, text in files.items():
        (raw / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "data/models/bert").mkdir(parents=True)
    torch.manual_seed(0)
    tokenizer = tokenizer or tiny_tokenizer()
    # Weights of 0.5 learn the sentences by heart: F1 is 1 on train, and 0.7 to 0.9 on dev.
    config = tiny_config(initializer_range=0.1, vocab_size=len(tokenizer))
    BertForMaskedLM(config).save_pretrained(folder / "data/models/bert")
    tokenizer.save_pretrained(folder / "data/models/bert")
    with contextlib.chdir(folder):
        recipe.apply("smoke")
    values = YAML(typ="safe", pure=True).load(folder / "params.yaml")
    del values["docs"]
    values |= {"tasks": ["mine"], "task": {"mine": task_settings(kind="tokens", **data)}}
    values["pretrained"] |= {"model": "data/models/bert", "sha256": None}
    values["corpus"]["path"] = None
    values["student"] |= {"num_attention_heads": 2, "num_hidden_layers": 1, "hidden_size": 8}
    values["student"] |= {"intermediate_size": 16, "embedding_rank": 4, "min_count": 1}
    values["training"]["batch_size"] = 4
    values["teacher"] |= {"epochs": 40, "lr": 1e-2, "dropout": 0.0}
    values["prediction"] |= {"epochs": 20, "lr": 1e-2}
    values["encode"]["max_length"] = 16
    values["augment"]["copies"] = 2
    YAML().dump(values, folder / "params.yaml")
    run_stages(folder, "mine")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A folder in which all stages have run."""
    rows = [sentences()[i] for i in np.random.default_rng(0).permutation(len(sentences()))]
    files = {"train.conll": conll(rows[:30]), "dev.conll": conll(rows[30:])}
    files["unlabeled.txt"] = "the films is blue\nit was red red\n"
    return run(tmp_path_factory.mktemp("workspace"), files)


def test_teacher_and_student_find_the_entities_of_the_templates(workspace):
    result = json.loads((workspace / "metrics/eval/mine.json").read_text())
    assert result["metric"] == "entity_f1"
    assert result["linear"]["entity_f1"] == 1  # the templates are that simple
    assert result["teacher"]["entity_f1"] > 0.9 and result["student"]["entity_f1"] > 0.8
    assert set(result["types"]["student"]) == {"COLOUR", "WORK"}
    exported = json.loads((workspace / "metrics/export/mine.json").read_text())
    assert exported["onnx"]["entity_f1"] == result["student"]["entity_f1"]


def test_copies_keep_their_tags_aligned(workspace):
    table = pq.read_table(workspace / "data/augmented/mine/00000.parquet").to_pylist()
    assert any(row["source"] != i for i, row in enumerate(table))
    for row in table:
        assert row["text_a"] == " ".join(row["words"])
        assert row["tags"] == table[row["source"]]["tags"] and len(row["tags"]) == len(row["words"])


def test_predicted_entities_are_those_of_transformers(workspace):
    """In characters of the text as it is."""
    texts = ["Never  watch the films plot, red green", "it was a red movie", "42", ""]
    found = Classifier(workspace / "models/mine/onnx", "onnx")(texts)
    tag = pipeline(
        "token-classification",
        model=str(workspace / "models/mine/student"),
        aggregation_strategy="first",
    )
    for text, prediction in zip(texts, found, strict=True):
        expected = [(e["start"], e["end"], e["entity_group"]) for e in (tag(text) if text else [])]
        actual = [(e["start"], e["end"], e["label"]) for e in prediction["entities"]]
        assert actual == expected
        assert all(text[e["start"] : e["end"]] == e["text"] for e in prediction["entities"])
        written = [f"{start}:{end}:{label}" for start, end, label in actual]
        assert line(prediction, "tsv") == "\t".join(written)
    assert any(prediction["entities"] for prediction in found)


def test_the_page_shows_entities(workspace):
    page = Page(workspace / "report/index.html")
    result = json.loads((workspace / "metrics/eval/mine.json").read_text())
    shown = {row["label"]: row for row in page.rows("label").values()}
    for kind, scores in result["types"]["student"].items():
        assert shown[kind]["entities"] == str(scores["count"])
        assert shown[kind]["F1"] == f"{100 * scores['f1']:.1f}"
        assert shown[kind]["F1, teacher"] == f"{100 * result['types']['teacher'][kind]['f1']:.1f}"
    table = pd.read_csv(workspace / "metrics/predictions/mine.csv", keep_default_na=False)
    differ = table[table["teacher"] != table["student"]]
    assert f"{len(differ)} of {len(table)} rows" in page.text
    texts = pq.read_table(workspace / "data/tasks/mine/dev.parquet")["text_a"].to_pylist()
    for i, row in differ.iterrows():
        cells = page.rows("text")[texts[i]]
        sure = f"{100 * row['student_least_confidence']:.0f} %"
        assert cells["student"] == f"{row['student'] or 'no entity'} {sure}"
        assert cells["actual"] == row["actual"]
    assert "entity_f1" in page.text and "its form and its neighbours" in page.text


def test_a_given_teacher_may_have_a_type_that_train_lacks(workspace, tmp_path):
    """The student learns it from the teacher's answers on texts without labels."""
    rows = [(f"{start} {work} again".split(), work.split()) for start in STARTS for work in WORKS]
    rows = [(words, [3 if word in names else 0 for word in words]) for words, names in rows]
    unlabeled = "\n".join(" ".join(words) for words, _ in sentences())
    files = {"train.conll": conll(rows), "dev.conll": conll(sentences())}
    shutil.copytree(workspace / "models/mine/teacher", tmp_path / "less/data/models/names")
    folder = run(
        tmp_path / "less", files | {"unlabeled.txt": unlabeled}, teacher="data/models/names"
    )
    assert json.loads((folder / "data/tasks/mine/task.json").read_text())["labels"] == LABELS
    types = json.loads((folder / "metrics/eval/mine.json").read_text())["types"]
    assert types["teacher"]["COLOUR"]["f1"] > 0.9 and types["student"]["COLOUR"]["f1"] > 0.5
    [answer] = Classifier(folder / "models/mine/onnx", "onnx")(["it was a red movie"])
    assert {entity["label"] for entity in answer["entities"]} == {"COLOUR", "WORK"}


NAMES, PLACES = ["张伟", "李小娜", "王明"], ["北京", "上海市", "广州"]
CHINESE = ["{}在{}工作", "昨天{}去了{}。", "{}和他住{}，很好", "我见{}，后去{}"]


def by_characters() -> list[tuple[list[str], list[str]]]:
    """(characters, tags) of each sentence of the templates."""
    rows = []
    for template, name, place in itertools.product(CHINESE, NAMES, PLACES):
        tags, text = [], template.format(name, place)
        for part in re.split(f"({name}|{place})", text):
            kind = {name: "PER", place: "LOC"}.get(part)
            tags += [
                f"{'I' if i and kind else 'B'}-{kind}" if kind else "O" for i in range(len(part))
            ]
        rows.append((list(text), tags))
    return rows


def test_chinese_by_characters_has_entities_in_the_text_as_it_is(tmp_path):
    rows = [by_characters()[i] for i in np.random.default_rng(0).permutation(36)]
    lines = ["".join(f"{c} {tag}\n" for c, tag in zip(*row, strict=True)) for row in rows]
    files = {"train.bio": "\n".join(lines[:27]), "dev.bio": "\n".join(lines)}
    characters = sorted({character for words, _ in rows for character in words})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)})
    folder = run(tmp_path / "chinese", files, tokenizer)
    scores = json.loads((folder / "metrics/eval/mine.json").read_text())
    assert scores["teacher"]["entity_f1"] > 0.9 and scores["student"]["entity_f1"] > 0.8
    texts = ["".join(words) for words, _ in rows]
    found = Classifier(folder / "models/mine/onnx", "onnx")(texts)
    right = 0
    for text, prediction, (_, tags) in zip(texts, found, rows, strict=True):
        entities = prediction["entities"]
        assert all(text[e["start"] : e["end"]] == e["text"] for e in entities)
        expected = {(start, end + 1, kind) for kind, start, end in get_entities(tags)}
        right += {(e["start"], e["end"], e["label"]) for e in entities} == expected
    assert right > 0.8 * len(rows)
