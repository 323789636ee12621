"""Logits in the order of the rows, whatever the batches."""

import numpy as np
import pytest
import torch
from conftest import tiny_config
from transformers import BertForSequenceClassification

from tinybert import predict
from tinybert.encode import encode
from tinybert.task import Task

TEXTS = ["good", "a very bad film", "the plot of this movie is dull and boring", "great story"]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_logits_are_those_of_each_row_alone_without_dropout(tokenizer, batch_size):
    model = BertForSequenceClassification(tiny_config(num_labels=3, initializer_range=0.5)).train()
    rows = encode(TEXTS, None, tokenizer, 32)
    found = predict.logits(model, rows, batch_size, "fp32")
    assert model.training  # as it was
    model.eval()
    for text, own in zip(TEXTS, found, strict=True):
        alone = model(**tokenizer(text, return_tensors="pt")).logits[0].detach().numpy()
        np.testing.assert_allclose(own, alone, rtol=1e-4, atol=1e-5)


def test_the_scorer_follows_the_model(tokenizer):
    model = BertForSequenceClassification(tiny_config(num_labels=2))
    rows = encode(TEXTS, None, tokenizer, 32, label=np.array([1, 0, 0, 1]))
    task = Task("classification", ["bad", "good"], False, "accuracy", ["train", "dev"])
    score = predict.scorer(model, rows, task, 8, "fp32")
    with torch.no_grad():
        model.classifier.weight.zero_()
        for bias, expected in (([9.0, 0.0], 0.5), ([0.0, 9.0], 0.5)):
            model.classifier.bias.copy_(torch.tensor(bias))
            assert score() == expected
        rows.columns["label"][:] = 1
        assert score() == 1.0
