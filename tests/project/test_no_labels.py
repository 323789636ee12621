"""All stages on texts without labels, with a teacher that is already fine-tuned."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import run_stages, write_params
from teachers import fine_tuned
from tiny import VOCABULARY
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert.deploy.classifier import Classifier

LABELS = ["NEG", "POS"]
ROWS = 120


def texts(count: int, seed: int) -> list[str]:
    choose = random.Random(seed)
    words = VOCABULARY[5:-2]
    return [" ".join(choose.choices(words, k=choose.randint(3, 12))) for _ in range(count)]


def workspace(folder: Path, tokenizer, files: dict[str, str]) -> None:
    """A project with a teacher and these raw files."""
    torch.manual_seed(0)
    model = fine_tuned("bert", LABELS)
    torch.nn.init.zeros_(model.classifier.bias)
    model.save_pretrained(folder / "data/models/teacher")
    tokenizer.save_pretrained(folder / "data/models/teacher")
    (folder / "data/raw/mine").mkdir(parents=True)
    for name, content in files.items():
        (folder / "data/raw/mine" / name).write_text(content, encoding="utf-8")
    data, learning = {"teacher": "data/models/teacher"}, {"epochs": 2, "lr": 1e-2}
    write_params(folder, "data/models/teacher", data, prediction=learning)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tokenizer) -> Path:
    """All stages have run on raw texts alone."""
    folder = tmp_path_factory.mktemp("no_labels")
    workspace(folder, tokenizer, {"unlabeled.txt": "\n".join(texts(ROWS, 0))})
    run_stages(folder, "mine")
    return folder


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def answers(model: Path, lines: list[str]) -> list[str]:
    """The model's labels, one text at a time, by transformers alone."""
    model_, tokenizer = (
        auto.from_pretrained(model) for auto in (AutoModelForSequenceClassification, AutoTokenizer)
    )
    with torch.no_grad():
        logits = [model_(**tokenizer(t, return_tensors="pt")).logits[0] for t in lines]
    return [LABELS[int(row.argmax())] for row in logits]


def test_the_score_is_the_share_of_equal_answers_on_texts_that_were_held_out(finished):
    tables = finished / "data/tasks/mine"
    dev, rest = (pd.read_parquet(tables / f"{split}.parquet") for split in ("dev", "unlabeled"))
    assert sorted([*dev["text_a"], *rest["text_a"]]) == sorted(texts(ROWS, 0))
    assert len(dev) == ROWS // 10 and not (tables / "train.parquet").exists()
    given, student = (
        np.array(answers(finished / folder, dev["text_a"].tolist()))
        for folder in ("data/models/teacher", "models/mine/student")
    )
    assert [LABELS[i] for i in dev["label"]] == given.tolist()
    result = read(finished / "metrics/eval/mine.json")
    assert (result["split"], result["metric"], result["chosen_on_it"]) == ("dev", "agreement", True)
    assert result["student"] == {"agreement": pytest.approx((given == student).mean(), abs=1e-4)}
    assert result["teacher"] == {"agreement": 1.0}
    others = {"accuracy", "baseline", "calibration", "linear", "finetuned_general"}
    assert not others & set(result)
    assert read(finished / "models/mine/student/config.json")["calibration"] == {}
    curve = finished / "metrics/distill_prediction/mine/plots/metrics/dev.tsv"
    assert pd.read_csv(curve, sep="\t")["dev"].max() == pytest.approx((given == student).mean())


def test_stages_that_need_labels_leave_their_outs_and_say_why(finished):
    for stage, model in (("baseline", "baseline"), ("general", "finetuned_general")):
        assert list((finished / "models/mine" / model).iterdir()) == []
        log = finished / f"metrics/finetune_{stage}/mine"
        assert [file.name for file in log.iterdir()] == ["skipped.json"]
        assert "no labels" in read(log / "skipped.json")["skipped"]


def test_there_are_no_changed_copies(finished):
    assert read(finished / "metrics/augment/mine.json") == {
        "rows_in": 0, "rows_out": 0, "unlabeled_rows": ROWS - ROWS // 10,
    }  # fmt: skip


def test_page_table_and_card_have_agreement_and_no_other_metric(finished):
    page = (finished / "report/index.html").read_text(encoding="utf-8")
    table = (finished / "report/scores.md").read_text(encoding="utf-8")
    card = (finished / "models/mine/onnx/README.md").read_text(encoding="utf-8")
    results, _, _ = page.partition('id="settings"')
    for text in (results, table, card):
        assert "agreement" in text and "accuracy" not in text
        assert "baseline" not in text.replace("no baseline", "")
    for text in (page, card):
        assert "share of equal answers" in text
    assert "no labels to train on" in page and "finetune_baseline" not in page
    assert "actual" not in page
    assert read(finished / "metrics/summary.json")["tasks"]["mine"].keys() == {
        "teacher", "student", "int8",
    }  # fmt: skip


def test_the_exported_student_names_the_teachers_labels(finished):
    [answer] = Classifier(finished / "models/mine/onnx", "onnx")(["good film"])
    assert answer["label"] in LABELS
