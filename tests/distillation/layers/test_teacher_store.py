"""Targets from the cache file are those that the teacher computes."""

import os
import resource

import numpy as np
import pytest
import torch
from tiny import FAMILIES, config_of, tiny_config
from transformers import AutoModel, BertModel

from tinybert.distillation.layers import teacher_store
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.models import device
from tinybert.models.rows import Rows
from tinybert.pipeline.errors import InputError


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
def test_losses_with_and_without_the_cache_are_equal(tmp_path, monkeypatch, family, precision):
    config = config_of(family, initializer_range=0.5)
    teacher = device.frozen(AutoModel.from_config(config), precision)
    student = AutoModel.from_config(config_of(family, initializer_range=0.5))
    loss = LayerLoss(student, teacher, Projection("per_layer", 2, 8, 8), "uniform").eval()
    rows = rows_of([3, 11, 7, 2, 20, 5], config.vocab_size)
    batches = [rows.batch(indices) for indices in ([0, 3], [4, 1, 2], [5])]
    machine = device.accelerator(precision)
    with torch.no_grad(), machine.autocast():
        expected = [loss(batch) for batch in batches]
        cache_targets(loss, rows, 2, tmp_path)
        assert loss.cached_targets is not None
        monkeypatch.setattr(loss, "teacher_targets", None)  # the teacher does not run again
        cached = [loss(batch) for batch in batches]
    tolerance = {"fp32": 1e-5, "bf16": 2e-2}[precision]
    for losses, reference in zip(cached, expected, strict=True):
        for name, value in reference.items():
            torch.testing.assert_close(losses[name], value, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize(("budget", "epochs"), [("1e-9", 5), ("0", 5), ("20", 1)])
def test_nothing_is_cached_without_space_or_a_second_epoch(
    tmp_path, loss, monkeypatch, capsys, budget, epochs
):
    monkeypatch.setenv("TINYBERT_SCRATCH_GB", budget)
    cache_targets(loss, rows_of([5, 6], 40), epochs, tmp_path)
    assert loss.cached_targets is None
    assert list(tmp_path.iterdir()) == []
    message = capsys.readouterr().out
    assert ("TINYBERT_SCRATCH_GB is 1e-09" in message) == (budget == "1e-9")
    assert ("needs 0.0 GB, limit 0.0 GB; they will be recomputed" in message) == bool(message)


@pytest.mark.parametrize("budget", ["many", "nan", "-1"])
def test_a_budget_that_is_not_a_number_is_an_error(tmp_path, loss, monkeypatch, budget):
    monkeypatch.setenv("TINYBERT_SCRATCH_GB", budget)
    with pytest.raises(InputError, match=f"TINYBERT_SCRATCH_GB: '{budget}' is not a number"):
        cache_targets(loss, rows_of([5, 6], 40), 2, tmp_path)


def test_a_filled_cache_is_reused_but_for_the_last_batch(tmp_path, loss, monkeypatch):
    """As after a kill: the file and its progress are in the checkpoint directory."""
    monkeypatch.setattr(teacher_store, "BATCH", 2)
    rows, calls = rows_of([3, 11, 7, 2, 20, 5], 40), []
    loss.eval()
    targets = loss.teacher_targets
    monkeypatch.setattr(
        loss, "teacher_targets", lambda batch: calls.append(len(batch["row"])) or targets(batch)
    )
    cache_targets(loss, rows, 2, tmp_path)
    first = loss.cached_targets(list(range(6)), 20)
    assert calls == [2, 2, 2]
    calls.clear()
    cache_targets(loss, rows, 2, tmp_path)
    again = loss.cached_targets(list(range(6)), 20)
    assert calls == [2]  # the last batch gives the scalings
    for a, b in zip(first.hidden_states, again.hidden_states, strict=True):
        assert torch.equal(a, b)
    for a, b in zip(first.attention, again.attention, strict=True):
        assert torch.equal(a.query, b.query) and torch.equal(a.key, b.key)
        assert a.scaling == b.scaling


@pytest.mark.parametrize("portable", [False, True])
def test_reserved_bytes_are_zeros_after_what_is_there(tmp_path, monkeypatch, portable):
    if portable:  # macOS
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(teacher_store, "BLOCK", 1000)
    file = tmp_path / "teacher"
    for size in (2500, 2500, 3700):
        teacher_store.reserve(file, size)
        assert file.stat().st_size == size
        assert file.read_bytes()[:4] in (b"\0" * 4, b"kept")
        with file.open("r+b") as stream:
            stream.write(b"kept")
    assert not any(file.read_bytes()[4:])


@pytest.mark.parametrize("portable", [False, True])
def test_without_space_for_the_cache_the_error_names_the_setting(tmp_path, monkeypatch, portable):
    if portable:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(teacher_store, "BLOCK", 1000)
    file, limits = tmp_path / "teacher", resource.getrlimit(resource.RLIMIT_FSIZE)
    file.write_bytes(b"kept")
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(InputError, match="TINYBERT_SCRATCH_GB=0"):
            teacher_store.reserve(file, 50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == b"kept"  # and the disk is as free as before


@pytest.mark.parametrize("damage", ["removed", "cut", "progress emptied"])
def test_a_cache_that_is_no_longer_whole_is_filled_again(tmp_path, loss, monkeypatch, damage):
    monkeypatch.setattr(teacher_store, "BATCH", 1)
    loss, rows = loss.eval(), rows_of([5, 6, 3], 40)
    batch = rows.batch([2, 0])
    cache_targets(loss, rows, 2, tmp_path)
    expected = loss.cached_targets([2, 0], batch["input_ids"].shape[1])
    [file] = [file for file in tmp_path.iterdir() if file.suffix != ".json"]
    [progress] = tmp_path.glob("*.json")
    if damage == "removed":
        file.unlink()
    elif damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    else:
        progress.write_text("")
    cache_targets(loss, rows, 2, tmp_path)
    again = loss.cached_targets([2, 0], batch["input_ids"].shape[1])
    assert any(states.abs().sum() for states in expected.hidden_states)
    for states, other in zip(again.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(states, other)
