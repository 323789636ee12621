"""Word replacement: what may change, what must not."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from tiny import VOCABULARY, WORDS, config_of, tiny_config
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    BertTokenizer,
    ModernBertForMaskedLM,
    PreTrainedModel,
)

from tinybert.data.augment import augment
from tinybert.data.augment.replacements import print_unchanged
from tinybert.models.encode import read_rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.schema import Augment

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


def settings(**changes) -> Augment:
    values = {"copies": 1, "replace_probability": 0.5, "candidates": 3, "language": "en"}
    return Augment(**{**values, "word_vectors": None, **changes})


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
