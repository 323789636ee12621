"""Sizes and speeds are of the models and rows they claim to be."""

import pytest
from conftest import tiny_config
from transformers import BertForSequenceClassification

from tinybert import evaluate
from tinybert.encode import encode


def test_size_counts_parameters_and_bytes(checkpoint):
    model = BertForSequenceClassification(tiny_config())
    folder = checkpoint(model)
    found = evaluate.size(model, folder)
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    assert found["megabytes"] == pytest.approx(4 * found["parameters"] / 1e6, abs=0.02)


def test_speed_runs_the_asked_number_of_rows_alone_and_in_batches(tokenizer):
    model = BertForSequenceClassification(tiny_config())
    seen = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    rows = encode([f"good film {'very ' * i}" for i in range(20)], None, tokenizer, 32)
    found = evaluate.speed({"only": model}, rows, batch_size=4, speed_rows=10)
    assert set(found["only"]) == {"latency_ms", "rows_per_second"}
    assert found["only"]["latency_ms"] > 0 and found["only"]["rows_per_second"] > 0
    assert seen[:13] == [1] * 13  # three to warm up
    assert seen[13:] == [4, 4, 2] * evaluate.ROUNDS
