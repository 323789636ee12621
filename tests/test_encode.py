"""Rows, batches and buckets."""

from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert import encode as encode_module
from tinybert.encode import (
    NO_LABEL,
    BucketSampler,
    Rows,
    encode,
    inference_batches,
    model_inputs,
    read_rows,
    read_segments,
    training_batches,
)

TEXTS = ["good film", "the plot is very dull and boring", "never", "a great story again"]
OTHERS = ["bad", "good", "the music was terrible", "one two three"]


def test_a_batch_equals_the_tokenizers_own_padding(tokenizer):
    rows = encode(TEXTS, OTHERS, tokenizer, 64)
    batch = rows.batch([1, 3, 0], pad_to=8)
    own = tokenizer(
        [TEXTS[i] for i in (1, 3, 0)],
        [OTHERS[i] for i in (1, 3, 0)],
        padding=True,
        pad_to_multiple_of=8,
        return_tensors="pt",
    )
    assert batch["token_type_ids"].sum() > 0
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name], own[name])


def test_longer_texts_are_cut_at_max_length(tokenizer):
    rows = encode(TEXTS, None, tokenizer, 5)
    assert rows.lengths.tolist() == [4, 5, 3, 5]
    assert rows.batch([1])["input_ids"][0, 4] == tokenizer.sep_token_id


def test_columns_and_row_numbers_follow_the_rows(tokenizer):
    logits = np.arange(8, dtype=np.float32).reshape(4, 2)
    rows = encode(TEXTS, None, tokenizer, 64, label=np.array([5, 6, 7, 8]), teacher_logits=logits)
    batch = rows.batch([2, 0])
    assert batch["label"].tolist() == [7, 5]
    assert batch["teacher_logits"].tolist() == [[4, 5], [0, 1]]
    assert batch["row"].tolist() == [2, 0]
    assert set(model_inputs(batch)) == {"input_ids", "attention_mask", "token_type_ids"}


def test_null_labels_and_scores_are_marked(tokenizer, tmp_path):
    table = {"text_a": TEXTS[:2], "text_b": pa.array([None, None], pa.string())}
    pq.write_table(pa.table({**table, "label": [1, None]}), tmp_path / "labels.parquet")
    pq.write_table(pa.table({**table, "score": [0.5, None]}), tmp_path / "scores.parquet")
    labels = read_rows(tmp_path / "labels.parquet", tokenizer, 64).columns["label"]
    assert labels.tolist() == [1, NO_LABEL]
    scores = read_rows(tmp_path / "scores.parquet", tokenizer, 64).columns["score"]
    assert scores[0] == 0.5 and np.isnan(scores[1])


