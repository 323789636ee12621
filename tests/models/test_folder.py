"""A saved model is what was trained, for transformers and for other users of the machine."""

import os

import pytest
import torch
from tiny import tiny_config
from transformers import BertForSequenceClassification, pipeline

from tinybert.distillation.layers.projection import Projection
from tinybert.models.encode import encode
from tinybert.models.folder import save_model
from tinybert.models.rows import model_inputs

LENGTH = 16


@pytest.mark.parametrize("words", [3, 300, 600])
def test_transformers_pipeline_gives_the_answer_of_the_training(tokenizer, tmp_path, words):
    """The model has 64 positions; the end of the text has other words than its beginning."""
    config = tiny_config(initializer_range=0.5, id2label={0: "no", 1: "yes"})
    model = BertForSequenceClassification(config).eval()
    save_model(tmp_path, model, tokenizer, LENGTH)
    half = words // 2
    text = " ".join(["good"] * half + ["terrible music"] * (words - half))
    with torch.no_grad():
        inputs = model_inputs(encode([text], None, tokenizer, LENGTH).batch([0]))
        expected = model(**inputs).logits.softmax(-1)[0]
    classify = pipeline("text-classification", model=str(tmp_path), truncation=True, top_k=None)
    answers = {answer["label"]: answer["score"] for answer in classify([text])[0]}
    assert answers["no"] == pytest.approx(expected[0].item(), abs=1e-5)
    assert answers["yes"] == pytest.approx(expected[1].item(), abs=1e-5)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_have_the_mode_of_any_new_file(tokenizer, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_model(tmp_path, BertForSequenceClassification(tiny_config()), tokenizer, LENGTH)
        Projection("shared", 2, 4, 8).save(tmp_path)
        assert os.umask(umask) == umask  # unchanged
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert {"model.safetensors", "projection.safetensors", "config.json"} <= modes.keys()
    assert set(modes.values()) == {mode}
