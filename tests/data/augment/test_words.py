"""Words in many scripts, and which of them may be replaced."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tinybert.data.augment import words


def replaceable(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in words.find(text, language)[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is not a very good film, 42 abc1!", ["good", "film", "abc"]),
        ("这间酒店环境和服务态度亦算不错", ["酒店", "环境", "服务态度", "不错"]),
        ("我们没有wifi，因为房间太小", ["wifi", "房间", "太小"]),
        ("a naïve cafe\u0301 👩‍👩‍👧 Ｆｕｌｌ", ["naïve", "cafe\u0301", "Ｆｕｌｌ"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("मैं हिन्दी", ["मैं", "हिन्दी"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("สวัสดีชาวโลก カタカナ ひらがな", []),  # there is no segmenter for these
    ],
)
def test_replaceable_words_are_whole_words_that_carry_meaning(text, expected):
    assert replaceable(text) == expected


def test_all_words_are_counted():
    assert words.find("It is not a good film, 42!", "en")[1] == 6
    assert words.find("这间酒店", "en")[1] == 3


def test_stop_words_are_those_of_the_language():
    assert replaceable("der gute Film und die Musik", "de") == ["gute", "Film", "Musik"]
    assert "und" in replaceable("der gute Film und die Musik", "en")
    with pytest.raises(
        ValueError, match=r"augment\.language: there are no stop words for 'xx'.* en, "
    ):
        words.find("a word", "xx")


@given(st.text(max_size=60))
def test_spans_are_in_order_and_hold_letters_and_their_marks_only(text):
    end = 0
    for start, stop in words.find(text, "en")[0]:
        assert end <= start < stop
        end = stop
        word = text[start:stop]
        # Python's table of characters may be older, in which new letters and marks are unassigned.
        kinds = {unicodedata.category(c) for c in word if c not in "\u200c\u200d"}
        assert all(kind[0] in "LM" or kind == "Cn" for kind in kinds)
        # No mark is separated from its letter.
        assert stop == len(text) or unicodedata.category(text[stop])[0] != "M"
        assert unicodedata.category(word[0])[0] in "LC"


def test_whole_words_of_a_vocabulary_are_neither_pieces_nor_stop_words(tokenizer):
    known = set(words.whole_words(tokenizer, "en").values())
    assert {"good", "film", "music"} <= known
    assert not known & {"the", "a", "##s", "s", "[MASK]", "ing"}


@pytest.mark.parametrize(
    ("split", "decoder"),
    [
        (pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()),
        (pre_tokenizers.Metaspace(), decoders.Metaspace()),
    ],
    ids=["byte level", "SentencePiece"],
)
def test_pieces_that_continue_a_word_are_not_words_with_a_space_as_mark(split, decoder):
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = split, decoder
    stems = ("walk", "talk", "bak", "mak", "tak", "sing", "bring", "read", "lead", "found")
    texts = [f"a {stem}{end} " for stem in stems for end in ("er", "ing", "ation")]
    core.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    known = words.whole_words(tokenizer, "en")
    pieces = {tokenizer.convert_tokens_to_string([token]) for token in tokenizer.get_vocab()}
    assert {"er", "ing", "ation"} <= pieces
    assert known and {"er", "ing", "ation"}.isdisjoint(known.values())
    for i, word in known.items():  # in a text, the token stands at a word's beginning
        assert tokenizer.decode([0, i]).endswith(f" {word}")
