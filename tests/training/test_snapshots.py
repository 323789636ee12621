"""A killed training resumes and ends with the same bytes."""

import os
import re
import signal
import subprocess
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_config
from torch import nn
from transformers import BertForSequenceClassification, BertModel

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import Projection
from tinybert.models.encode import encode
from tinybert.models.rows import Rows
from tinybert.pipeline.schema import Training
from tinybert.tasks.gold import GoldLoss
from tinybert.training import loop

TEXTS = ["good film", "a great story", "bad", "the music is dull and boring", "actor", "very good"]
SETTINGS = Training(
    epochs=3, batch_size=2, lr=1e-2, warmup=0.1, weight_decay=0.01, max_grad_norm=1.0, dropout=0.2
)
STEPS = 9


class Killed(Exception):
    """Stands for kill -9: nothing in the process's memory survives."""


def until(objective: nn.Module, step: int, do) -> nn.Module:
    """Lets an objective do something before a step."""
    left = [step]

    def count(module, batch) -> None:
        left[0] -= 1
        if left[0] == 0:
            do()

    objective.register_forward_pre_hook(count)
    return objective


def die():
    raise Killed


@pytest.fixture(autouse=True)
def every_step_is_saved(monkeypatch):
    monkeypatch.setenv("TINYBERT_CHECKPOINT_SECONDS", "0")


@pytest.fixture
def rows(tokenizer) -> Rows:
    return encode(TEXTS, None, tokenizer, 32, label=np.array([1, 1, 0, 0, 1, 1]))


def gold() -> GoldLoss:
    torch.manual_seed(0)
    return GoldLoss(BertForSequenceClassification(tiny_config(num_labels=2)))


def layers() -> LayerLoss:
    torch.manual_seed(0)
    student = BertModel(tiny_config(hidden_size=4, num_hidden_layers=1))
    teacher = BertModel(tiny_config()).requires_grad_(False)
    return LayerLoss(student, teacher, Projection("shared", 1, 4, 8), "uniform")


def fit(objective, rows, log, checkpoint_dir, scores=None):
    """scores: those of the epochs that are trained."""
    score = None if scores is None else iter(scores).__next__
    options = {"log": log, "score": score, "checkpoint_dir": checkpoint_dir}
    loop.fit(objective, rows, SETTINGS, seed=1, precision="fp32", **options)


def files(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def same(one: nn.Module, other: nn.Module) -> bool:
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("kind", [gold, layers])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_run_killed_before_any_step_ends_like_one_that_was_not(
    rows, tmp_path, capsys, kind, step
):
    """Weights, projection and curves are the same bytes. At most one complete step is repeated: a
    snapshot is saved one step after it is due."""
    whole = kind()
    fit(whole, rows, tmp_path / "whole", None)
    with pytest.raises(Killed):
        fit(until(kind(), step, die), rows, tmp_path / "log", tmp_path / "checkpoints")
    again = kind()
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints")
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")
    resumed = re.search(r"resuming after step (\d+)", capsys.readouterr().err)
    assert step - 1 - (int(resumed[1]) if resumed else 0) <= 1


@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.3], [0.9, 0.1, 0.3], [-0.9, -0.3, -0.1]])
def test_the_best_epoch_stays_the_best(rows, tmp_path, scores):
    """Killed twice, in the second and in the third epoch."""
    whole = gold()
    fit(whole, rows, tmp_path / "whole", None, scores)
    for step, left in ((5, scores), (4, scores[1:])):
        with pytest.raises(Killed):
            fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "checkpoints", left)
    again = gold()
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints", scores[2:])
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_and_exits_as_a_failure(rows, tmp_path, capsys, number):
    handler = signal.getsignal(number)
    whole = gold()
    fit(whole, rows, tmp_path / "whole", None)
    signalled = until(gold(), 5, lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as stopped:
        fit(signalled, rows, tmp_path / "log", tmp_path / "checkpoints")
    assert stopped.value.code == 128 + number
    assert "rerun the same command to resume" in capsys.readouterr().err
    assert signal.getsignal(number) is handler
    again = gold()
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints")
    assert same(again, whole)


def test_a_signal_during_the_last_scoring_is_not_success(rows, tmp_path):
    def scores():
        yield from (0.1, 0.2)
        os.kill(os.getpid(), signal.SIGTERM)
        yield 0.3

    with pytest.raises(SystemExit):
        fit(gold(), rows, tmp_path / "log", tmp_path / "checkpoints", scores())
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None, [0.1, 0.2, 0.3])
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints", [])
    assert same(again, whole)


