"""A teacher's labels of words as answers, and agreement with them, against plain transformers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentences import LABELS, sentences, task, write
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForTokenClassification

from tinybert.evaluation.compare import compare_models
from tinybert.tasks import teacher

LENGTH = 8  # tokens in a row: most sentences have more
ROWS = [*sentences(), (["\u200b"], [0])]  # the last one has no token


@pytest.fixture
def models(tmp_path, monkeypatch) -> dict[str, BertForTokenClassification]:
    """A teacher and a student of random weights in the current directory, for a task `mine`."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for seed, role in enumerate(("teacher", "student")):
        torch.manual_seed(seed)
        config = tiny_config(initializer_range=0.5, id2label=dict(enumerate(LABELS)))
        found[role] = BertForTokenClassification(config).eval()
        found[role].save_pretrained(f"models/mine/{role}")
        tiny_tokenizer().save_pretrained(f"models/mine/{role}")
    return found


def read_words(model, rows: list) -> list[tuple[list[str], list[int]]]:
    """The words of each sentence that the model reads, and its labels, one sentence at a time."""
    tokenizer, found = tiny_tokenizer(), []
    for words, _ in rows:
        encoded = tokenizer(
            [words], is_split_into_words=True, truncation=True, max_length=LENGTH,
            return_tensors="pt",
        )  # fmt: skip
        ids = encoded.word_ids()
        firsts = [i for i, word in enumerate(ids) if word is not None and ids[i - 1] != word]
        with torch.no_grad():
            answers = model(**encoded).logits[0].argmax(dim=1)
        found.append(([words[ids[i]] for i in firsts], [int(answers[i]) for i in firsts]))
    return found


def untagged(file: Path, rows: list) -> None:
    write(file, rows)
    pq.write_table(pq.read_table(file).drop_columns("tags"), file)


def test_answers_are_the_labels_of_the_words_that_the_teacher_reads(models):
    tables = Path("data/tasks/mine")
    untagged(tables / "dev.parquet", ROWS)
    of = task(["dev", "unlabeled"])
    of.answered = ["dev"]
    counts = teacher.answer(tables, of, [Path("models/mine/teacher")], LENGTH)
    expected = read_words(models["teacher"], ROWS[:-1])
    table = pq.read_table(tables / "dev.parquet")
    assert table["words"].to_pylist() == [words for words, _ in expected]
    assert table["tags"].to_pylist() == [tags for _, tags in expected]
    assert table["tags"].type == pa.list_(pa.int64())
    assert sum(len(words) for words, _ in expected) < sum(len(words) for words, _ in ROWS) - 10
    types = [{LABELS[tag].split("-")[-1] for tag in tags} for _, tags in expected]
    shown = {kind: sum(kind in row for row in types) for kind in ("O", "COLOUR", "WORK")}
    assert counts == {"dev": {"rows": len(ROWS) - 1, "labels": shown}}


def shares(models: dict) -> float:
    """How many words that both read have the same label."""
    answers = [
        np.concatenate([tags for _, tags in read_words(model, ROWS)]) for model in models.values()
    ]
    return float(np.equal(*answers).mean())


def test_on_answers_the_score_is_the_share_of_equal_labels_of_words(models):
    tables = Path("data/tasks/mine")
    of = task(["dev", "unlabeled"])
    of.answered = ["dev"]
    of.save(tables)
    untagged(tables / "dev.parquet", ROWS)
    teacher.answer(tables, of, [Path("models/mine/teacher")], LENGTH)
    result = compare_models("mine", LENGTH)
    assert 0 < shares(models) < 1
    assert result["student"] == {"agreement": pytest.approx(shares(models), abs=1e-4)}
    assert result["teacher"] == {"agreement": 1.0} and result["metric"] == "agreement"
    low, high = result["intervals"]["student"]["agreement"]
    assert low < result["student"]["agreement"] < high
    assert not {"linear", "baseline", "finetuned_general", "calibration"} & set(result)
    assert all(scores["f1"] in (0, 1) for scores in result["types"]["teacher"].values())
    shown = pd.read_csv("metrics/predictions/mine.csv", keep_default_na=False)
    assert shown["actual"].tolist() == shown["teacher"].tolist() != shown["student"].tolist()


def test_agreement_is_beside_the_scores_of_labels(models):
    """Words that no model reads count as outside of entities there, and not at all here."""
    tables = Path("data/tasks/mine")
    task(["dev", "test", "unlabeled"]).save(tables)
    for split in ("dev", "test"):
        write(tables / f"{split}.parquet", ROWS)
    result = compare_models("mine", LENGTH)
    assert (result["split"], result["metric"]) == ("test", "entity_f1")
    assert [*result["student"]] == [*task().metrics, "agreement"] == [*result["teacher"]]
    assert result["student"]["agreement"] == pytest.approx(shares(models), abs=1e-4)
    assert result["teacher"]["agreement"] == 1.0 and "calibration" in result
