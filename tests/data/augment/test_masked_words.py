"""Predictions of a masked-language model: many words per pass give the results of one per word."""

import pytest
import torch
from tiny import VOCABULARY, tiny_config
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from tinybert.data.augment import masked_words, words
from tinybert.data.augment.masked_words import MaskedWords

TEXTS = ["great film", "the films were boring, a dull story and a terrible plot", "red", "it is 42"]


def spans_of(texts: list[str]) -> list:
    return [words.find(text, "en")[0] for text in texts]


def finder(model, tokenizer, phrases=(), max_length=32) -> MaskedWords:
    return MaskedWords(
        model, tokenizer, words.whole_words(tokenizer, "en"), list(phrases), max_length, "fp32"
    )


def best_one_by_one(model, tokenizer, text: str, position: int, count: int) -> list[str]:
    """One forward pass with one mask, as the paper has it."""
    known = words.whole_words(tokenizer, "en")
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    original = ids[0, position].item()
    ids[0, position] = tokenizer.mask_token_id
    with torch.no_grad():
        order = model.eval()(ids).logits[0, position].argsort(descending=True).tolist()
    return [known[i] for i in order if i in known and i != original][:count]


@pytest.mark.parametrize("kind", [BertForMaskedLM, ElectraForMaskedLM])
def test_predictions_are_the_models_most_probable_words(tokenizer, kind, monkeypatch):
    """With one masked word per row, so that the contexts are the same."""
    monkeypatch.setattr(masked_words, "MASKED_SHARE", 1e-9)
    config = tiny_config(initializer_range=0.5)
    if kind is ElectraForMaskedLM:
        config = ElectraConfig(**{**config.to_dict(), "embedding_size": 4})
    model = kind(config)
    predictions = finder(model, tokenizer).find(TEXTS, spans_of(TEXTS), count=3)
    words_of = {(0, 0): ("great film", 1), (0, 1): ("great film", 2)}
    for key, (text, position) in words_of.items():
        assert predictions[key] == best_one_by_one(model, tokenizer, text, position, 3)
    # `films` is two tokens, so word vectors replace it; all other replaceable words are one token.
    assert set(predictions) == {(0, 0), (0, 1), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 0)}


def test_several_words_share_a_row_up_to_the_share_of_pretraining(tokenizer):
    model = BertForMaskedLM(tiny_config(initializer_range=0.5))
    rows = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: rows.extend(kwargs["input_ids"].tolist()), with_kwargs=True
    )
    text = ["good film and bad plot with a dull story in the scene of a great actor and music"]
    spans = spans_of(text)
    finder(model, tokenizer).find(text, spans, count=3)
    masks = [row.count(tokenizer.mask_token_id) for row in rows]
    length = len(tokenizer(text[0])["input_ids"])
    assert sum(masks) == len(spans[0]) == 10
    assert max(masks) <= masked_words.MASKED_SHARE * length + 1
    assert len(rows) < len(spans[0])


def test_truncated_words_are_not_predicted(tokenizer):
    model = BertForMaskedLM(tiny_config())
    text = ["good film bad plot"]
    predictions = finder(model, tokenizer, max_length=4).find(text, spans_of(text), count=3)
    assert set(predictions) == {(0, 0), (0, 1)}


@pytest.mark.parametrize("text, first", [("good [MASK] film", 0), ("[MASK] good film", 7)])
def test_a_mask_in_the_text_itself_does_no_harm(tokenizer, monkeypatch, text, first):
    monkeypatch.setattr(masked_words, "MASKED_SHARE", 1e-9)
    model = BertForMaskedLM(tiny_config(initializer_range=0.5))
    span = (first, first + 4)
    predictions = finder(model, tokenizer).find([text], [[span]], count=3)
    position = tokenizer.tokenize(text).index("good") + 1
    assert predictions[0, 0] == best_one_by_one(model, tokenizer, text, position, 3)


def test_a_chinese_word_is_masked_whole_and_gets_words_of_its_length():
    characters = list("酒店环境房间服务电影音乐好大")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    core = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")  # a character each
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip
    model = BertForMaskedLM(tiny_config(vocab_size=len(vocabulary), initializer_range=0.5)).eval()
    phrases = ["酒店", "环境", "房间", "服务", "电影", "音乐"]
    text = "酒店环境好"
    spans = [(0, 2)]
    predictions = finder(model, tokenizer, phrases).find([text], [spans], count=4)[0, 0]
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    ids[0, 1:3] = tokenizer.mask_token_id
    with torch.no_grad():
        logits = model(ids).logits[0].log_softmax(-1)
    scores = {
        p: sum(logits[1 + k, vocabulary.index(c)].item() for k, c in enumerate(p)) for p in phrases
    }
    expected = sorted((p for p in phrases if p != "酒店"), key=lambda p: -scores[p])
    assert predictions == expected[:4]


def test_byte_level_tokens_with_their_leading_space_are_words(monkeypatch):
    monkeypatch.setattr(masked_words, "MASKED_SHARE", 1e-9)
    spaced = [f"Ġ{word}" for word in VOCABULARY[5:-2]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *alphabet]
    merges = []
    for word in spaced:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    core = Tokenizer(models.BPE({w: i for i, w in enumerate(vocabulary)}, merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>", cls_token="<s>",
        sep_token="</s>", mask_token="<mask>", bos_token="<s>", eos_token="</s>",
    )  # fmt: skip
    sizes = tiny_config().to_dict()
    config = RobertaConfig(
        vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, pad_token_id=1,
        initializer_range=0.5, hidden_act=sizes["hidden_act"],
    )  # fmt: skip
    text = "a great film"
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])[1:3] == ["Ġa", "Ġgreat"]
    predictions = finder(RobertaForMaskedLM(config), tokenizer).find(
        [text], spans_of([text]), count=3
    )
    assert set(predictions) == {(0, 0), (0, 1)}
    for key, original in (((0, 0), "great"), ((0, 1), "film")):
        assert len(predictions[key]) == 3 and original not in predictions[key]
