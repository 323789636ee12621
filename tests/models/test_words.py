"""Labels of words on their first tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import VOCABULARY, tiny_config
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertForTokenClassification

from tinybert.models import predict
from tinybert.models.encode import encode_words
from tinybert.models.rows import labelled_logits
from tinybert.models.words import first_pieces, locate, spaced, split

SENTENCES = [["The", "films", ",", "blue"], ["never"], ["good", "movie", "\u200b", "music"]]
TEXTS = [" ".join(words) for words in SENTENCES]


def rows_of(tokenizer, length=32):
    tags = np.arange(9)
    return encode_words(TEXTS, SENTENCES, tokenizer, length, tags=tags)


def test_a_words_first_token_has_its_label(tokenizer):
    rows = rows_of(tokenizer)
    batch = rows.batch([2, 0])
    first = batch["first"]
    names = np.array(VOCABULARY)[batch["input_ids"].numpy()]
    assert names[0][first[0]].tolist() == ["good", "movie", "music"]
    assert names[1][first[1]].tolist() == ["the", "film", "[UNK]", "blue"]  # not ##s
    assert batch["tags"].tolist() == [5, 6, 8, 0, 1, 2, 3]  # the invisible word 7 has no token


def test_words_after_max_length_have_no_token(tokenizer):
    rows = rows_of(tokenizer, 5)
    assert rows.batch([0])["tags"].tolist() == [0, 1]  # [CLS] the film ##s [SEP]
    assert rows.labelled == 9 and rows.words.starts.tolist() == [0, 4, 5, 9]


@pytest.mark.parametrize("shared", [False, True])
def test_logits_are_those_of_transformers_at_first_tokens(tokenizer, shared):
    model = BertForTokenClassification(tiny_config(num_labels=3, initializer_range=0.5)).eval()
    rows = rows_of(tokenizer)
    actual = predict.logits(model, rows, "fp32", shared=shared)
    expected = []
    for words in SENTENCES:
        inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits[0].numpy()
        ids = inputs.word_ids(0)
        expected += [logits[ids.index(i)] if i in ids else np.zeros(3) for i in range(len(words))]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    batch = rows.batch([1, 0])
    with torch.no_grad():
        part = labelled_logits(model, batch)
    np.testing.assert_allclose(part, np.array(expected)[[4, 0, 1, 2, 3]], rtol=1e-4, atol=1e-5)


def test_byte_level_tokens_with_a_space_belong_to_the_word_after_it(byte_tokenizer):
    rows = encode_words(TEXTS[:1], SENTENCES[:1], byte_tokenizer, 64)
    assert rows.words.index.tolist() == [0, 1, 2, 3]


def test_chinese_has_a_word_a_character():
    assert split("我爱Rome, 2个!") == ["我", "爱", "Rome", ",", "2", "个", "!"]
    assert locate("我爱我", ["我", "爱", "我"]) == [(0, 1), (1, 2), (2, 3)]


@given(st.text())
def test_only_spaces_lie_between_words(text):
    end = 0
    for start, stop in [*locate(text, split(text)), (len(text), len(text))]:
        assert not text[end:start].strip()
        end = stop


@given(st.text(alphabet="北京a1 ,", max_size=20))
def test_spaces_around_characters_change_no_word(text):
    assert split(spaced(text)) == split(text)
    assert spaced(spaced(text)) == spaced(text)


def test_no_token_has_two_chinese_words():
    """SentencePiece's do, of the text as it is."""
    pieces = ["<unk>", "▁", "▁北京", "北京", "大学", *"北京大学"]
    core = Tokenizer(models.Unigram([(piece, -float(len(piece) < 2)) for piece in pieces], 0))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    text = "北京大学"
    for shown, count in ((text, 2), (spaced(text), 4)):
        firsts = first_pieces(locate(shown, split(text)), core.encode(shown).offsets)
        assert len(firsts) == count
