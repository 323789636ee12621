"""Batches of rows of similar length: every row exactly once."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.models import batches as batches_module
from tinybert.models.batches import BucketSampler, inference_batches, training_batches
from tinybert.models.encode import encode
from tinybert.models.rows import Rows

TEXTS = ["good film", "the plot is very dull and boring", "never", "a great story again"]


@settings(max_examples=60, deadline=None)
@given(
    shards=st.lists(st.lists(st.integers(1, 512), max_size=120), min_size=1, max_size=8),
    batch_size=st.integers(1, 64),
    world=st.integers(1, 4),
    window=st.integers(1, 300),
    pool=st.integers(1, 5),
)
def test_every_row_is_seen_exactly_once_an_epoch(shards, batch_size, world, window, pool):
    """With any shards and processes, in batches whose sizes differ by at most one."""
    lengths = np.array([length for shard in shards for length in shard], np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.cumsum([0, *map(len, shards)])
    rows = Rows(np.ones(starts[-1], np.int32), starts, 0, shards=places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "WINDOW", window)
        patch.setattr(batches_module, "POOL", pool)
        if len(rows) < world * max(1, -(-len(rows) // batch_size)):
            with pytest.raises(ValueError, match=f"too few for {world} processes"):
                training_batches(rows, batch_size, 0, 0, world)
            return
        loaders = [training_batches(rows, batch_size, 0, rank, world) for rank in range(world)]
        parts = [[b["row"].tolist() for b in loader] for loader, _ in loaders]
        batches = [sorted(chain(*part)) for part in zip(*parts, strict=True)]
        assert batches == [sorted(batch) for batch in loaders[0][1]]
        assert len(batches) == len(loaders[0][0]) == -(-len(rows) // batch_size)
        assert sorted(chain(*batches)) == list(range(len(rows)))
        sizes = set(map(len, batches))
        assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1


def test_a_large_corpus_is_shuffled_by_windows_of_shards(monkeypatch):
    """Each part of an epoch reads few shards, and other ones than in the epoch before."""
    monkeypatch.setattr(batches_module, "WINDOW", 1000)
    shards = np.arange(0, 10_001, 100)
    sampler = BucketSampler(np.full(10_000, 5), 10, seed=0, shards=shards)
    firsts = []
    for sampler.epoch in range(2):
        order = np.array(list(sampler)).ravel() // 100
        # a window has 10 shards, and less than a pool of 500 rows from the window before
        assert max(len(set(order[i : i + 1000])) for i in range(0, 10_000, 1000)) <= 20
        firsts.append(set(order[:1000]))
    assert firsts[0] != firsts[1] and firsts[0] != set(range(10))


def test_epochs_differ_and_can_be_repeated():
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    sampler = BucketSampler(lengths, 16, seed=3)
    first = list(sampler)
    assert list(sampler) == first
    sampler.epoch = 1
    assert list(sampler) != first
    assert list(BucketSampler(lengths, 16, seed=4)) != first


def test_buckets_waste_little():
    """The ratio of padded to real tokens, compared with batches in random order."""
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


def test_on_a_cpu_a_batch_without_training_has_few_tokens():
    """But at least one row; each row is in one batch, and a GPU takes them all at once."""
    lengths = [5000, 3, 1024, 1000, 1023, 512, 512, 2000]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = Rows(np.zeros(starts[-1], np.int32), starts, padding_id=0)
    batches = inference_batches(rows, 8)
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    assert [[lengths[i] for i in batch] for batch in batches] == [
        [5000], [2000], [1024, 1023], [1000, 512], [512, 3],
    ]  # fmt: skip
    assert len(inference_batches(rows, 8, "cuda")) == 1
