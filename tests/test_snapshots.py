"""A training that was cut off goes on as if nothing had been."""

import os
import signal
import subprocess
from contextlib import suppress

import numpy as np
import pytest
import torch
from conftest import tiny_config
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertForSequenceClassification, BertModel

from tinybert import train
from tinybert.encode import Rows, encode
from tinybert.layer_loss import LayerLoss, Projection
from tinybert.logit_loss import GoldLoss
from tinybert.schema import Training

TEXTS = ["good film", "a great story", "bad", "the music is dull and boring", "actor", "very good"]
SETTINGS = Training(
    epochs=3, batch_size=2, lr=1e-2, warmup=0.1, weight_decay=0.01, max_grad_norm=1.0, dropout=0.2
)
STEPS = 9


class Killed(Exception):
    """Stands for kill -9: nothing of the process's memory is left."""


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
def each_step_is_kept(monkeypatch):
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


def fit(objective, rows, log, kept, scores=None):
    """scores: of the epochs, as they come."""
    score = None if scores is None else iter(scores).__next__
    train.fit(
        objective, rows, SETTINGS, seed=1, precision="fp32", log=log, score=score, kept=kept
    )  # fmt: skip


def files(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def weights(objective) -> dict[str, torch.Tensor]:
    return objective.state_dict()


def same(one, other) -> bool:
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("kind", [gold, layers])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_run_that_was_killed_before_any_step_ends_as_one_that_was_not(
    rows, tmp_path, capsys, kind, step
):
    """Killed before each step in turn: weights, projection and curves are the same bytes, and no
    step but the one that was under way is done twice (a wish is heard one step later)."""
    whole = kind()
    fit(whole, rows, tmp_path / "whole", None)
    with pytest.raises(Killed):
        fit(until(kind(), step, die), rows, tmp_path / "log", tmp_path / "kept")
    again = kind()
    fit(again, rows, tmp_path / "log", tmp_path / "kept")
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")
    said = capsys.readouterr().err
    begun = int(said.partition("going on after step ")[2].split()[0]) if "going on" in said else 0
    assert step - 1 - begun <= 1


@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.3], [0.9, 0.1, 0.3], [-0.9, -0.3, -0.1]])
def test_the_best_epoch_stays_the_best(rows, tmp_path, scores):
    """Killed twice, in the second and in the third epoch."""
    whole = gold()
    fit(whole, rows, tmp_path / "whole", None, scores)
    for step, left in ((5, scores), (4, scores[1:])):
        with pytest.raises(Killed):
            fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "kept", left)
    again = gold()
    fit(again, rows, tmp_path / "log", tmp_path / "kept", scores[2:])
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_state_and_exits_as_a_failure(rows, tmp_path, capsys, number):
    handler = signal.getsignal(number)
    whole = gold()
    fit(whole, rows, tmp_path / "whole", None)
    signalled = until(gold(), 5, lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as stopped:
        fit(signalled, rows, tmp_path / "log", tmp_path / "kept")
    assert stopped.value.code == 128 + number
    assert "the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(number) is handler
    again = gold()
    fit(again, rows, tmp_path / "log", tmp_path / "kept")
    assert same(again, whole)


def test_a_signal_in_the_last_scoring_does_not_pass_for_success(rows, tmp_path):
    def scores():
        yield from (0.1, 0.2)
        os.kill(os.getpid(), signal.SIGTERM)
        yield 0.3

    with pytest.raises(SystemExit):
        fit(gold(), rows, tmp_path / "log", tmp_path / "kept", scores())
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None, [0.1, 0.2, 0.3])
    fit(again, rows, tmp_path / "log", tmp_path / "kept", [])
    assert same(again, whole)


def killed(rows, tmp_path, step=6):
    with pytest.raises(Killed):
        fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "kept")
    return sorted((tmp_path / "kept").rglob("*.safetensors"))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]


@pytest.mark.parametrize("harm", [cut, flip, lambda data: b""])
@pytest.mark.parametrize("count", [1, 2])
def test_a_damaged_checkpoint_is_passed_over_and_named(rows, tmp_path, capsys, harm, count):
    kept = killed(rows, tmp_path)
    assert len(kept) == 2
    for file in kept[2 - count :]:
        file.write_bytes(harm(file.read_bytes()))
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None)
    capsys.readouterr()
    fit(again, rows, tmp_path / "log", tmp_path / "kept")
    said = capsys.readouterr().err
    assert said.count("is damaged; the one before is taken") == count
    assert f"{kept[-1]} is damaged" in said
    assert ("going on after step" in said) == (count == 1)
    assert same(again, whole)


def test_what_was_being_written_is_no_checkpoint(rows, tmp_path):
    kept = killed(rows, tmp_path)
    (kept[0].parent / "unfinished-next").write_bytes(b"half")
    again, whole = gold(), gold()
    fit(again, rows, tmp_path / "log", tmp_path / "kept")
    fit(whole, rows, tmp_path / "whole", None)
    assert same(again, whole)


def test_on_another_kind_of_machine_training_begins_anew(rows, tmp_path, capsys):
    [folder] = {file.parent for file in killed(rows, tmp_path)}
    folder.rename(folder.with_name("cuda-bf16-8"))
    fit(gold(), rows, tmp_path / "log", tmp_path / "kept")
    assert "going on" not in capsys.readouterr().err


def test_a_full_disk_is_named_and_what_was_kept_stays(rows, tmp_path):
    """On a small disk of its own, which is filled after some steps."""
    disk = tmp_path / "kept"
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
        assert "No space left" in str(error.value) and "Make room there" in str(error.value)
        left = sorted(file.name[:10] for file in disk.rglob("*.safetensors"))
        assert f"the last one is of step {int(left[-1])}" in str(error.value)
        (disk / "filler").unlink()
        whole, again = gold(), gold()
        fit(again, rows, tmp_path / "log", disk)
        fit(whole, rows, tmp_path / "whole", None)
        assert same(again, whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_keeping_takes_little_of_the_time(rows, tmp_path, monkeypatch):
    """If it takes long, it is done less often."""
    monkeypatch.delenv("TINYBERT_CHECKPOINT_SECONDS")
    monkeypatch.setattr("tinybert.snapshots.interval", lambda: 0.0)
    monkeypatch.setattr("tinybert.snapshots.SHARE", 1e-9)
    assert len(killed(rows, tmp_path)) == 1


@given(st.integers(1, STEPS), st.integers(1, STEPS))
def test_killed_twice_anywhere(tokenizer, tmp_path_factory, first, second):
    tmp_path = tmp_path_factory.mktemp("twice")
    rows = encode(TEXTS, None, tokenizer, 32, label=np.array([1, 1, 0, 0, 1, 1]))
    whole, again = gold(), gold()
    fit(whole, rows, tmp_path / "whole", None)
    for step in (first, second):
        with suppress(Killed):
            fit(until(gold(), step, die), rows, tmp_path / "log", tmp_path / "kept")
    fit(again, rows, tmp_path / "log", tmp_path / "kept")
    assert same(again, whole)
    assert files(tmp_path / "log") == files(tmp_path / "whole")
