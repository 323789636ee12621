"""Logits in the order of the rows, whatever the batches."""

import numpy as np
import pytest
from tiny import tiny_config
from transformers import BertForSequenceClassification

from tinybert.models import predict
from tinybert.models.encode import encode

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
