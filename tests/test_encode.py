"""Rows, batches and buckets."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.encode import (
    NO_LABEL,
    BucketSampler,
    encode,
    inference_batches,
    model_inputs,
    read_rows,
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
    lengths=st.lists(st.integers(1, 512), min_size=1, max_size=400),
    batch_size=st.integers(1, 64),
    seed=st.integers(0, 5),
)
def test_every_row_is_seen_exactly_once_an_epoch(lengths, batch_size, seed):
    sampler = BucketSampler(np.array(lengths), batch_size, seed)
    batches = list(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert max(map(len, batches)) <= batch_size


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