def killed(rows, tmp_path, step=6):
    """The snapshots of a killed run."""
    with pytest.raises(Killed):
        fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "checkpoints")
    return sorted((tmp_path / "checkpoints").rglob("*.safetensors"))


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]


@pytest.mark.parametrize("damage", [truncate, flip, lambda data: b""])
@pytest.mark.parametrize("count", [1, 2])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    rows, tmp_path, capsys, damage, count
):
    snapshots = killed(rows, tmp_path)
    assert len(snapshots) == 2
    for file in snapshots[2 - count :]:
        file.write_bytes(damage(file.read_bytes()))
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None)
    capsys.readouterr()
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints")
    message = capsys.readouterr().err
    assert message.count("is damaged; the one before is used") == count
    assert f"{snapshots[-1]} is damaged" in message
    assert ("resuming after step" in message) == (count == 1)
    assert same(again, whole)


def test_an_unfinished_file_is_not_a_checkpoint(rows, tmp_path):
    snapshots = killed(rows, tmp_path)
    (snapshots[0].parent / "unfinished-next").write_bytes(b"half")
    again, whole = gold(), gold()
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints")
    fit(whole, rows, tmp_path / "whole", None)
    assert same(again, whole)


def test_on_another_kind_of_machine_training_restarts_from_scratch(rows, tmp_path, capsys):
    [folder] = {file.parent for file in killed(rows, tmp_path)}
    folder.rename(folder.with_name("cuda-bf16-8"))
    fit(gold(), rows, tmp_path / "log", tmp_path / "checkpoints")
    assert "resuming" not in capsys.readouterr().err


def test_a_full_disk_is_an_error_and_the_earlier_snapshots_stay(rows, tmp_path):
    """On a small disk, mounted for the test, that is filled after some steps."""
    disk = tmp_path / "checkpoints"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:

        def fill():
            with open(disk / "filler", "wb", buffering=0) as file:
                while file.write(bytes(1024)):
                    pass

        def full():
            with pytest.raises(OSError, match="No space left"):
                fill()

        with pytest.raises(ValueError, match="no checkpoint could be written") as error:
            fit(until(gold(), 6, full), rows, tmp_path / "log", disk)
        assert "No space left" in str(error.value) and "Free some space there" in str(error.value)
        left = sorted(file.name[:10] for file in disk.rglob("*.safetensors"))
        assert f"the last one is of step {int(left[-1])}" in str(error.value)
        (disk / "filler").unlink()
        whole, again = gold(), gold()
        fit(again, rows, tmp_path / "log", disk)
        fit(whole, rows, tmp_path / "whole", None)
        assert same(again, whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_saving_takes_a_small_share_of_the_time(rows, tmp_path, monkeypatch):
    """What takes long is done less often."""
    monkeypatch.delenv("TINYBERT_CHECKPOINT_SECONDS")
    monkeypatch.setattr("tinybert.training.snapshots.interval", lambda: 0.0)
    monkeypatch.setattr("tinybert.training.snapshots.SHARE", 1e-9)
    assert len(killed(rows, tmp_path)) == 1


@settings(max_examples=10)
@given(st.integers(1, STEPS), st.integers(1, STEPS))
def test_killed_twice_anywhere(tokenizer, tmp_path_factory, first, second):
    """Ten pairs of steps; a single kill before every step is tested above."""
    tmp_path = tmp_path_factory.mktemp("twice")
    rows = encode(TEXTS, None, tokenizer, 32, label=np.array([1, 1, 0, 0, 1, 1]))
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None)
    for step in (first, second):
        with suppress(Killed):
            fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "checkpoints")
    fit(again, rows, tmp_path / "log", tmp_path / "checkpoints")
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")
