"""The teacher's inside from a scratch file is the teacher's own."""

import numpy as np
import pytest
import torch
from conftest import FAMILIES, config_of, tiny_config
from transformers import AutoModel, BertModel

from tinybert import device, store
from tinybert.encode import Rows
from tinybert.layer_loss import LayerLoss, Projection


def rows_of(lengths, size: int) -> Rows:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng(0).integers(5, size, starts[-1]).astype(np.int32)
    return Rows(tokens, starts, 1)


@pytest.fixture
def loss() -> LayerLoss:
    student = BertModel(tiny_config(hidden_size=4, num_hidden_layers=1))
    return LayerLoss(student, BertModel(tiny_config()), Projection("shared", 1, 4, 8), "uniform")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_are_those_without_the_store(
    tmp_path, any_precision, monkeypatch, family, precision
):
    config = config_of(family, initializer_range=0.5)
    teacher = device.frozen(AutoModel.from_config(config), precision)
    student = AutoModel.from_config(config_of(family, initializer_range=0.5))
    loss = LayerLoss(student, teacher, Projection("per_layer", 2, 8, 8), "uniform").eval()
    rows = rows_of([3, 11, 7, 2, 20, 5], config.vocab_size)
    batches = [rows.batch(indices) for indices in ([0, 3], [4, 1, 2], [5])]
    machine = device.accelerator(precision)
    with torch.no_grad(), machine.autocast():
        without = [loss(batch) for batch in batches]
        store.keep(loss, rows, 2, tmp_path)
        assert loss.kept is not None
        monkeypatch.setattr(loss, "teach", None)  # is not asked again
        kept = [loss(batch) for batch in batches]
    tolerance = {"fp32": 1e-5, "bf16": 2e-2}[precision]
    for ours, theirs in zip(kept, without, strict=True):
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize(("budget", "epochs"), [("1e-9", 5), ("0", 5), ("20", 1)])
def test_without_room_or_use_the_teacher_is_asked_anew(
    tmp_path, loss, monkeypatch, capsys, budget, epochs
):
    monkeypatch.setenv("TINYBERT_SCRATCH_GB", budget)
    store.keep(loss, rows_of([5, 6], 40), epochs, tmp_path)
    assert loss.kept is None
    said = capsys.readouterr().out
    assert ("TINYBERT_SCRATCH_GB 1e-9" in said) == (budget == "1e-9")


def test_a_budget_that_is_no_number_is_named(tmp_path, loss, monkeypatch):
    monkeypatch.setenv("TINYBERT_SCRATCH_GB", "many")
    with pytest.raises(ValueError, match=r"TINYBERT_SCRATCH_GB: 'many'"):
        store.keep(loss, rows_of([5, 6], 40), 2, tmp_path)
