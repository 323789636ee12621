"""Long texts in windows: each is a row, and the mean of their logits is the text's."""

import copy
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny import WORDS, config_of
from transformers import AutoModelForSequenceClassification

from tinybert.models import chunks, encode, predict, windows
from tinybert.models.batches import training_batches
from tinybert.models.rows import Rows
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Encode

LENGTH, STRIDE = 12, 3
LONG = " ".join(WORDS)  # a token each
TEXTS = ["good film", LONG, "never again", f"{LONG} {LONG} dull", "the plot is boring"]


def cut_by_hand(tokenizer, text: str) -> list[list[int]]:
    """The ids of the windows, cut out of the text's; each has the special tokens."""
    first, *ids, last = tokenizer(text)["input_ids"]
    room = LENGTH - 2
    starts = range(0, max(1, len(ids) - STRIDE), room - STRIDE)
    return [[first, *ids[start : start + room], last] for start in starts]


def by_hand(model, tokenizer, text: str) -> np.ndarray:
    """The mean of the logits of the windows, each alone."""
    with torch.inference_mode():
        rows = [model(input_ids=torch.tensor([ids])).logits for ids in cut_by_hand(tokenizer, text)]
    return torch.cat(rows).mean(dim=0).numpy()


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_texts_of_every_length_are_cut_into_windows(tokenizer_of, family):
    """An empty text, texts that fit exactly, and a last window that is full or has one token."""
    texts = [" ".join((WORDS * 2)[:count]) for count in range(40)]
    rows = encode.encode(texts, None, tokenizer_of(family), LENGTH, STRIDE)
    expected = [cut_by_hand(tokenizer_of(family), text) for text in texts]
    assert np.diff(rows.windows).tolist() == list(map(len, expected))
    actual = [ids.tolist() for ids in np.split(rows.tokens, rows.starts[1:-1])]
    assert actual == [ids for windows in expected for ids in windows]


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_logits_of_a_text_are_the_mean_of_its_windows(
    tokenizer_of, monkeypatch, family, batch_size
):
    monkeypatch.setattr(predict, "BATCH_SIZE", batch_size)
    monkeypatch.setattr(chunks, "ROWS", 2)
    tokenizer = tokenizer_of(family)
    config = config_of(family, num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    rows = encode.encode(TEXTS, None, tokenizer, LENGTH, STRIDE)
    logits = predict.logits(model, rows, "fp32")
    assert rows.texts == len(logits) == len(TEXTS) < len(rows)
    for text, row in zip(TEXTS, logits, strict=True):
        np.testing.assert_allclose(row, by_hand(model, tokenizer, text), rtol=1e-4, atol=1e-5)
    assert np.abs(logits - predict.logits(model, cut(rows), "fp32")).max() > 0.01


def cut(rows: Rows) -> Rows:
    """The first window of each text."""
    starts = rows.starts[rows.windows[:-1]]
    ends = rows.starts[rows.windows[:-1] + 1]
    tokens = np.concatenate([rows.tokens[a:b] for a, b in zip(starts, ends, strict=True)])
    return Rows(tokens, np.concatenate([[0], np.cumsum(ends - starts)]), rows.padding_id)


def test_texts_that_fit_have_the_logits_of_before_bit_for_bit(tokenizer):
    config = config_of("bert", num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    short = [text for text in TEXTS if len(text.split()) < LENGTH - 1] * 20
    before = encode.encode(short, None, tokenizer, LENGTH)
    after = encode.encode(short, None, tokenizer, LENGTH, STRIDE)
    assert np.array_equal(before.tokens, after.tokens)
    logits = [predict.logits(model, rows, "fp32") for rows in (before, after)]
    assert np.array_equal(*logits)


def test_training_sees_each_window_with_the_label_of_its_text(tokenizer, tmp_path):
    table = {"text_a": TEXTS, "text_b": pa.array([None] * len(TEXTS), pa.string())}
    pq.write_table(pa.table({**table, "label": range(len(TEXTS))}), tmp_path / "train.parquet")
    rows = encode.read_rows(tmp_path / "train.parquet", tokenizer, LENGTH, STRIDE)
    loader, _ = training_batches(rows, 4, seed=1)
    seen = [set() for _ in TEXTS]
    for batch in loader:
        for ids, mask, label in zip(
            batch["input_ids"], batch["attention_mask"], batch["label"].tolist(), strict=True
        ):
            words = tokenizer.convert_ids_to_tokens(ids[mask.bool()].tolist())[1:-1]
            assert len(words) <= LENGTH - 2 and " ".join(words) in TEXTS[label]
            seen[label].update(words)
    assert seen == [set(text.split()) for text in TEXTS]


@pytest.mark.parametrize("side", ["left", "right"])
def test_windows_as_texts_have_the_tokens_of_the_windows(tokenizer, side):
    tokenizer = copy.copy(tokenizer)
    tokenizer.truncation_side = side
    texts = ["  good\tfilm ", LONG.replace(" ", "  "), "never"]
    parts, indices = windows.split(texts, tokenizer, LENGTH, STRIDE)
    rows = encode.encode(texts, None, tokenizer, LENGTH, STRIDE)
    again = encode.encode(parts, None, tokenizer, LENGTH)
    assert np.array_equal(again.tokens, rows.tokens) and np.array_equal(again.starts, rows.starts)
    assert np.array_equal(np.bincount(indices), np.diff(rows.windows))
    assert parts[0] == texts[0] and parts[-1] == texts[-1]


def test_windows_that_begin_within_a_word_keep_its_characters(byte_tokenizer):
    text = "brilliantterrible" * 20
    parts, _ = windows.split([text], byte_tokenizer, LENGTH, STRIDE)
    assert len(parts) > 2 and text.startswith(parts[0]) and text.endswith(parts[-1])
    assert all(part in text for part in parts)


def test_windows_keep_the_space_before_their_first_word(byte_tokenizer):
    """A byte-level tokenizer has other tokens for a word without it."""
    parts, _ = windows.split([LONG], byte_tokenizer, LENGTH, STRIDE)
    assert any(part.startswith(" ") for part in parts)
    assert not any(LONG[: LONG.index(part)].endswith(" ") for part in parts)


def test_pairs_words_and_tokenizers_without_windows_are_refused(tokenizer):
    kind = "classification"
    windows.check("mine", kind, False, tokenizer)
    with pytest.raises(InputError, match=r"a row of mine has two; set encode.long_texts: cut"):
        windows.check("mine", kind, True, tokenizer)
    with pytest.raises(InputError, match=r"mine labels words; set encode.long_texts: cut"):
        windows.check("mine", "tokens", False, tokenizer)
    with pytest.raises(InputError, match="SimpleNamespace is not one; set encode.long_texts: cut"):
        windows.check("mine", kind, False, SimpleNamespace(is_fast=False))


@pytest.mark.parametrize("length", [8, 9, 64, 512])
def test_windows_share_a_quarter_and_always_advance(tokenizer, length):
    assert Encode(max_length=length, long_texts="cut").stride == 0
    stride = Encode(max_length=length, long_texts="windows").stride
    assert stride == length // 4
    rows = encode.encode(["good " * 1000], None, tokenizer, length, stride)
    assert rows.lengths.max() == length and rows.lengths.sum() < 3 * 1000
