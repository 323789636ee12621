"""Sentences to tokens to segments."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from tiny import VOCABULARY

from tinybert.data.corpus import segments

WORDS = st.sampled_from([*VOCABULARY[5:12], "goods", "[SEP]", "unheard", "[MASK]", "!"])
SENTENCES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=70)


@given(strings=SENTENCES)
def test_tokens_are_those_of_each_sentence_alone(tokenizer, strings):
    """Also if the text contains the token that separates sentences."""
    chunks = list(segments.tokens(strings, tokenizer))
    alone = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in strings]
    assert [n for _, lengths in chunks for n in lengths.tolist()] == [len(ids) for ids in alone]
    assert [t for tokens, _ in chunks for t in tokens.tolist()] == [t for ids in alone for t in ids]


def test_more_sentences_than_one_chunk_keep_their_order(tokenizer):
    count = segments.CHUNK * segments.GROUP * 2 + 5
    strings = [VOCABULARY[5 + i % 7] for i in range(count)]
    ids = np.concatenate([tokens for tokens, _ in segments.tokens(strings, tokenizer)])
    assert ids.tolist() == [5 + i % 7 for i in range(count)]


@given(lengths=st.lists(st.integers(0, 20), max_size=60), room=st.integers(1, 12))
def test_cuts_are_those_of_packing_one_sentence_after_another(lengths, room):
    expected, size, total = [], 0, 0  # size: of the open segment
    for length in lengths:
        if size and size + length > room:
            total += size
            expected.append(total)
            size = 0
        size += length
        while size > room:
            total, size = total + room, size - room
            expected.append(total)
    if size:
        expected.append(total + size)
    assert list(segments.cuts(np.cumsum(lengths).tolist(), 0, room)) == expected


def test_each_segment_has_special_tokens_at_both_ends():
    arrays = segments.with_specials(np.arange(10, 15, dtype=np.int32), np.array([4, 5]), 1, 2)
    assert arrays.to_pylist() == [[1, 10, 11, 2], [1, 12, 13, 14, 2]]
    assert arrays.type == pa.list_(pa.int32())
