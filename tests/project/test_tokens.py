"""The whole pipeline on labels of words, with a tiny BERT of random weights."""

import contextlib
import json
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
from sentences import sentences
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForMaskedLM, pipeline
from word_models import conll

from tinybert.commands import recipe
from tinybert.commands.texts import line
from tinybert.deploy.classifier import Classifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A folder in which all stages have run, in this process."""
    folder = tmp_path_factory.mktemp("workspace")
    raw = folder / "data/raw/mine"
    raw.mkdir(parents=True)
    rows = [sentences()[i] for i in np.random.default_rng(0).permutation(len(sentences()))]
    (raw / "train.conll").write_text(conll(rows[:30]), encoding="utf-8")
    (raw / "dev.conll").write_text(conll(rows[30:]), encoding="utf-8")
    (raw / "unlabeled.txt").write_text("the films is blue\nit was red red\n", encoding="utf-8")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "data/models/bert").mkdir(parents=True)
    torch.manual_seed(0)
    # Weights of 0.5 learn the sentences by heart: F1 is 1 on train, and 0.7 to 0.9 on dev.
    BertForMaskedLM(tiny_config(initializer_range=0.1)).save_pretrained(folder / "data/models/bert")
    tiny_tokenizer().save_pretrained(folder / "data/models/bert")
    with contextlib.chdir(folder):
        recipe.apply("smoke")
    values = YAML(typ="safe", pure=True).load(folder / "params.yaml")
    del values["docs"]
    values |= {"tasks": ["mine"], "task": {"mine": task_settings(kind="tokens")}}
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
        assert cells["student"] == (row["student"] or "no entity")
        assert cells["actual"] == row["actual"]
    assert "entity_f1" in page.text and "its form and its neighbours" in page.text
