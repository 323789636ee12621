"""A model that is damaged, or that is not one model's, is refused before anything is trained."""

import json
from pathlib import Path

import pytest
import torch
from damaged_models import DAMAGES, edit, shard, with_positions
from safetensors.torch import load_file
from tiny import FAMILIES, VOCABULARY, WHOLE_TABLE, config_of, tiny_config, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForMaskedLM,
    BertModel,
    PreTrainedTokenizerFast,
)

from tinybert.models import pretrained
from tinybert.models.encode import encode
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256
from tinybert.pipeline.schema import Pretrained, Student


def fetch(model: str | Path, out: Path, length: int = 32, **lengths: int) -> None:
    settings = Pretrained(model=str(model), revision=None, sha256=None)
    pretrained.fetch(settings, out, lengths or {"encode.max_length": length})


def fetch_student(model: Path, base: Path, out: Path, length: int = 32) -> None:
    values = {size: getattr(tiny_config(), size) for size in pretrained.SIZES}
    settings = Student(init=str(model), **WHOLE_TABLE, **values)
    pretrained.fetch_student(settings, base, out, {"corpus.max_length": length})


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pretrained_model_is_an_error_that_names_the_file(checkpoint, tmp_path, damage):
    folder = checkpoint(BertModel(tiny_config()))
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=message) as caught:
        fetch(folder, tmp_path / "out")
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_published_student_is_an_error_that_names_the_file(checkpoint, tmp_path, damage):
    base = checkpoint(BertModel(tiny_config()), "pretrained")
    folder = checkpoint(BertModel(tiny_config()))
    fetch_student(folder, base, tmp_path / "sound")
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=message) as caught:
        fetch_student(folder, base, tmp_path / "out")
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_may_be_as_long_as_the_model_has_positions(checkpoint, tmp_path, family):
    """RoBERTa with 66 positions reads 64 tokens. What the model itself can read is the reference;
    ModernBERT, which has no table of positions, says how long the rows of its training were."""
    model = AutoModel.from_config(config_of(family)).eval()
    longest = 64 if family == "modernbert" else with_positions(model, 70)
    assert longest == 64
    folder = checkpoint(model)
    fetch(folder, tmp_path / "out", length=longest)
    for setting in ("encode.max_length", "corpus.max_length"):
        with pytest.raises(InputError, match=rf"for 64 tokens .* {setting} is 65; set {setting} "):
            fetch(folder, tmp_path / "no", **{"other": 8, setting: 65})
    assert not (tmp_path / "no").exists()


def test_a_published_student_with_few_positions_is_refused(checkpoint, tmp_path):
    base = checkpoint(BertModel(tiny_config()), "pretrained")
    folder = checkpoint(BertModel(tiny_config(max_position_embeddings=16)))
    fetch_student(folder, base, tmp_path / "out", length=16)
    with pytest.raises(
        InputError, match=r"student\.init: .* 16 tokens .* corpus\.max_length is 17"
    ):
        fetch_student(folder, base, tmp_path / "no", length=17)


def save(folder: Path, core: Tokenizer, vocab_size: int, **tokens: str) -> Path:
    BertModel(tiny_config(vocab_size=vocab_size)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=core, **tokens).save_pretrained(folder)
    return folder


def without(token: str) -> Tokenizer:
    """A tokenizer of whole words without one of the special tokens."""
    words = {word: i for i, word in enumerate(VOCABULARY) if word != token}
    core = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = tiny_tokenizer().backend_tokenizer.post_processor
    return core


TOKENS = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}


def test_a_tokenizer_without_a_pad_token_is_refused(tmp_path):
    tokens = {name: token for name, token in TOKENS.items() if name != "pad_token"}
    folder = save(tmp_path / "in", without(""), len(VOCABULARY), **tokens)
    with pytest.raises(InputError, match=r"no pad token; name it in tokenizer_config\.json"):
        fetch(folder, tmp_path / "out")


def test_a_tokenizer_without_a_token_for_unknown_words_is_refused(tmp_path):
    """One raises an error at the first unknown word, another drops what it does not know."""
    no_unknown = {word: i for i, word in enumerate(VOCABULARY) if word != "[UNK]"}
    raises, drops = without("[UNK]"), without("[UNK]")
    drops.model = models.BPE(no_unknown, [])
    for name, core in (("raises", raises), ("drops", drops)):
        tokens = {key: token for key, token in TOKENS.items() if key != "unk_token"}
        folder = save(tmp_path / name, core, len(VOCABULARY), **tokens)
        with pytest.raises(InputError, match=r"no token for what is not in its vocabulary"):
            fetch(folder, tmp_path / "out")


def test_a_tokenizer_that_drops_some_unknown_characters_is_refused(tmp_path):
    """It knows the others."""
    words = {word: i for i, word in enumerate(VOCABULARY) if word != "[UNK]"}
    words |= {"한": 1, "ก": len(VOCABULARY)}
    core = without("[UNK]")
    core.model = models.BPE(words, [])
    tokens = {key: token for key, token in TOKENS.items() if key != "unk_token"}
    folder = save(tmp_path / "in", core, len(VOCABULARY) + 1, **tokens)
    with pytest.raises(InputError, match=r"no token for what is not in its vocabulary"):
        fetch(folder, tmp_path / "out")


