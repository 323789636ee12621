"""The whole pipeline in Chinese, with a small BERT that is trained here."""

import contextlib
import json
import math
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from chinese import DATA, objective_of, pretrain, texts
from clone import task_settings
from in_process import run_stages
from ruamel.yaml import YAML
from transformers import AutoModelForMaskedLM, pipeline

from tinybert.commands import recipe
from tinybert.data.augment import words
from tinybert.models import encode
from tinybert.models.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data"),
    pytest.mark.slow,
    pytest.mark.xdist_group("chinese"),
]
TRAINED, HELD_OUT = 6000, 300  # sentences


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    return texts()


@pytest.fixture(scope="module")
def bert(tmp_path_factory, sentences) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    pretrain(
        folder, sentences[HELD_OUT : HELD_OUT + TRAINED], epochs=1, hidden_size=48,
        num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
    )  # fmt: skip
    return folder


def test_the_model_has_learnt_how_chinese_is_written(bert, sentences):
    """So little training teaches what is frequent: far from one of 21,128 at random."""
    model = AutoModelForMaskedLM.from_pretrained(bert).eval()
    objective = objective_of(model, sentences[:HELD_OUT])
    with torch.no_grad():
        loss = objective(objective.rows.batch(list(range(HELD_OUT))))["loss"].item()
    assert loss < math.log(21128) - 2.5


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, bert) -> Path:
    """A folder in which all stages have run, in this process, on a part of ChnSentiCorp."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "data/raw/chn").mkdir(parents=True)
    for split, rows in (("train", 240), ("dev", 60), ("test", 60)):
        source = DATA / f"zh/chnsenticorp/{split}.tsv"
        lines = source.read_text(encoding="utf-8").splitlines()[: rows + 1]
        (folder / f"data/raw/chn/{split}.tsv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "data/raw/zh").mkdir()
    shutil.copy(DATA / "corpus/zh/cmrc2018_contexts.txt", folder / "data/raw/zh")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(bert, folder / "data/models/bert")
    with contextlib.chdir(folder):
        recipe.apply("smoke")
    values = YAML(typ="safe", pure=True).load(folder / "params.yaml")
    del values["docs"]
    values["tasks"] = ["chn"]
    values["task"] = {"chn": task_settings(labels={"0": "差评", "1": "好评"})}
    values["pretrained"] |= {"model": "data/models/bert", "sha256": None}
    values["corpus"]["path"] = "data/raw/zh"
    values["student"] |= {
        "embedding_rank": 12,
        "hidden_size": 24,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    values["augment"] |= {"copies": 2, "language": "zh"}
    values["encode"]["max_length"] = 128
    YAML().dump(values, folder / "params.yaml")
    run_stages(folder, "chn")
    return folder


def test_every_stage_has_run_and_the_student_names_chinese_labels(workspace):
    result = json.loads((workspace / "metrics/eval/chn.json").read_text(encoding="utf-8"))
    assert (result["split"], result["rows"]) == ("test", 60)
    [prediction] = pipeline("text-classification", model=str(workspace / "models/chn/student"))(
        "房间很干净，服务也好。"
    )
    assert prediction["label"] in ("差评", "好评")


def test_segments_begin_and_end_with_sentences_and_lose_no_character(workspace):
    tokenizer = load_tokenizer(workspace / "models/pretrained")
    rows = encode.read_segments(workspace / "data/corpus", tokenizer.pad_token_id)
    tokens = np.concatenate([rows.tokens[a:b] for a, b in pairwise(rows.starts)])
    ends = [
        tokenizer.convert_ids_to_tokens(int(tokens[end - 2])) for end in rows.starts[1:].tolist()
    ]
    whole = sum(token in "。！？…”』」；" for token in ends)
    assert whole > 0.5 * len(ends)  # a sentence longer than a segment is cut
    assert (tokens == tokenizer.unk_token_id).mean() < 0.02


def test_augmentation_replaces_words_by_words_and_not_single_characters(workspace):
    table = pq.read_table(workspace / "data/augmented/chn/00000.parquet")
    text, source = table["text_a"].to_pylist(), table["source"].to_pylist()
    facts = json.loads((workspace / "metrics/augment/chn.json").read_text())
    assert facts["rows_in"] == 240 and facts["rows_out"] == len(table) > 480
    assert facts["words_by_masked_language_model"] > 0.5 * facts["words_replaceable"]
    assert 0.05 < facts["share_of_words_replaced"] < 0.4
    originals = {text[i] for i in set(source)}
    known = {t[a:b] for t in originals for a, b in words.find(t, "zh")[0]}
    assert {len(word) for word in known} >= {2, 3, 4}
    changed = 0
    for copy, origin in zip(text, source, strict=True):
        spans, _ = words.find(text[origin], "zh")
        pattern, end = "", 0
        for start, stop in spans:
            word = text[origin][start:stop]
            pattern += re.escape(text[origin][end:start]) + f"({re.escape(word)}|.+?)"
            end = stop
        match = re.fullmatch(pattern + re.escape(text[origin][end:]), copy, re.DOTALL)
        assert match, (text[origin], copy)
        changed += copy != text[origin]
    assert changed == len(table) - 240


def test_the_labels_change_counts_are_reported(workspace):
    facts = json.loads((workspace / "metrics/label/chn.json").read_text())
    table = pq.read_table(workspace / "data/augmented/chn/00000.parquet")
    logits = np.load(workspace / "data/labels/chn/00000.npy")
    source = table["source"].to_numpy()
    copies = np.flatnonzero(source != np.arange(len(source)))
    changed = logits[copies].argmax(1) != logits[source[copies]].argmax(1)
    assert facts["copies"] == len(copies) > 200
    assert facts["label_changed"] == round(float(changed.mean()), 4)
