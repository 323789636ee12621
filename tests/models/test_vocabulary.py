"""A vocabulary without tokens that a task does not use."""

import random

import numpy as np
import pytest
import torch
from tiny import FAMILIES, VOCABULARY, config_of, tiny_tokenizer
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoModel, PreTrainedTokenizerFast

from tinybert.models.encode import encode
from tinybert.models.folder import save_model
from tinybert.models.vocabulary import (
    kept_tokens,
    load_reader,
    merged,
    prune_embeddings,
    prune_tokenizer,
)
from tinybert.pipeline.errors import InputError

SPECIAL = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>",
           "mask_token": "<mask>"}  # fmt: skip
SYLLABLES = "ba be bi bo bu da de di do du ka ke ki ko ku 很 好 的 电影 不".split()


def words(generator: random.Random, count: int) -> list[str]:
    return ["".join(generator.choices(SYLLABLES, k=generator.randint(1, 5))) for _ in range(count)]


def texts(seed: int, count: int = 200) -> list[str]:
    generator = random.Random(seed)
    lexicon = words(random.Random(0), 60)
    return [" ".join(generator.choices(lexicon, k=8)) for _ in range(count)]


def byte_level() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(core, trainers.BpeTrainer, initial_alphabet=alphabet)


def unigram() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return _trained(core, trainers.UnigramTrainer, unk_token="<unk>")


def word_piece() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordPiece(unk_token="<unk>"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    return _trained(core, trainers.WordPieceTrainer)


def _trained(core: Tokenizer, trainer: type, **options) -> PreTrainedTokenizerFast:
    names = list(SPECIAL.values())
    core.train_from_iterator(
        texts(1), trainer(vocab_size=500, special_tokens=names, show_progress=False, **options)
    )
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(name, core.token_to_id(name)) for name in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, **SPECIAL)


KINDS = [byte_level, unigram, word_piece]