def test_a_tokenizer_that_adds_no_special_tokens_is_refused(tmp_path):
    core = without("")
    core.post_processor = None
    folder = save(tmp_path / "in", core, len(VOCABULARY), **TOKENS)
    with pytest.raises(InputError, match=r"does not put one token before a text and one after"):
        fetch(folder, tmp_path / "out")


def test_a_masked_language_model_without_a_mask_is_refused(tmp_path):
    tokens = {name: token for name, token in TOKENS.items() if name != "mask_token"}
    folder = save(tmp_path / "in", without(""), len(VOCABULARY), **tokens)
    fetch(folder, tmp_path / "encoder")  # nothing masks for it
    BertForMaskedLM(tiny_config()).save_pretrained(folder)
    with pytest.raises(InputError, match=r"no mask token; name it in"):
        fetch(folder, tmp_path / "out")


def test_rows_that_pad_the_embedding_table_are_no_mistake(checkpoint, tmp_path):
    """Published tables are rounded up: 30528 rows for 30522 tokens."""
    folder = checkpoint(BertModel(tiny_config(vocab_size=len(VOCABULARY) + 2)))
    fetch(folder, tmp_path / "out")


def test_vocab_txt_alone_is_a_tokenizer(tmp_path):
    BertModel(tiny_config()).save_pretrained(tmp_path / "in")
    (tmp_path / "in/vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY))
    fetch(tmp_path / "in", tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("Good film").input_ids == tiny_tokenizer()("good film").input_ids
    for text in ("", "\n".join(VOCABULARY[:5])):
        (tmp_path / "in/vocab.txt").write_text(text)
        with pytest.raises(InputError, match=r"no tokenizer\.json|5 tokens"):
            fetch(tmp_path / "in", tmp_path / "no")


def test_a_vocabulary_without_its_merges_is_refused(tmp_path, checkpoint):
    """It would spell every word byte by byte."""
    folder = checkpoint(AutoModel.from_config(config_of("roberta")))
    core = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(core["vocab"]))
    with pytest.raises(InputError, match=r"no (merges\.txt and no )?tokenizer\.json"):
        fetch(folder, tmp_path / "no")
    merges = [" ".join(merge) for merge in core["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    fetch(folder, tmp_path / "out")


def test_a_model_is_given_token_types_if_it_has_several_and_the_tokenizer_names_them(tmp_path):
    """The folder says so, for training, export and transformers."""
    for types, named, expected in ((2, True, True), (2, False, False), (1, True, False)):
        folder = tmp_path / f"{types} {named}"
        BertModel(tiny_config(type_vocab_size=types)).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        if not named:  # multilingual-e5: a BERT with the tokenizer of XLM-RoBERTa
            edit("tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])(folder)
        fetch(folder, folder / "out")
        tokenizer = AutoTokenizer.from_pretrained(folder / "out")
        rows = encode(["good"], ["bad film"], tokenizer, 16)
        assert (rows.token_types is not None) == expected
        assert ("token_type_ids" in tokenizer("good", "bad film")) == expected


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_weights_in_shards_become_one_file(checkpoint, tmp_path, kind):
    source = kind(tiny_config())
    folder = checkpoint(source)
    whole = load_file(folder / "model.safetensors")
    names = shard(folder)
    fetch(folder, tmp_path / "out")
    copied = load_file(tmp_path / "out/model.safetensors")
    assert copied.keys() == whole.keys()
    assert all(torch.equal(copied[name], weight) for name, weight in whole.items())
    content = b"".join((folder / name).read_bytes() for name in names)
    (tmp_path / "all").write_bytes(content)
    origin = json.loads((tmp_path / "out/source.json").read_text())
    assert origin["sha256"] == file_sha256(tmp_path / "all")
    settings = Pretrained(model=str(folder), revision=None, sha256="0" * 64)
    with pytest.raises(InputError, match=r"pretrained\.sha256"):
        pretrained.fetch(settings, tmp_path / "no", {"encode.max_length": 8})


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    """With far fewer words than the embedding table has rows."""
    BertModel(tiny_config(vocab_size=200)).save_pretrained(tmp_path / "in")
    tiny_tokenizer().save_pretrained(tmp_path / "in")
    with pytest.raises(
        InputError, match=rf"{len(VOCABULARY)} tokens, .* 200 rows .* another model"
    ):
        fetch(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("in_shards", [False, True])
def test_copied_files_have_the_mode_of_any_new_file(checkpoint, tmp_path, in_shards):
    folder = checkpoint(BertModel(tiny_config()))
    if in_shards:
        shard(folder)
    fetch(folder, tmp_path / "out")
    (tmp_path / "new").touch()
    modes = {file.stat().st_mode for file in (tmp_path / "out").iterdir()}
    assert modes == {(tmp_path / "new").stat().st_mode}
