"""Sentences to tokens to segments."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import VOCABULARY
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tinybert.data.corpus import segments
from tinybert.data.corpus.sources import sentences

WORDS = st.sampled_from([*VOCABULARY[5:12], "goods", "[SEP]", "unheard", "[MASK]", "!"])
SENTENCES = st.lists(
    st.lists(WORDS, max_size=6).map(lambda words: f" {' '.join(words)}"), max_size=70
)


def byte_level(add_prefix_space: bool) -> PreTrainedTokenizerFast:
    """With merges across spaces and punctuation, as far as the pre-tokenizer lets them."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    core.decoder = decoders.ByteLevel()
    core.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return trained(core, trainers.BpeTrainer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def sentence_piece(scheme: str, split: bool = False) -> PreTrainedTokenizerFast:
    """split: as XLM-R, whose pre-tokenizer first splits at spaces."""
    core = Tokenizer(models.Unigram())
    metaspace = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    first = [pre_tokenizers.WhitespaceSplit()] if split else []
    core.pre_tokenizer = pre_tokenizers.Sequence([*first, metaspace])
    core.decoder = decoders.Metaspace(prepend_scheme=scheme)
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return trained(core, trainers.UnigramTrainer, unk_token="<unk>")


def prepending() -> PreTrainedTokenizerFast:
    """As Llama: the normalizer puts the space before the text."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return trained(core, trainers.BpeTrainer)


def trained(core: Tokenizer, trainer, **options) -> PreTrainedTokenizerFast:
    special = ["<s>", "</s>", "<unk>", "<pad>"]
    words = [f"{word} " for text in TEXT for word in text.split()]  # no token crosses a space
    core.train_from_iterator(
        words, trainer(vocab_size=400, special_tokens=special, show_progress=False, **options)
    )
    names = zip(("bos", "eos", "unk", "pad"), special, strict=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, cls_token="<s>", sep_token="</s>",
        **{f"{name}_token": token for name, token in names},
    )  # fmt: skip


# Sentences with and without a space before them.
TEXT = [
    "the film is good. the plot? A long story. 42 reds!",
    "这间酒店很好。“不错！”他说。good then。 the end.",
]
TOKENIZERS = {
    "byte level": lambda: byte_level(False),
    "byte level that adds a space": lambda: byte_level(True),
    "SentencePiece": lambda: sentence_piece("always"),
    "XLM-R": lambda: sentence_piece("always", split=True),
    "T5": lambda: sentence_piece("first"),
    "without a space before the text": lambda: sentence_piece("never"),
    "Llama": prepending,
}


@pytest.mark.parametrize("family", TOKENIZERS)
@pytest.mark.parametrize("repeats", [1, 40])
def test_tokens_are_those_of_the_running_text(family, repeats):
    tokenizer = TOKENIZERS[family]()
    text = " ".join(TEXT * repeats)
    ids, lengths = tokens_of(text, tokenizer)
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids).lstrip() == text
    assert len(lengths) == len(sentences(text)) and sum(lengths) == len(ids)


@pytest.mark.parametrize("family", TOKENIZERS)
def test_a_text_may_contain_the_token_that_separates_sentences(family):
    tokenizer = TOKENIZERS[family]()
    text = f"good then. here </s> too! {TEXT[1]}</s>"
    assert tokens_of(text, tokenizer)[0] == tokenizer(text, add_special_tokens=False)["input_ids"]


def tokens_of(text: str, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    chunks = list(segments.tokens(sentences(text), tokenizer))
    return tuple([value for chunk in chunks for value in chunk[k].tolist()] for k in range(2))


@given(strings=SENTENCES)
def test_tokens_are_those_of_each_sentence_alone(tokenizer, strings):
    """Where spaces are no part of tokens; also if the text contains the token that separates
    sentences."""
    chunks = list(segments.tokens(strings, tokenizer))
    alone = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in strings]
    assert [n for _, lengths in chunks for n in lengths.tolist()] == [len(ids) for ids in alone]
    assert [t for tokens, _ in chunks for t in tokens.tolist()] == [t for ids in alone for t in ids]


def test_more_sentences_than_one_chunk_keep_their_order(tokenizer):
    count = segments.CHUNK * segments.GROUP * 2 + 5
    strings = [f" {VOCABULARY[5 + i % 7]}" for i in range(count)]
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
