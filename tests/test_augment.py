"""Word replacement: what may change, what must not."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import WORDS, tiny_config
from transformers import BertForMaskedLM, BertModel

from tinybert import augment
from tinybert.params import Augment

FIRST = ["A good film, very good!", "the plot was boring", "it is 42"]
SECOND = ["bad movie", "great actor and music", "good story"]


def table(first=FIRST, second=None) -> pa.Table:
    other = [None] * len(first) if second is None else second
    return pa.table(
        {
            "text_a": first,
            "text_b": pa.array(other, pa.string()),
            "label": list(range(len(first))),
        }
    )


@pytest.fixture
def candidates(checkpoint):
    def make(model=None, count=3):
        folder = checkpoint(model or BertModel(tiny_config()))
        return augment.Candidates(folder, count, 32, "fp32")

    return make


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_originals_are_kept_and_copies_differ_in_candidate_words_only(candidates, kind):
    grown = augment.augment(table(), candidates(kind(tiny_config())), 4, 0.5, seed=0)
    rows = list(zip(grown["text_a"].to_pylist(), grown["label"].to_pylist(), strict=True))
    assert len(set(rows)) == len(rows)
    for label, text in enumerate(FIRST):
        copies = [copy for copy, own in rows if own == label]
        assert copies[0] == text and len(copies) <= 5
        for copy in copies[1:]:
            old, new = (re.findall(r"\w+|\W+", t) for t in (text, copy))
            assert len(old) == len(new) and old != new
            for before, after in zip(old, new, strict=True):
                if before != after:
                    assert before.lower() not in ("a", "the", "it", "is", "was", "very", "42")
                    assert after in WORDS
    assert [copy for copy, own in rows if own == 2] == ["it is 42"]  # nothing to replace


def test_probability_one_replaces_every_candidate_and_zero_none(candidates):
    found = candidates()
    assert augment.augment(table(), found, 5, 0.0, seed=0)["text_a"].to_pylist() == FIRST
    grown = augment.augment(table(["good bad"]), found, 5, 1.0, seed=0)["text_a"].to_pylist()
    for copy in grown[1:]:
        first, second = copy.split()
        assert first != "good" and second != "bad"


def test_both_texts_of_a_pair_are_changed_from_their_originals(candidates):
    """The reference code changes the second text against an already changed first."""
    found = candidates()
    near = [
        {
            text[a:b]: set(words)
            for text, places in zip(texts, found.places(texts), strict=True)
            for a, b, words in places
        }
        for texts in (FIRST, SECOND)
    ]
    grown = augment.augment(table(second=SECOND), found, 6, 0.7, seed=1)
    changed = [0, 0]
    for *texts, label in zip(
        *(grown[c].to_pylist() for c in ("text_a", "text_b", "label")), strict=True
    ):
        for k, original in enumerate((FIRST[label], SECOND[label])):
            for before, after in zip(original.split(), texts[k].split(), strict=True):
                before, after = before.strip(",!"), after.strip(",!")
                if before != after:
                    changed[k] += 1
                    assert after in near[k][before]
    assert min(changed) > 0


def test_neighbours_are_the_nearest_by_cosine(candidates):
    model = BertModel(tiny_config())
    found = candidates(model, count=4)
    vectors = model.embeddings.word_embeddings.weight.detach().double().numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)  # [PAD] is zero
    own = found.single["good"]
    others = [i for i in found.words if i != own]
    nearest = sorted(others, key=lambda i: -vectors[i] @ vectors[own])[:4]
    [[(start, end, words)]] = found.places(["so good"])
    assert (start, end) == (3, 7)
    assert words == [found.words[i] for i in nearest]


def test_masked_words_are_the_models_own_first_choices(candidates, tokenizer):
    model = BertForMaskedLM(tiny_config(initializer_range=0.5)).eval()
    found = candidates(model, count=3)
    [places] = found.places(["great film"])
    for (start, end, words), position in zip(places, (1, 2), strict=True):
        ids = torch.tensor([tokenizer("great film")["input_ids"]])
        ids[0, position] = tokenizer.mask_token_id
        with torch.no_grad():
            order = model(ids).logits[0, position].argsort(descending=True).tolist()
        own = "great film"[start:end]
        expected = [found.words[i] for i in order if i in found.words and found.words[i] != own]
        assert words == expected[:3]


def test_the_same_seed_gives_the_same_rows(candidates):
    found = candidates()
    first, again, other = (augment.augment(table(), found, 4, 0.5, seed) for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)


@pytest.mark.parametrize("copies", [0, 2])
def test_unlabelled_rows_join_without_a_label(checkpoint, tmp_path, copies):
    folder = checkpoint(BertModel(tiny_config()))
    pq.write_table(table(), tmp_path / "train.parquet")
    raw = table(["more text", "and more"]).drop_columns(["label"])
    pq.write_table(raw, tmp_path / "unlabeled.parquet")
    settings = Augment(copies=copies, replace_probability=0.5, candidates=3)
    augment.run(tmp_path, folder, tmp_path / "out", settings, 32, "fp32", seed=0)
    rows = pq.read_table(tmp_path / "out/rows.parquet")
    assert rows["text_a"].to_pylist()[-2:] == ["more text", "and more"]
    assert rows["label"].to_pylist()[-2:] == [None, None]
    assert set(FIRST) < set(rows["text_a"].to_pylist())
    assert None not in rows["label"].to_pylist()[:-2]
    assert (len(rows) > 5) == (copies > 0)
