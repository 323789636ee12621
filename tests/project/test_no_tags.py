"""All stages on texts whose words have no tags, with a teacher that is already fine-tuned."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import run_stages, write_params
from sentences import LABELS
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities
from tiny import VOCABULARY, tiny_config
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertForTokenClassification

from tinybert.deploy.classifier import Classifier

ROWS = 200


def texts(seed: int = 0) -> list[str]:
    choose, words = random.Random(seed), VOCABULARY[5:-2]
    return [" ".join(choose.choices(words, k=choose.randint(3, 12))) for _ in range(ROWS)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tokenizer) -> Path:
    """All stages have run on raw texts alone. params.yaml names no kind: the teacher has it."""
    folder = tmp_path_factory.mktemp("no_tags")
    torch.manual_seed(0)
    config = tiny_config(initializer_range=0.5, id2label=dict(enumerate(LABELS)))
    BertForTokenClassification(config).save_pretrained(folder / "data/models/names")
    tokenizer.save_pretrained(folder / "data/models/names")
    (folder / "data/raw/mine").mkdir(parents=True)
    (folder / "data/raw/mine/unlabeled.txt").write_text("\n".join(texts()), encoding="utf-8")
    data, learning = {"teacher": "data/models/names"}, {"epochs": 4, "lr": 1e-2}
    write_params(folder, "data/models/names", data, prediction=learning)
    run_stages(folder, "mine")
    return folder


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def answers(model: Path, lines: list[str]) -> list[list[str]]:
    """The model's label of each word, one text at a time, by transformers alone: each word of these
    texts is a token."""
    loaded, tokenizer = (
        auto.from_pretrained(model) for auto in (AutoModelForTokenClassification, AutoTokenizer)
    )
    with torch.no_grad():
        logits = [loaded(**tokenizer(t, return_tensors="pt")).logits[0, 1:-1] for t in lines]
    return [[LABELS[i] for i in rows.argmax(dim=1)] for rows in logits]


def test_the_score_is_the_share_of_words_with_equal_labels_on_held_out_texts(finished):
    tables = finished / "data/tasks/mine"
    dev, rest = (pd.read_parquet(tables / f"{split}.parquet") for split in ("dev", "unlabeled"))
    assert sorted([*dev["text_a"], *rest["text_a"]]) == sorted(texts())
    assert len(dev) == ROWS // 10 and not (tables / "train.parquet").exists()
    given, student = (
        answers(finished / folder, dev["text_a"].tolist())
        for folder in ("data/models/names", "models/mine/student")
    )
    assert [[LABELS[i] for i in row] for row in dev["tags"]] == given
    share = np.equal(np.concatenate(given), np.concatenate(student)).mean()
    result = read(finished / "metrics/eval/mine.json")
    assert (result["split"], result["metric"], result["chosen_on_it"]) == ("dev", "agreement", True)
    assert result["student"] == {"agreement": pytest.approx(share, abs=1e-4)}
    assert result["teacher"] == {"agreement": 1.0}
    counts = np.unique(np.concatenate(given), return_counts=True)[1]
    assert share > counts.max() / counts.sum()  # it has learnt more than the most frequent label
    assert set(result["types"]["student"]) == {"COLOUR", "WORK"}
    assert not {"baseline", "calibration", "linear", "finetuned_general"} & set(result)
    curve = finished / "metrics/distill_prediction/mine/plots/metrics/dev.tsv"
    assert pd.read_csv(curve, sep="\t")["dev"].max() == pytest.approx(share)
    exported = read(finished / "metrics/export/mine.json")
    assert exported["onnx"]["agreement"] == result["student"]["agreement"]


def test_there_are_no_baselines_and_no_changed_copies(finished):
    for model in ("baseline", "finetuned_general"):
        assert list((finished / "models/mine" / model).iterdir()) == []
    assert read(finished / "metrics/augment/mine.json") == {
        "rows_in": 0, "rows_out": 0, "unlabeled_rows": ROWS - ROWS // 10,
    }  # fmt: skip


def test_page_table_and_card_have_agreement_and_no_score_of_labels(finished):
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    table = (finished / "report/scores.md").read_text(encoding="utf-8")
    card = (finished / "models/mine/onnx/README.md").read_text(encoding="utf-8")
    results, _, _ = page.partition('id="settings"')
    for text in (results, table, card):
        assert "agreement" in text and "entity_f1" not in text and "word_accuracy" not in text
    for text in (page, card):
        assert "word by word" in text
    assert "no labels to train on" in page and "actual" not in page
    assert "of the teacher's answers" in page.replace("&#39;", "'")  # scores of each type
    assert "COLOUR" in results and "the linear model is" not in results


def test_the_exported_student_finds_the_students_entities(finished):
    lines = texts()[:40]
    found = Classifier(finished / "models/mine/onnx", "onnx")(lines)
    labels = answers(finished / "models/mine/student", lines)
    for text, prediction, row in zip(lines, found, labels, strict=True):
        words = text.split()
        expected = [(kind, " ".join(words[a : b + 1])) for kind, a, b in get_entities(row)]
        assert [(e["label"], e["text"]) for e in prediction["entities"]] == expected
    assert any(prediction["entities"] for prediction in found)


def test_a_labelled_test_file_has_its_scores_and_agreement_beside_them(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "labelled")
    lines, choose = texts(seed=1), random.Random(0)
    tags = [[choose.choice(["O", "B-WORK", "B-COLOUR"]) for _ in text.split()] for text in lines]
    sentences = [zip(text.split(), row, strict=True) for text, row in zip(lines, tags, strict=True)]
    content = "\n\n".join("\n".join(map("\t".join, sentence)) for sentence in sentences)
    (folder / "data/raw/mine/test.conll").write_text(content, encoding="utf-8")
    run_stages(folder, "mine", ["prepare_task", "evaluate", "export", "report"])
    teacher, student = (
        answers(folder / model, lines) for model in ("data/models/names", "models/mine/student")
    )
    result = read(folder / "metrics/eval/mine.json")
    assert (result["split"], result["metric"]) == ("test", "entity_f1")
    expected = {"entity_f1": f1_score(tags, student)}
    expected["agreement"] = np.equal(np.concatenate(teacher), np.concatenate(student)).mean()
    found = {metric: result["student"][metric] for metric in expected}
    assert found == pytest.approx(expected, abs=1e-4)
    assert result["teacher"]["entity_f1"] == pytest.approx(f1_score(tags, teacher), abs=1e-4)
    assert "calibration" in result and "linear" not in result
    table = (folder / "report/scores.md").read_text(encoding="utf-8")
    assert "entity_f1" in table and "agreement" in table
    assert "actual" in (folder / "report/index.html").read_text(encoding="utf-8")
