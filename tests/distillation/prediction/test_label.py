"""The teacher's logits for the augmented rows, and what augmentation changed in them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny import tiny_config
from transformers import BertForSequenceClassification

from tinybert.distillation.prediction.label import (
    label_changes,
    label_shards,
    read_labels,
    read_logits,
)
from tinybert.models import predict
from tinybert.models.encode import TEACHER_LOGITS, encode
from tinybert.pipeline.errors import InputError

TEXTS = ["good", "a very bad film", "the plot of this movie is dull and boring", "great story"]
# Rows 0 and 3 are originals, row 5 is unlabelled; the others are copies of 0, 0 and 3.
SOURCE = np.array([0, 0, 0, 3, 3, 5])


def test_changed_labels_are_counted_over_copies_alone():
    predicted = [2, 2, 1, 0, 0, 1]
    changes = label_changes(3 * np.eye(3)[predicted] - 1, SOURCE, "classification")
    assert changes == {"rows": 6, "copies": 3, "label_changed": round(1 / 3, 4)}


def test_a_multi_label_copy_counts_as_changed_if_any_label_changed():
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
    changes = label_changes(logits, SOURCE, "multi_label")
    assert changes == {"rows": 6, "copies": 3, "label_changed": round(2 / 3, 4)}


def test_the_change_of_a_score_is_the_mean_absolute_difference():
    logits = np.array([[1.0], [1.5], [-1], [4], [3.75], [100]], dtype=np.float32)
    changes = label_changes(logits, SOURCE, "regression")
    assert changes == {"rows": 6, "copies": 3, "score_change": round((0.5 + 2 + 0.25) / 3, 4)}


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_without_copies_the_change_is_0(kind):
    changes = label_changes(np.ones((4, 1 if kind == "regression" else 2)), np.arange(4), kind)
    name = "score_change" if kind == "regression" else "label_changed"
    assert changes == {"rows": 4, "copies": 0, name: 0.0}


def test_shards_labelled_before_a_kill_are_not_labelled_again(
    tokenizer, tmp_path, work, monkeypatch
):
    torch.manual_seed(0)
    model = BertForSequenceClassification(tiny_config(num_labels=2, initializer_range=0.5))
    shards = [tmp_path / f"{i:05}.parquet" for i in range(4)]
    for text, shard in zip(TEXTS, shards, strict=True):
        pq.write_table(pa.table({"text_a": [text], "text_b": pa.nulls(1, pa.string())}), shard)
    compute_logits, titles = predict.logits, []

    def logits(model, rows, precision, title):
        if len(titles) == 2 and not resumed:
            raise KeyboardInterrupt
        titles.append(title)
        return compute_logits(model, rows, precision)

    monkeypatch.setattr(predict, "logits", logits)
    arguments, resumed = ([model], shards, tmp_path / "out", [tokenizer], 32, "fp32", work), False
    with pytest.raises(KeyboardInterrupt):
        label_shards(*arguments)
    assert not (tmp_path / "out").exists()
    resumed = True
    label_shards(*arguments)
    assert titles == [f"label {i:05}" for i in range(4)]
    expected = compute_logits(model, encode(TEXTS, None, tokenizer, 32), "fp32")
    written = np.concatenate([np.load(tmp_path / f"out/{i:05}.npy") for i in range(4)])
    np.testing.assert_allclose(written, expected, rtol=1e-4, atol=1e-5)


def test_rows_with_given_logits_have_them_and_the_others_the_teachers(tokenizer, tmp_path, work):
    torch.manual_seed(0)
    model = BertForSequenceClassification(tiny_config(num_labels=2, initializer_range=0.5))
    given = pa.array([None, [-3, 4], None, [0.5, 0]], pa.list_(pa.float32(), 2))
    columns = {"text_a": TEXTS, "text_b": pa.nulls(4, pa.string()), TEACHER_LOGITS: given}
    pq.write_table(pa.table(columns), tmp_path / "00000.parquet")
    shards = [tmp_path / "00000.parquet"]
    label_shards([model], shards, tmp_path / "out", [tokenizer], 32, "fp32", work)
    expected = predict.logits(model, encode(TEXTS, None, tokenizer, 32), "fp32")
    expected[[1, 3]] = [[-3, 4], [0.5, 0]]
    np.testing.assert_allclose(read_logits(tmp_path / "out"), expected, rtol=1e-4, atol=1e-5)


def test_sources_are_counted_over_all_shards(tmp_path):
    """In a shard they count from its first row; read together, from the first of all."""
    shards = [tmp_path / f"{i:05}.parquet" for i in range(2)]
    logits = [np.arange(6, dtype=np.float32).reshape(3, 2), np.full((2, 2), 9, np.float32)]
    for shard, source, values in zip(shards, ([0, 0, 2], [0, 0]), logits, strict=True):
        pq.write_table(pa.table({"source": source}), shard)
        np.save(tmp_path / f"{shard.stem}.npy", values)
    all_logits, sources = read_labels(tmp_path, shards)
    assert sources.tolist() == [0, 0, 2, 3, 3]
    np.testing.assert_array_equal(all_logits, np.concatenate(logits))


def test_damaged_logits_are_named(tmp_path):
    np.save(tmp_path / "00000.npy", np.ones((2, 3), np.float32))
    assert read_logits(tmp_path).shape == (2, 3)
    content = (tmp_path / "00000.npy").read_bytes()
    for damaged in (b"", content[:-5], b"text"):
        (tmp_path / "00000.npy").write_bytes(damaged)
        with pytest.raises(InputError, match=r"00000\.npy is damaged"):
            read_logits(tmp_path)
