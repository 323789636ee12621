"""What is saved beside a model cuts and pads texts as its training did."""

import json

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tinybert.models.encode import encode
from tinybert.models.tokenizer import load_tokenizer, save_tokenizer
from tinybert.pipeline.errors import InputError

LONG = " ".join(["good film and a very dull plot"] * 40)


@pytest.mark.parametrize("side", ["left", "right"])
def test_whoever_loads_the_folder_cuts_where_the_training_did(tokenizer_of, tmp_path, side):
    """transformers with truncation=True, and the library tokenizers alone."""
    tokenizer_of("bert").save_pretrained(tmp_path / "in")
    file = tmp_path / "in/tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "truncation_side": side}))
    tokenizer = load_tokenizer(tmp_path / "in")
    rows = encode([LONG], None, tokenizer, 12)
    save_tokenizer(tmp_path / "out", tokenizer, 12)
    saved = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert saved.model_max_length == 12 and saved.truncation_side == side
    assert saved(LONG, truncation=True).input_ids == rows.tokens.tolist()
    core = Tokenizer.from_file(str(tmp_path / "out/tokenizer.json"))
    assert core.encode(LONG).ids == rows.tokens.tolist()
    assert len(saved(LONG).input_ids) > 12  # only on demand


def test_a_batch_is_padded_on_the_side_of_the_training(tokenizer_of, tmp_path):
    tokenizer_of("bert").save_pretrained(tmp_path / "in")
    file = tmp_path / "in/tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "padding_side": "left"}))
    tokenizer = load_tokenizer(tmp_path / "in")
    texts = ["good", "a very dull film"]
    save_tokenizer(tmp_path / "out", tokenizer, 12)
    saved = AutoTokenizer.from_pretrained(tmp_path / "out")
    batch = encode(texts, None, tokenizer, 12).batch([0, 1], pad_to=1)
    assert saved(texts, padding=True).input_ids == batch["input_ids"].tolist()


def test_the_saved_files_do_not_depend_on_the_last_call(tokenizer_of, tmp_path):
    tokenizer_of("bert").save_pretrained(tmp_path / "in")
    for name, last in (("a", {}), ("b", {"truncation": True, "max_length": 5, "padding": True})):
        tokenizer = load_tokenizer(tmp_path / "in")
        tokenizer(["good", LONG], **last)
        before = tokenizer.model_max_length
        save_tokenizer(tmp_path / name, tokenizer, 12)
        assert tokenizer.model_max_length == before
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", '{"version": "1.0", "trunc', "[]", "null"])
def test_a_damaged_file_is_named(tokenizer_of, tmp_path, name, content):
    tokenizer_of("bert").save_pretrained(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"^{name} of {tmp_path} cannot be read .* copy the"):
        load_tokenizer(tmp_path)