def pruned_for(tokenizer: PreTrainedTokenizerFast, seen: list[str], min_count: int = 1):
    counts = encode(seen, None, tokenizer, 64).counts(len(tokenizer))
    kept = kept_tokens(tokenizer, counts, min_count)
    return kept, prune_tokenizer(tokenizer, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_kept_tokens_are_tokenised_as_before(kind):
    tokenizer, seen = kind(), texts(2, 5)
    kept, pruned = pruned_for(tokenizer, seen)
    assert len(pruned) == len(kept) < len(tokenizer)
    # New texts of the same words, in other orders.
    lexicon = " ".join(seen).split()
    for text in [*seen, *(" ".join(random.Random(i).choices(lexicon, k=9)) for i in range(50))]:
        ids = tokenizer(text)["input_ids"]
        if set(ids) <= set(kept):
            assert [kept[i] for i in pruned(text)["input_ids"]] == ids
            assert pruned.tokenize(text) == tokenizer.tokenize(text)


@pytest.mark.parametrize("kind", KINDS)
def test_other_words_of_known_characters_are_written_with_what_is_left(kind):
    tokenizer = kind()
    _, pruned = pruned_for(tokenizer, ["ba"])
    for text in texts(3, 20):
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
        assert pruned.unk_token_id not in pruned(text)["input_ids"]
        assert pruned.decode(pruned(text)["input_ids"], skip_special_tokens=True) == (
            tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_keep_their_places_and_rare_tokens_go(kind):
    tokenizer = kind()
    kept, pruned = pruned_for(tokenizer, texts(2, 30), min_count=20)
    more, _ = pruned_for(tokenizer, texts(2, 30), min_count=1)
    assert set(kept) < set(more) and kept == sorted(kept)
    for name, token in SPECIAL.items():
        old, new = getattr(tokenizer, f"{name}_id"), getattr(pruned, f"{name}_id")
        assert kept[new] == old and pruned.convert_ids_to_tokens(new) == token
    first, *_, last = pruned("ba")["input_ids"]
    assert (first, last) == (pruned.cls_token_id, pruned.sep_token_id)


def test_the_merges_that_lead_to_a_token_are_those_of_the_library():
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("abc", "d"), ("c", "d")]
    assert merged(["abcd"], merges) == {"ab", "abc", "abcd"}
    assert merged(["x", "abx"], merges) == {"ab"}
    assert merged(["cd"], merges) == {"cd"}
    merges = [("d", "o"), ("do", "m"), ("e", "m</w>"), ("dom", "em</w>")]
    assert merged(["domem</w>"], merges, "</w>") == {"do", "dom", "em</w>", "domem</w>"}


@pytest.mark.parametrize("processor", ["bert", "roberta", "sequence"])
def test_ids_in_all_kinds_of_post_processors_are_renumbered(processor):
    tokenizer = tiny_tokenizer()
    ends = ("[SEP]", VOCABULARY.index("[SEP]")), ("[CLS]", VOCABULARY.index("[CLS]"))
    made = {
        "bert": processors.BertProcessing(*ends),
        "roberta": processors.RobertaProcessing(*ends),
        "sequence": processors.Sequence([processors.BertProcessing(*ends)]),
    }[processor]
    tokenizer.backend_tokenizer.post_processor = made
    kept = [i for i, token in enumerate(VOCABULARY) if token != "good"]
    pruned = prune_tokenizer(tokenizer, kept)
    assert pruned.convert_ids_to_tokens(pruned("bad film")["input_ids"]) == [
        "[CLS]", "bad", "film", "[SEP]",
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pruned_model_computes_what_the_whole_one_does(family):
    model = AutoModel.from_config(config_of(family)).eval()
    pad = model.config.pad_token_id
    kept = sorted({0, 1, 2, 3, 4, pad, *range(10, 30, 2)})
    ids = torch.tensor([kept[4:14], [*kept[2:8], pad, pad, pad, pad]])
    inputs = {"input_ids": ids, "attention_mask": (ids != pad).long()}
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
        prune_embeddings(model, kept)
        inputs["input_ids"] = torch.tensor([[kept.index(i) for i in row] for row in ids.tolist()])
        assert torch.equal(model(**inputs).last_hidden_state, expected)
    assert model.config.vocab_size == len(kept) == model.get_input_embeddings().num_embeddings
    assert kept[model.config.pad_token_id] == pad


def test_a_teacher_reads_the_ids_of_a_pruned_tokenizer(tmp_path):
    tokenizer, model = tiny_tokenizer(), AutoModel.from_config(config_of("bert")).eval()
    save_model(tmp_path, model, tokenizer, 64)
    kept = sorted({0, 1, 2, 3, 4, *(VOCABULARY.index(word) for word in ("good", "film"))})
    pruned = prune_tokenizer(tokenizer, kept)
    with torch.no_grad():
        expected = model(**tokenizer("a good film", return_tensors="pt")).last_hidden_state
        whole = load_reader(tmp_path, tokenizer)(**tokenizer("a good film", return_tensors="pt"))
        assert torch.equal(whole.last_hidden_state, expected)
        expected = model(**tokenizer("good film", return_tensors="pt")).last_hidden_state
        reader = load_reader(tmp_path, pruned)
        actual = reader(**pruned("good film", return_tensors="pt")).last_hidden_state
    assert torch.equal(actual, expected) and reader.config.vocab_size == 7


def test_positions_counted_from_the_pad_token_are_not_moved():
    model = AutoModel.from_config(config_of("roberta"))
    with pytest.raises(
        InputError, match="positions from its pad token's id, 1, .*vocabulary: full"
    ):
        prune_embeddings(model, [1, 2, 3])


def test_a_tokenizer_of_whole_words_is_refused():
    core = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]")
    with pytest.raises(InputError, match="WordLevel tokenizer cannot be pruned"):
        kept_tokens(tokenizer, np.zeros(len(tokenizer)), 1)
