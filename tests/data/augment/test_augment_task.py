"""The rows of a task, in shards: what joins them, what is kept, what is said."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_to_augment import FIRST, settings, table
from tiny import VOCABULARY, tiny_config
from transformers import (
    BertModel,
    BertTokenizer,
)

from tinybert.data.augment import augment
from tinybert.data.augment.replacements import print_unchanged
from tinybert.models.encode import read_rows
from tinybert.models.tokenizer import load_tokenizer


@pytest.mark.parametrize("copies", [0, 2])
def test_unlabelled_rows_join_without_a_label(checkpoint, tmp_path, work, copies):
    folder = checkpoint(BertModel(tiny_config()))
    pq.write_table(table(), tmp_path / "train.parquet")
    raw = table(["more text", "and more"]).drop_columns(["label"])
    pq.write_table(raw, tmp_path / "unlabeled.parquet")
    section = settings(copies=copies)
    counts = augment.augment_task(tmp_path, folder, tmp_path / "out", section, 32, "fp32", 0, work)
    rows = pq.read_table(tmp_path / "out")
    assert rows["text_a"].to_pylist()[-2:] == ["more text", "and more"]
    assert rows["label"].to_pylist()[-2:] == [None, None]
    assert rows["source"].to_pylist()[-2:] == [0, 1]  # indices in their shard
    assert set(FIRST) < set(rows["text_a"].to_pylist())
    assert None not in rows["label"].to_pylist()[:-2]
    assert (len(rows) > 5) == (copies > 0)
    assert counts["rows_in"] == 3 and counts["unlabeled_rows"] == 2
    assert counts["rows_out"] == len(rows) - 2


def test_chinese_words_come_from_all_rows_whatever_the_shards(tmp_path, work, monkeypatch):
    """A shard of one row contains only one word."""
    characters = sorted(set("酒店房间电影音乐早餐屏幕"))
    (tmp_path / "vocab.txt").write_text("\n".join([*VOCABULARY[:5], *characters]))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    BertModel(tiny_config(vocab_size=5 + len(characters))).save_pretrained(tmp_path)
    words = ["酒店", "房间", "电影", "音乐", "早餐", "屏幕"]
    pq.write_table(table(words), tmp_path / "train.parquet")
    calls = []
    find = augment.Candidates.find

    def record(self, texts):
        replacements = find(self, texts)
        calls.extend((text, r.replaceable) for text, r in zip(texts, replacements, strict=True))
        return replacements

    monkeypatch.setattr(augment.Candidates, "find", record)
    section = settings(language="zh", candidates=5)
    for size in (100, 1):
        monkeypatch.setattr(augment, "SHARD", size)
        (work / str(size)).mkdir()
        out = tmp_path / str(size)
        augment.augment_task(tmp_path, tmp_path, out, section, 32, "fp32", 0, work / str(size))
    assert calls[:6] == calls[6:]
    for text, [(*_, candidates)] in calls:
        assert set(candidates) == set(words) - {text}


@pytest.mark.parametrize("text", ["房 间 很 好", "good 房 间"])
def test_a_train_without_replaceable_words_is_said(checkpoint, tmp_path, work, capsys, text):
    """As of Chinese by characters."""
    folder = checkpoint(BertModel(tiny_config()))
    pq.write_table(table([text]), tmp_path / "train.parquet")
    counts = augment.augment_task(
        tmp_path, folder, tmp_path / "out", settings(language="zh"), 32, "fp32", 0, work
    )
    print_unchanged(counts)
    shown = capsys.readouterr().out
    assert ("note: no word of train can be replaced" in shown) == ("good" not in text)


def test_without_copies_nothing_is_said(capsys):
    print_unchanged({"rows_in": 3, "rows_out": 3})
    assert capsys.readouterr().out == ""


def test_multi_hot_labels_survive(checkpoint, tmp_path, work):
    folder = checkpoint(BertModel(tiny_config()))
    labels = [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    train = table().drop_columns(["label"])
    train = train.append_column("labels", pa.array(labels, pa.list_(pa.float32(), 2)))
    pq.write_table(train, tmp_path / "train.parquet")
    pq.write_table(table(["more"]).drop_columns(["label"]), tmp_path / "unlabeled.parquet")
    augment.augment_task(tmp_path, folder, tmp_path / "out", settings(), 32, "fp32", 0, work)
    rows = read_rows(tmp_path / "out", load_tokenizer(folder), 32)
    output = pq.read_table(tmp_path / "out")
    expected = [
        labels[FIRST.index(output["text_a"][i].as_py())] for i in output["source"].to_pylist()[:-1]
    ]
    np.testing.assert_array_equal(rows.columns["labels"][:-1], expected)
    assert np.isnan(rows.columns["labels"][-1]).all()


@pytest.mark.parametrize("done", range(3))
def test_shards_that_were_finished_before_a_kill_are_not_recomputed(
    checkpoint, tmp_path, work, monkeypatch, done
):
    """The shards and the counts equal those of an uninterrupted run."""
    folder = checkpoint(BertModel(tiny_config()))
    pq.write_table(table(), tmp_path / "train.parquet")
    monkeypatch.setattr(augment, "SHARD", 1)
    inputs = tmp_path, folder
    options = settings(copies=3), 32, "fp32", 0
    (tmp_path / "work0").mkdir()
    counts = augment.augment_task(*inputs, tmp_path / "whole", *options, tmp_path / "work0")
    find, calls = augment.Candidates.find, []

    def killed_at_limit(self, texts):
        if len(calls) == limit:
            raise KeyboardInterrupt
        calls.append(texts)
        return find(self, texts)

    monkeypatch.setattr(augment.Candidates, "find", killed_at_limit)
    limit = done
    with pytest.raises(KeyboardInterrupt):
        augment.augment_task(*inputs, tmp_path / "out", *options, work)
    assert len(calls) == done and not (tmp_path / "out").exists()
    limit = 3
    assert augment.augment_task(*inputs, tmp_path / "out", *options, work) == counts
    assert calls == [[text] for text in FIRST]
    whole = {f.name: f.read_bytes() for f in (tmp_path / "whole").iterdir()}
    assert {f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()} == whole
