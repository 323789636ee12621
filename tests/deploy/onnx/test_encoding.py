"""The exported tokenizer gives the tokens that training saw, or the export fails."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny import tiny_tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import encoding, export
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.models.encode import encode
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Export

TEXTS = ["good film", "the plot is very dull", "never " * 7]
LONG = "good " * 40 + "bad " * 40


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_long_texts_are_cut_on_the_side_that_training_cut(finished, side, pair):
    folder = finished("classification", pair=pair) / "models/mine"
    for role in ("student", "teacher"):
        file = folder / role / "tokenizer_config.json"
        settings = json.loads(file.read_text()) | {"truncation_side": side}
        file.write_text(json.dumps(settings))
    export.export_student("mine", 32, Export(max_drop=100))
    text = (LONG, "the story " * 30) if pair else LONG
    tokenizer = AutoTokenizer.from_pretrained(folder / "student")
    assert tokenizer.truncation_side == side
    strings = text if pair else (text,)
    inputs = tokenizer(*strings, truncation=True, max_length=32, return_tensors="pt")
    student = Classifier(folder / "onnx", "onnx")
    [encoded] = student.encode([text])
    assert encoded.ids == inputs["input_ids"][0].tolist() and len(encoded.ids) == 32
    model = AutoModelForSequenceClassification.from_pretrained(folder / "student").eval()
    with torch.inference_mode():
        expected = model(**inputs).logits.numpy()
    np.testing.assert_allclose(student.logits([text]), expected, atol=1e-5)
    [by_torch] = TorchClassifier(folder / "student", student)([text])
    [by_onnx] = student([text])
    assert by_torch["probabilities"] == pytest.approx(by_onnx["probabilities"], abs=1e-5)


def _saved(folder, change, max_length: int = 8):
    """The folder of a saved tokenizer, whose tokenizer.json `change` edits."""
    encoding.save(tiny_tokenizer(), max_length, folder)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return folder


def test_equal_tokens_pass(tmp_path, tokenizer):
    folder = _saved(tmp_path, lambda content: None)
    for second in (None, TEXTS[::-1]):
        rows = encode(TEXTS, second, tokenizer, 8)
        encoding.check(folder, TEXTS, second, rows, tokenizer, 8)


def test_the_first_row_with_other_tokens_is_shown(tmp_path, tokenizer):
    def swap(content):
        vocabulary = content["model"]["vocab"]
        vocabulary["plot"], vocabulary["is"] = vocabulary["is"], vocabulary["plot"]

    folder, rows = _saved(tmp_path, swap), encode(TEXTS, None, tokenizer, 8)
    with pytest.raises(
        InputError, match=r"other token ids .* row 2 of dev: 'the plot is very dull'"
    ):
        encoding.check(folder, TEXTS, None, rows, tokenizer, 8)


@pytest.mark.parametrize("pair", [False, True])
def test_rows_that_are_cut_are_compared_even_if_dev_has_none(tmp_path, tokenizer, pair):
    folder = _saved(tmp_path, lambda content: content["truncation"].update(direction="Left"), 24)
    second = TEXTS[::-1] if pair else None
    rows = encode(TEXTS, second, tokenizer, 24)
    assert rows.lengths.max() < 24
    with pytest.raises(InputError, match="other token ids .* row . of long rows"):
        encoding.check(folder, TEXTS * 3, second and second * 3, rows_of(rows, 3), tokenizer, 24)


def rows_of(rows, times: int):
    """The rows, repeated."""
    starts = np.concatenate([[0], np.cumsum(np.tile(rows.lengths, times))])
    types = np.tile(rows.token_types, times)
    return type(rows)(np.tile(rows.tokens, times), starts, rows.padding_id, types)


def test_other_segment_ids_of_pairs_are_refused(tmp_path, tokenizer):
    def one_segment(content):
        for part in content["post_processor"]["pair"]:
            next(iter(part.values()))["type_id"] = 0

    folder, rows = _saved(tmp_path, one_segment), encode(TEXTS, TEXTS, tokenizer, 8)
    with pytest.raises(InputError, match="other segment ids .* row 1 of dev"):
        encoding.check(folder, TEXTS, TEXTS, rows, tokenizer, 8)


def test_the_export_fails_if_the_tokens_differ(finished, monkeypatch):
    folder = finished("classification")
    save = encoding.save
    monkeypatch.setattr(
        encoding, "save", lambda tokenizer, length, *more: save(tokenizer, 7, *more)
    )
    with pytest.raises(InputError, match="gives other token ids than training saw"):
        export.export_student("mine", 32, Export(max_drop=100))
    assert not (folder / "metrics").exists()


def test_a_tokenizer_without_segment_ids_gives_a_model_without_them(finished):
    """A BERT that was trained on input_ids and attention_mask alone, such as multilingual-e5."""
    folder = finished("classification", pair=True) / "models/mine"
    file = folder / "student/tokenizer_config.json"
    inputs = {"model_input_names": ["input_ids", "attention_mask"]}
    file.write_text(json.dumps(json.loads(file.read_text()) | inputs))
    assert "token_type_ids" not in AutoTokenizer.from_pretrained(folder / "student")("a", "b")
    export.export_student("mine", 32, Export(max_drop=100))
    student = Classifier(folder / "onnx", "onnx")
    assert student.names == ["input_ids", "attention_mask"]
    model = AutoModelForSequenceClassification.from_pretrained(folder / "student").eval()
    inputs = AutoTokenizer.from_pretrained(folder / "student")(
        "good film", "bad", return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model(**inputs).logits.numpy()
    np.testing.assert_allclose(student.logits([("good film", "bad")]), expected, atol=1e-5)


def test_dev_rows_of_a_pair_task_are_compared_as_pairs(finished):
    """Their segment ids, too: a table of pairs in which one second text is empty."""
    folder = finished("classification", pair=True)
    file = folder / "data/tasks/mine/dev.parquet"
    table = pq.read_table(file).to_pydict()
    table["text_b"][0] = ""
    pq.write_table(pa.table(table), file)
    export.export_student("mine", 32, Export(max_drop=100))
