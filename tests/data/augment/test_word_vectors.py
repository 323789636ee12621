"""Nearest words, and files of word vectors: good lines, bad lines, words with spaces."""

import numpy as np
import pytest
import torch
from tiny import tiny_config
from transformers import BertModel

from tinybert.data.augment import word_vectors

GLOVE = "good 1.0 0.0 0.5\nbad -1.0 0.1 0\nNew York 0 1 2e-1\n. . . 1 1 1\n"


def read(tmp_path, text: str | bytes):
    file = tmp_path / "vectors.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return word_vectors.read(file, is_relevant=lambda word: True)


@pytest.mark.parametrize("header", ["", "4 3\n"], ids=["glove", "word2vec"])
def test_both_text_formats_are_read_including_words_with_spaces(tmp_path, header):
    known, table, counts = read(tmp_path, header + GLOVE)
    assert known == ["good", "bad", "New York", ". . ."]
    expected = [[1, 0, 0.5], [-1, 0.1, 0], [0, 1, 0.2], [1, 1, 1]]
    np.testing.assert_allclose(table, expected)
    assert counts == {"lines": 4, "bad_lines": 0, "words_kept": 4}


def test_bad_lines_are_counted_and_the_rest_is_read(tmp_path):
    bad = b"short 1 2\nnan 1 nan 2\ninf inf 1 1\nlatin\xe9 1 2 3\nletters 1 x 3\n\ngood 9 9 9\n"
    known, table, counts = read(tmp_path, GLOVE.encode() + bad)
    assert known == ["good", "bad", "New York", ". . ."]
    assert counts == {"lines": 11, "bad_lines": 6, "words_kept": 4}
    assert table[0].tolist() == [1.0, 0.0, 0.5]  # the first of two lines counts


def test_only_relevant_words_are_read(tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text(GLOVE, encoding="utf-8")
    known, table, counts = word_vectors.read(file, is_relevant=str.isalpha)
    assert known == ["good", "bad"] and table.shape == (2, 3) and counts["lines"] == 4


@pytest.mark.parametrize("text", ["", "only words here\nand here\n", "4 3\n"])
def test_a_file_without_vectors_is_an_error_that_shows_the_format(tmp_path, text):
    with pytest.raises(ValueError, match=r"augment\.word_vectors: .*vectors\.txt holds no words"):
        read(tmp_path, text)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"augment\.word_vectors: .*nowhere"):
        word_vectors.read(tmp_path / "nowhere", bool)


def test_nearest_is_by_cosine_without_the_word_itself_in_any_case():
    random = np.random.default_rng(0)
    table = random.normal(size=(6, 5))
    known = ["Good", "good", "bad", "film", "plot", "dull"]
    table[0] = table[1] * 3
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    order = np.argsort(-(unit[2:] @ unit[1]))
    expected = [known[2 + i] for i in order[:3]]
    neighbours = word_vectors.nearest(
        ["good"], torch.tensor(table[1:2]), known, torch.tensor(table), count=3
    )
    assert neighbours == {"good": expected}


def test_a_words_embedding_is_the_mean_of_its_tokens(tokenizer):
    model = BertModel(tiny_config())
    table = model.get_input_embeddings().weight.detach().double().numpy()
    films = tokenizer("films", add_special_tokens=False)["input_ids"]
    assert len(films) == 2
    vectors = word_vectors.embed(model.get_input_embeddings().weight, tokenizer, ["good", "films"])
    single = tokenizer.convert_tokens_to_ids("good")
    np.testing.assert_allclose(vectors[0], table[single], rtol=1e-5)
    np.testing.assert_allclose(vectors[1], table[films].mean(0), rtol=1e-5)
