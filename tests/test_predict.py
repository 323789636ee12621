"""Logits in the order of the rows, whatever the batches."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import tiny_config
from transformers import BertForSequenceClassification

from tinybert import predict
from tinybert.encode import encode
from tinybert.task import Task

TEXTS = ["good", "a very bad film", "the plot of this movie is dull and boring", "great story"]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_logits_are_those_of_each_row_alone_without_dropout(tokenizer, batch_size):
    model = BertForSequenceClassification(tiny_config(num_labels=3, initializer_range=0.5)).train()
    rows = encode(TEXTS, None, tokenizer, 32)
    found = predict.logits(model, rows, batch_size, "fp32")
    assert model.training  # as it was
    model.eval()
    for text, own in zip(TEXTS, found, strict=True):
        alone = model(**tokenizer(text, return_tensors="pt")).logits[0].detach().numpy()
        np.testing.assert_allclose(own, alone, rtol=1e-4, atol=1e-5)


def test_the_scorer_follows_the_model(tokenizer):
    model = BertForSequenceClassification(tiny_config(num_labels=2))
    rows = encode(TEXTS, None, tokenizer, 32, label=np.array([1, 0, 0, 1]))
    task = Task("classification", ["bad", "good"], False, ["accuracy", "f1"], ["train", "dev"])
    score = predict.scorer(model, rows, task, 8, "fp32")
    with torch.no_grad():
        model.classifier.weight.zero_()
        for bias, expected in (([9.0, 0.0], 0.5), ([0.0, 9.0], 0.5)):
            model.classifier.bias.copy_(torch.tensor(bias))
            assert score() == expected
        rows.columns["label"][:] = 1
        assert score() == 1.0


@pytest.mark.parametrize(
    ("kind", "labels", "metrics", "columns", "expected"),
    [
        # The model says 1, 0.5 and -2 of every row.
        ("classification", ["a", "b", "c"], ["f1_macro"], {"label": [0, 0, 1, 0]}, 6 / 7 / 2),
        (
            "multi_label",
            ["a", "b", "c"],
            ["f1_micro", "accuracy"],
            {"labels": [[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]},
            2 * 5 / (2 * 5 + 3 + 1),
        ),
        ("regression", [], ["pearson"], {"score": [1, 2, 3, 4]}, 0),
    ],
)
def test_the_scorer_gives_the_tasks_first_metric(
    tokenizer, kind, labels, metrics, columns, expected
):
    outputs = len(labels) or 1
    model = BertForSequenceClassification(tiny_config(num_labels=outputs))
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, 0.5, -2.0])[:outputs])
    types = {"label": np.int64, "labels": np.float32, "score": np.float32}
    arrays = {name: np.array(values, types[name]) for name, values in columns.items()}
    rows = encode(TEXTS, None, tokenizer, 32, **arrays)
    task = Task(kind, labels, False, metrics, ["train", "dev"])
    assert predict.scorer(model, rows, task, 3, "fp32")() == pytest.approx(expected)


# Rows 0 and 3 are originals, row 5 is unlabelled text; the others are copies of 0, 0 and 3.
SOURCE = np.array([0, 0, 0, 3, 3, 5])


def test_changed_labels_are_counted_over_copies_alone():
    said = [2, 2, 1, 0, 0, 1]
    found = predict.changes(3 * np.eye(3)[said] - 1, SOURCE, "classification")
    assert found == {"rows": 6, "copies": 3, "label_changed": round(1 / 3, 4)}


def test_a_copy_with_any_of_several_labels_changed_is_changed():
    logits = np.array(
        [
            [0.1, -1, -1],
            [5, -2, -0.1],  # the same labels
            [0.1, 1, -1],  # one more
            [-1, -1, -1],
            [1, -1, 1],  # two more
            [1, 1, 1],
        ]
    )
    found = predict.changes(logits, SOURCE, "multi_label")
    assert found == {"rows": 6, "copies": 3, "label_changed": round(2 / 3, 4)}


def test_the_change_of_a_score_is_the_mean_absolute_difference():
    logits = np.array([[1.0], [1.5], [-1], [4], [3.75], [100]], dtype=np.float32)
    found = predict.changes(logits, SOURCE, "regression")
    assert found == {"rows": 6, "copies": 3, "score_change": round((0.5 + 2 + 0.25) / 3, 4)}


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_without_copies_nothing_has_changed(kind):
    found = predict.changes(np.ones((4, 1 if kind == "regression" else 2)), np.arange(4), kind)
    name = "score_change" if kind == "regression" else "label_changed"
    assert found == {"rows": 4, "copies": 0, name: 0.0}


def test_shards_that_were_labelled_before_a_kill_are_not_labelled_again(
    tokenizer, tmp_path, work, monkeypatch
):
    torch.manual_seed(0)
    model = BertForSequenceClassification(tiny_config(num_labels=2, initializer_range=0.5))
    shards = [tmp_path / f"{i:05}.parquet" for i in range(4)]
    for text, shard in zip(TEXTS, shards, strict=True):
        pq.write_table(pa.table({"text_a": [text], "text_b": pa.nulls(1, pa.string())}), shard)
    find, titles = predict.logits, []

    def logits(*words):
        if len(titles) == 2 and not resumed:
            raise KeyboardInterrupt
        titles.append(words[4])
        return find(*words)

    monkeypatch.setattr(predict, "logits", logits)
    words, resumed = (model, shards, tmp_path / "out", tokenizer, 32, 8, "fp32", work), False
    with pytest.raises(KeyboardInterrupt):
        predict.label(*words)
    assert not (tmp_path / "out").exists()
    resumed = True
    predict.label(*words)
    assert titles == [f"label {i:05}" for i in range(4)]
    expected = find(model, encode(TEXTS, None, tokenizer, 32), 1, "fp32")
    found = np.concatenate([np.load(tmp_path / f"out/{i:05}.npy") for i in range(4)])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
