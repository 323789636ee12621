"""All stages on long texts whose end decides, in windows."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import run_stages, write_params
from tiny import WORDS, tiny_config
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

from tinybert.deploy.classifier import Classifier
from tinybert.pipeline.errors import InputError

LENGTH, STRIDE = 16, 4
SIGNAL = {"neg": ["bad", "dull"], "pos": ["good", "great"]}


def table(count: int, seed: int) -> str:
    """Texts of 30 words, the last eight of which tell the label, and some short ones."""
    choose, lines = random.Random(seed), ["text\tlabel"]
    neutral = [word for word in WORDS if not any(word in words for words in SIGNAL.values())]
    for i in range(count):
        label = ("neg", "pos")[i % 2]
        words = choose.choices(neutral, k=0 if i % 5 == 0 else 22)
        lines.append(" ".join([*words, *choose.choices(SIGNAL[label], k=8)]) + f"\t{label}")
    return "\n".join(lines)


def workspace(folder: Path, tokenizer, files: dict[str, str], **data) -> None:
    """data: settings of the task."""
    torch.manual_seed(0)
    model = folder / "data/models/tiny"
    BertModel(tiny_config(initializer_range=0.3)).save_pretrained(model)
    tokenizer.save_pretrained(model)
    (folder / "data/raw/mine").mkdir(parents=True)
    for name, content in files.items():
        (folder / "data/raw/mine" / name).write_text(content, encoding="utf-8")
    epochs = {"teacher": 15, "baseline": 1, "prediction": 4}
    write_params(
        folder, "data/models/tiny", data, precision="fp32",
        encode={"max_length": LENGTH, "long_texts": "windows"}, training={"batch_size": 8},
        **{section: {"epochs": n, "lr": 1e-2, "dropout": 0.0} for section, n in epochs.items()},
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("long_texts")
    splits = {"train.tsv": table(120, 0), "dev.tsv": table(20, 1), "test.tsv": table(30, 2)}
    workspace(folder, tokenizer, {**splits, "unlabeled.tsv": table(40, 3)})
    run_stages(folder, "mine")
    return folder


def answers(model: Path, texts: list[str]) -> np.ndarray:
    """(texts,): the class of the mean logits of the windows that transformers cuts."""
    loaded = AutoModelForSequenceClassification.from_pretrained(model).eval()
    tokenizer, classes = AutoTokenizer.from_pretrained(model), []
    for text in texts:
        windows = tokenizer(
            text, truncation=True, max_length=LENGTH, stride=STRIDE, return_overflowing_tokens=True
        )
        with torch.inference_mode():
            rows = [loaded(input_ids=torch.tensor([ids])).logits for ids in windows["input_ids"]]
        classes.append(int(torch.cat(rows).mean(dim=0).argmax()))
    return np.array(classes)


def test_scores_are_of_whole_texts_whose_end_decides(finished):
    test = pd.read_parquet(finished / "data/tasks/mine/test.parquet")
    result = json.loads((finished / "metrics/eval/mine.json").read_text())
    assert result["rows"] == len(test) == 30
    for role in ("teacher", "student"):
        actual = answers(finished / "models/mine" / role, test["text_a"].tolist())
        expected = (actual == test["label"]).mean()
        assert result[role]["accuracy"] == pytest.approx(expected, abs=1e-4)
    # six texts are short; of the other 24, models of their beginning know nothing: 18 of 30
    assert result["teacher"]["accuracy"] >= 0.75


def test_the_teacher_answers_each_window(finished):
    shards = sorted((finished / "data/augmented/mine").glob("*.parquet"))
    rows = pd.concat(map(pd.read_parquet, shards))
    assert rows["text_a"].str.split().str.len().max() == LENGTH - 2
    logits = [np.load(file) for file in sorted((finished / "data/labels/mine").glob("*.npy"))]
    assert len(np.concatenate(logits)) == len(rows) > 2 * (120 + 40)
    data = json.loads((finished / "metrics/data/mine.json").read_text())
    assert data["train"]["rows"] == 120 and data["train"]["rows_cut"] == 0


def test_the_exported_student_answers_as_it_was_scored(finished):
    texts = pd.read_parquet(finished / "data/tasks/mine/test.parquet")["text_a"].tolist()
    scored = pd.read_csv(finished / "metrics/predictions/mine.csv")["student"].tolist()
    student = Classifier(finished / "models/mine/onnx", "onnx")
    assert [answer["label"] for answer in student(texts)] == scored


PAIRS = "text_a\ttext_b\tlabel\n" + "good film\tdull\tno\ngreat\tgreat\tyes\n" * 3
SENTENCES = "good\tO\nrome\tB-LOC\n\nnever\tO\nagain\tO\n\n" * 3


@pytest.mark.parametrize(
    "suffix, content, data, message",
    [
        ("tsv", PAIRS, {}, "is for single texts, and a row of mine has two"),
        ("conll", SENTENCES, {"kind": "tokens"}, "is for labels of texts, and mine labels words"),
    ],
)
def test_pairs_and_labels_of_words_are_refused_before_training(
    tmp_path, tokenizer, suffix, content, data, message
):
    files = {f"{split}.{suffix}": content for split in ("train", "dev")}
    workspace(tmp_path, tokenizer, files, **data)
    with pytest.raises(InputError, match=message):
        run_stages(tmp_path, "mine", ["fetch_pretrained", "prepare_task"])
