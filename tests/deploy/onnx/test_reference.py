"""A model folder that is damaged, incomplete or computes otherwise is refused by name."""

import hashlib
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import reference
from tinybert.pipeline.errors import InputError

LOADED = ("model_int8.onnx", "tokenizer.json", "task.json", "reference.json")


@pytest.fixture
def folder(exported):
    return exported("classification") / "models/mine/onnx"


def _flipped(content: bytes) -> bytes:
    middle = slice(len(content) // 3, len(content) // 3 + 2**16)
    return (
        content[: middle.start] + bytes(255 - b for b in content[middle]) + content[middle.stop :]
    )


DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "flipped": _flipped,
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "a list": lambda content: b"[]",
    "nested": lambda content: b"[" * 100_000,
}


@pytest.mark.parametrize("name", LOADED)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_by_its_name(folder, name, damage):
    file = folder / name
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(InputError, match=name):
        Classifier(folder)


def test_a_damaged_float32_model_is_refused_when_it_is_used(folder):
    file = folder / "model.onnx"
    file.write_bytes(_flipped(file.read_bytes()))
    with pytest.raises(
        InputError, match=r"model\.onnx is not the file .* dvc checkout .* dvc repro"
    ):
        Classifier(folder, "onnx")
    Classifier(folder)


@pytest.mark.parametrize("name", LOADED)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        Classifier(folder)


def test_two_exports_do_not_mix(folder, tmp_path):
    """A folder of which one file was replaced, such as by an interrupted copy."""
    metadata = json.loads((folder / "task.json").read_text())
    metadata["labels"].reverse()
    (folder / "task.json").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="task.json is not the file that was exported"):
        Classifier(folder)


@pytest.mark.parametrize("pair", [False, True])
def test_the_reference_is_what_the_model_says(exported, pair):
    folder = exported("classification", pair=pair) / "models/mine/onnx"
    content = json.loads((folder / reference.FILE).read_text())
    student = folder.parent / "student"
    tokenizer = AutoTokenizer.from_pretrained(student)
    model = AutoModelForSequenceClassification.from_pretrained(student).eval()
    inputs = tokenizer(*content["texts"], truncation=True, max_length=32, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).logits[0].numpy()
    assert len(content["texts"]) == 1 + pair
    assert content["ids"] == inputs["input_ids"][0].tolist()
    np.testing.assert_allclose(content["logits"]["onnx"], expected, atol=1e-5)
    np.testing.assert_allclose(content["logits"]["int8"], expected, atol=0.2)


@pytest.mark.parametrize(("kind", "accepted"), [("onnx", 1e-3), ("int8", 5e-2)])
def test_other_logits_than_at_the_export_are_refused(folder, kind, accepted):
    """As a processor or a library would give that computes otherwise."""
    file = folder / reference.FILE
    content = json.loads(file.read_text())
    exact = content["logits"][kind]
    for share, passes in ((0.9, True), (1.1, False)):
        content["logits"][kind] = [exact[0], exact[1] + share * accepted * max(1, *map(abs, exact))]
        file.write_text(json.dumps(content))
        if passes:
            assert Classifier(folder, kind).difference == pytest.approx(share * accepted, rel=0.1)
            continue
        with pytest.raises(InputError, match="gives other logits for the text of reference.json"):
            Classifier(folder, kind)


def test_other_tokens_than_at_the_export_are_refused(folder):
    file = folder / reference.FILE
    content = json.loads(file.read_text())
    content["ids"][1] += 1
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="tokenizer.json gives other tokens"):
        Classifier(folder)


@pytest.mark.parametrize("name", ["model_int8.onnx", "tokenizer.json"])
def test_a_whole_file_that_the_libraries_cannot_open_is_an_error(folder, name):
    """As one that a newer version of a library wrote."""
    file = folder / reference.FILE
    content = json.loads(file.read_text())
    (folder / name).write_bytes(b"{}")
    content["sha256"][name] = hashlib.sha256(b"{}").hexdigest()
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"the versions of onnxruntime and tokenizers of constr"):
        Classifier(folder)
