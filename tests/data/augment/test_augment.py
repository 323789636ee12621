"""Word replacement: what may change, what must not."""

import re

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from rows_to_augment import FIRST, SECOND, settings, table
from tiny import VOCABULARY, WORDS, config_of, tiny_config
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    ModernBertForMaskedLM,
    PreTrainedModel,
)

from tinybert.data.augment import augment


@pytest.fixture
def candidates(checkpoint):
    def make(model=None, count=3, **changes):
        folder = checkpoint(model or BertModel(tiny_config()))
        changes = {"candidates": count, **changes}
        return augment.Candidates(folder, settings(**changes), 32, "fp32")

    return make


def grow(*args, **kwargs) -> pa.Table:
    return augment.augment(*args, **kwargs)[0]


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_originals_are_kept_and_copies_differ_in_candidate_words_only(candidates, kind):
    grown = grow(table(), candidates(kind(tiny_config())), 4, 0.5, seed=0)
    rows = list(zip(grown["text_a"].to_pylist(), grown["label"].to_pylist(), strict=True))
    assert len(set(rows)) == len(rows)
    for label, text in enumerate(FIRST):
        copies = [copy for copy, number in rows if number == label]
        assert copies[0] == text and len(copies) <= 5
        for copy in copies[1:]:
            old, new = (re.findall(r"\w+|\W+", t) for t in (text, copy))
            assert len(old) == len(new) and old != new
            for before, after in zip(old, new, strict=True):
                if before != after:
                    assert before.lower() not in ("a", "the", "it", "is", "was", "very", "42")
                    assert after in WORDS
    assert [copy for copy, label in rows if label == 2] == ["it is 42"]  # nothing to replace


def test_probability_one_replaces_every_candidate_and_zero_none(candidates):
    words = candidates()
    assert grow(table(), words, 5, 0.0, seed=0)["text_a"].to_pylist() == FIRST
    grown = grow(table(["good bad"]), words, 5, 1.0, seed=0)["text_a"].to_pylist()
    for copy in grown[1:]:
        first, second = copy.split()
        assert first != "good" and second != "bad"


def test_both_texts_of_a_pair_are_changed_from_their_originals(candidates):
    """The reference code changes the second text against an already changed first."""
    finder = candidates()
    near = [
        {
            text[a:b]: set(words)
            for text, replacements in zip(texts, finder.find(texts), strict=True)
            for a, b, words in replacements.replaceable
        }
        for texts in (FIRST, SECOND)
    ]
    grown = grow(table(second=SECOND), finder, 6, 0.7, seed=1)
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
    finder = candidates(model, count=4)
    vectors = model.embeddings.word_embeddings.weight.detach().double().numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)  # [PAD] is zero
    ids = {word: i for i, word in finder.whole_words.items()}
    others = [word for word in ids if word != "good"]
    nearest = sorted(others, key=lambda word: -vectors[ids[word]] @ vectors[ids["good"]])[:4]
    [replacements] = finder.find(["so good"])
    assert replacements.replaceable == [(3, 7, nearest)]


def test_a_file_of_word_vectors_replaces_the_models_embeddings(candidates, tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text("good 1 0\nFine 0.9 0.1\nworse -1 -0.1\nthe 1 0\nbad line\nfilm 0 1\n")
    finder = candidates(count=2, word_vectors=str(file))
    [replacements] = finder.find(["the good unheard film"])
    near = {"the good unheard film"[a:b]: words for a, b, words in replacements.replaceable}
    assert near == {"good": ["Fine", "film"], "unheard": [], "film": ["Fine", "good"]}
    assert finder.counts["words_without_candidates"] == 1
    assert finder.file_counts["word_vectors.bad_lines"] == 1
    assert finder.file_counts["word_vectors.words_kept"] == 4


def test_vectors_supply_the_words_that_the_masked_language_model_cannot_predict(candidates):
    model = BertForMaskedLM(tiny_config(initializer_range=0.5))
    finder = candidates(model)
    [replacements] = finder.find(["great films"])
    [great, films] = [words for *_, words in replacements.replaceable]
    assert finder.counts["words_by_masked_language_model"] == 1  # films is two tokens
    near = finder._nearest(["great", "films"], [])
    assert films == near["films"] and great != near["great"]


def masked_model(kind: type[PreTrainedModel]) -> PreTrainedModel:
    """With logits that are far apart, for the tokenizer of words."""
    family = "modernbert" if kind is ModernBertForMaskedLM else "bert"
    config = config_of(family, vocab_size=len(VOCABULARY), pad_token_id=0, initializer_range=0.5)
    return kind(config).eval()


@pytest.mark.parametrize("kind", [BertForMaskedLM, BertForPreTraining, ModernBertForMaskedLM])
def test_every_architecture_with_a_masked_language_head_predicts_words(tmp_path, tokenizer, kind):
    model = masked_model(kind)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    finder = augment.Candidates(tmp_path, settings(candidates=4), 32, "fp32")
    [replacements] = finder.find(["so good"])
    assert finder.counts["words_by_masked_language_model"] == 1
    inputs = tokenizer("so [MASK]", return_tensors="pt")
    with torch.no_grad():
        logits = model(inputs["input_ids"], inputs["attention_mask"])[0][0, 2]
    known = [word for word in finder.whole_words.values() if word != "good"]
    best = sorted(known, key=lambda word: -logits[VOCABULARY.index(word)])[:4]
    assert replacements.replaceable == [(3, 7, best)]


def test_the_share_of_replaced_words_is_counted(candidates):
    finder = candidates()
    grown, share = augment.augment(table(["the good film", "it is 42"]), finder, 1, 1.0, seed=0)
    assert len(grown) == 3
    assert share == pytest.approx(2 / 3)  # of the only copy's three words, all but "the"
    assert augment.augment(table(), finder, 0, 1.0, seed=0)[1] == 0


def test_each_copy_names_the_row_that_it_comes_from(candidates):
    grown = grow(table(), candidates(), 4, 0.5, seed=0)
    source, label = grown["source"].to_pylist(), grown["label"].to_pylist()
    for row, (origin, number) in enumerate(zip(source, label, strict=True)):
        assert grown["text_a"][origin].as_py() == FIRST[number]
        assert source[origin] == origin <= row


def test_the_same_seed_gives_the_same_rows(candidates):
    finder = candidates()
    first, again, other = (grow(table(), finder, 4, 0.5, seed) for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)


ANY = st.lists(st.text(max_size=30), min_size=1, max_size=4)


@settings_of(max_examples=30, deadline=None)
@given(texts=ANY)
def test_the_text_between_replaced_words_is_unchanged(shared_candidates, texts):
    """Also emoji, combining marks, right-to-left text and full-width forms."""
    grown = grow(table(texts), shared_candidates, 2, 1.0, seed=0)
    for row, origin in enumerate(grown["source"].to_pylist()):
        text, original = grown["text_a"][row].as_py(), grown["text_a"][origin].as_py()
        [replacements] = shared_candidates.find([original])
        between, end = [], 0
        for a, b, candidates in replacements.replaceable:
            if candidates:
                between.append(re.escape(original[end:a]))
                end = b
        pattern = ".+".join([*between, re.escape(original[end:])])
        assert text == original or re.fullmatch(pattern, text, re.DOTALL)


@pytest.fixture(scope="module")
def shared_candidates(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("model")
    BertModel(tiny_config()).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return augment.Candidates(folder, settings(), 32, "fp32")