@settings(max_examples=60, deadline=None)
@given(
    shards=st.lists(st.lists(st.integers(1, 512), max_size=120), min_size=1, max_size=8),
    batch_size=st.integers(1, 64),
    world=st.integers(1, 4),
    window=st.integers(1, 300),
    pool=st.integers(1, 5),
)
def test_every_row_is_seen_exactly_once_an_epoch(shards, batch_size, world, window, pool):
    """Whatever the shards, by one process or another, in batches of one size but for one row."""
    lengths = np.array([length for own in shards for length in own], np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.cumsum([0, *map(len, shards)])
    rows = Rows(np.ones(starts[-1], np.int32), starts, 0, shards=places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_module, "WINDOW", window)
        patch.setattr(encode_module, "POOL", pool)
        if len(rows) < world * max(1, -(-len(rows) // batch_size)):
            with pytest.raises(ValueError, match=f"too few for {world} processes"):
                training_batches(rows, batch_size, 0, 0, world)
            return
        loaders = [training_batches(rows, batch_size, 0, rank, world) for rank in range(world)]
        found = [[b["row"].tolist() for b in loader] for loader, _ in loaders]
        batches = [sorted(chain(*parts)) for parts in zip(*found, strict=True)]
        assert batches == [sorted(batch) for batch in loaders[0][1]]
        assert len(batches) == len(loaders[0][0]) == -(-len(rows) // batch_size)
        assert sorted(chain(*batches)) == list(range(len(rows)))
        sizes = set(map(len, batches))
        assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1


def test_a_large_corpus_is_shuffled_by_windows_of_shards(monkeypatch):
    """Each stretch of an epoch reads few shards; and not the same ones in each epoch."""
    monkeypatch.setattr(encode_module, "WINDOW", 1000)
    shards = np.arange(0, 10_001, 100)
    sampler = BucketSampler(np.full(10_000, 5), 10, seed=0, shards=shards)
    firsts = []
    for sampler.epoch in range(2):
        order = np.array(list(sampler)).ravel() // 100
        # 10 shards a window, and what it left of the window before: less than a pool of 500
        assert max(len(set(order[i : i + 1000])) for i in range(0, 10_000, 1000)) <= 20
        firsts.append(set(order[:1000]))
    assert firsts[0] != firsts[1] and firsts[0] != set(range(10))


def test_segments_of_shards_are_read_where_they_lie(tmp_path, monkeypatch):
    """Against the lists themselves; more shards than are open, some with no or several batches."""
    monkeypatch.setattr(encode_module, "OPEN", 2)
    random = np.random.default_rng(0)
    shards = [[random.integers(0, 9, random.integers(1, 6)).tolist() for _ in range(n)]
              for n in (3, 0, 7, 1, 9)]  # fmt: skip
    schema = pa.schema([("input_ids", pa.list_(pa.int32()))])
    for i, own in enumerate(shards):
        with pa.ipc.new_file(tmp_path / f"{i:05}.arrow", schema) as writer:
            for first in range(0, len(own), 4):
                writer.write(pa.record_batch([pa.array(own[first : first + 4])], schema))
    rows = read_segments(tmp_path, padding_id=0)
    everything = [segment for own in shards for segment in own]
    assert len(rows) == 20 and rows.starts.dtype == np.int64
    assert rows.shards.tolist() == [0, 3, 3, 10, 11, 20]
    order = random.permutation(20).tolist()
    batch = rows.batch(order, pad_to=1)
    for index, ids, mask in zip(order, batch["input_ids"], batch["attention_mask"], strict=True):
        assert ids[mask.bool()].tolist() == everything[index]
        assert not ids[~mask.bool()].any()


def test_no_shards_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no shards"):
        read_segments(tmp_path, 0)


def test_a_folder_of_shards_reads_like_one_table(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(encode_module, "CHUNK", 3)
    table = pa.table({
        "text_a": TEXTS * 3, "text_b": OTHERS * 3,
        "labels": pa.array([[0, 1], None, [1, 1], [0, 0]] * 3, pa.list_(pa.float32(), 2)),
        "source": list(range(12)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "whole.parquet")
    (tmp_path / "shards").mkdir()
    for i, (begin, end) in enumerate([(0, 5), (5, 6), (6, 12)]):
        pq.write_table(table.slice(begin, end - begin), tmp_path / f"shards/{i:05}.parquet")
    logits = np.arange(24, dtype=np.float32).reshape(12, 2)
    whole, parts = (
        read_rows(tmp_path / name, tokenizer, 64, teacher_logits=logits)
        for name in ("whole.parquet", "shards")
    )
    own = encode(TEXTS * 3, OTHERS * 3, tokenizer, 64)
    for found in (whole, parts):
        assert found.tokens.tolist() == own.tokens.tolist()
        assert found.starts.tolist() == own.starts.tolist()
        assert found.token_types.tolist() == own.token_types.tolist()
        np.testing.assert_array_equal(
            found.columns["labels"], [[0, 1], [np.nan, np.nan], [1, 1], [0, 0]] * 3
        )
        np.testing.assert_array_equal(found.columns["teacher_logits"], logits)
    assert parts.tokens.dtype == np.int32 and parts.token_types.dtype == np.int8


def test_epochs_differ_and_can_be_repeated():
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    sampler = BucketSampler(lengths, 16, seed=3)
    first = list(sampler)
    assert list(sampler) == first
    sampler.epoch = 1
    assert list(sampler) != first
    assert list(BucketSampler(lengths, 16, seed=4)) != first


def test_buckets_waste_little():
    """Padded tokens over real ones, against batches in random order."""
    lengths = np.random.default_rng(0).integers(3, 100, 3000)

    def waste(batches):
        return sum(len(b) * lengths[b].max() for b in batches) / lengths.sum()

    order = np.random.default_rng(1).permutation(3000)
    assert waste([order[i : i + 32] for i in range(0, 3000, 32)]) > 1.8
    assert waste(list(BucketSampler(lengths, 32, seed=0))) < 1.1


def test_inference_sees_every_row_longest_first(tokenizer):
    rows = encode(TEXTS, None, tokenizer, 64)
    batches = inference_batches(rows, 3)
    assert sorted(i for batch in batches for i in batch) == [0, 1, 2, 3]
    assert batches[0][0] == 1


def test_one_row_is_enough(tokenizer):
    rows = encode(TEXTS[:1], None, tokenizer, 64)
    assert inference_batches(rows, 4) == [[0]]
