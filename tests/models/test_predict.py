"""Logits in the order of the rows, whatever the batches."""

import numpy as np
import pytest
import torch
from tiny import FAMILIES, config_of, tiny_config
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from tinybert.models import predict
from tinybert.models.device import frozen, heads
from tinybert.models.encode import encode
from tinybert.models.rows import Rows

TEXTS = ["good", "a very bad film", "the plot of this movie is dull and boring", "great story"]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_logits_are_those_of_each_row_alone_without_dropout(tokenizer, monkeypatch, batch_size):
    monkeypatch.setattr(predict, "BATCH_SIZE", batch_size)
    model = BertForSequenceClassification(tiny_config(num_labels=3, initializer_range=0.5)).train()
    rows = encode(TEXTS, None, tokenizer, 32)
    logits = predict.logits(model, rows, "fp32")
    assert model.training  # as before
    model.eval()
    assert logits.dtype == np.float32
    for text, row in zip(TEXTS, logits, strict=True):
        alone = model(**tokenizer(text, return_tensors="pt")).logits[0].detach().numpy()
        np.testing.assert_allclose(row, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_the_head_computes_in_float32_beside_an_encoder_in_bf16(family, is_frozen):
    torch.manual_seed(0)
    config = config_of(family, num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    tokens = torch.randint(5, 30, (40 * 6,)).numpy()
    rows = Rows(tokens, np.arange(0, 241, 6), padding_id=0)
    expected = model(input_ids=torch.from_numpy(tokens.reshape(40, 6))).logits.detach().numpy()
    if is_frozen:
        frozen(model, "bf16", in_float32=heads(model))
    logits = predict.logits(model, rows, "bf16")
    steps_of_bf16 = torch.from_numpy(logits).bfloat16().float().numpy()
    assert (logits == steps_of_bf16).mean() < 0.1
    assert 0 < np.abs(logits - expected).max() < 0.1 * np.abs(expected).max()
    assert all(weight.dtype == torch.float32 for m in heads(model) for weight in m.parameters())
    model.float()(input_ids=torch.from_numpy(tokens[None, :6]))  # its forward is its own again
    assert "forward" not in vars(model.base_model)
