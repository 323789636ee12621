"""Sentences to tokens to segments."""

import numpy as np
import pyarrow as pa
from conftest import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st

from tinybert import segments

WORDS = st.sampled_from([*VOCABULARY[5:12], "goods", "[SEP]", "unheard", "[MASK]", "!"])
SENTENCES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=70)


@given(strings=SENTENCES)
def test_tokens_are_those_of_each_sentence_alone(tokenizer, strings):
    """Also where the text has the mark that stands between sentences."""
    found = list(segments.tokens(strings, tokenizer))
    alone = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in strings]
    assert [n for _, lengths in found for n in lengths.tolist()] == [len(ids) for ids in alone]
    assert [t for tokens, _ in found for t in tokens.tolist()] == [t for ids in alone for t in ids]


def test_more_sentences_than_one_chunk_keep_their_order(tokenizer):
    count = segments.CHUNK * segments.GROUP * 2 + 5
    strings = [VOCABULARY[5 + i % 7] for i in range(count)]
    found = np.concatenate([tokens for tokens, _ in segments.tokens(strings, tokenizer)])
    assert found.tolist() == [5 + i % 7 for i in range(count)]


@given(lengths=st.lists(st.integers(0, 20), max_size=60), room=st.integers(1, 12))
def test_cuts_are_those_of_packing_one_sentence_after_another(lengths, room):
    expected, held, total = [], 0, 0
    for length in lengths:
        if held and held + length > room:
            total += held
            expected.append(total)
            held = 0
        held += length
        while held > room:
            total, held = total + room, held - room
            expected.append(total)
    if held:
        expected.append(total + held)
    assert list(segments.cuts(np.cumsum(lengths).tolist(), 0, room)) == expected


def test_special_tokens_stand_around_each_segment():
    found = segments.with_specials(np.arange(10, 15, dtype=np.int32), np.array([4, 5]), 1, 2)
    assert found.to_pylist() == [[1, 10, 11, 2], [1, 12, 13, 14, 2]]
    assert found.type == pa.list_(pa.int32())
