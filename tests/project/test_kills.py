"""kill -9 at random points of the pipeline, as `dvc repro` and as an experiment: the result is that
of an undisturbed run, byte for byte.

    TINYBERT_KILLS=100 pytest tests/project/test_kills.py -s

kills that often, 20 times by default, and prints where.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from clone import Clone, project
from ruamel.yaml import YAML

pytestmark = pytest.mark.xdist_group("real")

KILLS = int(os.environ.get("TINYBERT_KILLS", "20"))
TRAININGS = (
    "distill_general", "finetune_teacher@mine", "finetune_baseline@mine", "finetune_general@mine",
    "distill_intermediate@mine", "distill_prediction@mine",
)  # fmt: skip
INTERVAL = "0.2"  # seconds


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("TINYBERT_CHECKPOINT_SECONDS", INTERVAL)


def hashes(lock: str) -> dict[str, dict[str, str]]:
    """The hashes of each stage's outs."""
    stages = YAML(typ="safe").load(lock)["stages"]
    return {
        name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in stages.items()
    }


def start(clone: Clone, words: list[str]) -> tuple[subprocess.Popen, Path]:
    log = clone.folder.with_name(f"{clone.folder.name}-{time.monotonic_ns()}.log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", *words],
            cwd=clone.folder,
            env=clone.variables(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, log


def running_training(clone: Clone) -> tuple[str, Path] | None:
    """The training that is under way, and its checkpoint folder."""
    for stage in TRAININGS:
        for folder in (clone.folder / ".checkpoints" / stage).glob("*/"):
            if (owner := folder.with_suffix(".pid")).exists() and is_alive(owner.read_text()):
                return stage, folder
    return None


def is_alive(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def remove_half_written(clone: Clone) -> None:
    """A DVC killed while it writes its lock leaves an unreadable file: see the documents."""
    for file in (clone.folder / ".dvc/tmp").rglob("rwlock"):
        try:
            json.loads(file.read_text())
        except json.JSONDecodeError:
            file.unlink()


def kill_often(clone: Clone, words: list[str], kills: int, choose: random.Random) -> int:
    """Runs DVC again and again and kills it, with all that it started, in its trainings; then lets
    it finish. Returns how many kills left a checkpoint behind."""
    quota = -(-kills // len(TRAININGS))
    killed, with_checkpoint = Counter(), 0
    while killed.total() < kills:
        process, log = start(clone, words)
        training = None
        while process.poll() is None and training is None:
            training = running_training(clone)
            if training and killed[training[0]] >= quota:
                training = None
            time.sleep(0.02)
        if training is None:  # no training that is still to be killed was caught
            assert process.wait() == 0, log.read_text()
            break
        time.sleep(choose.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        remove_half_written(clone)
        killed[training[0]] += 1  # or the next one, if this one has ended by now
        with_checkpoint += any((clone.folder / ".checkpoints").rglob("*.safetensors"))
    process, log = start(clone, words)
    assert process.wait() == 0, log.read_text()
    assert "is damaged" not in output(clone)
    return with_checkpoint


def output(clone: Clone) -> str:
    """All that its runs printed."""
    logs = clone.folder.parent.glob(f"{clone.folder.name}-*.log")
    return "".join(log.read_text() for log in logs)


def check_resumed(kind: str, clone: Clone, with_checkpoint: int) -> None:
    """A run may be killed again before it resumes."""
    times = output(clone).count("resuming after step")
    print(f"{kind}: {with_checkpoint} kills left a checkpoint; resumed {times} times")
    assert with_checkpoint >= times > 0


@pytest.mark.slow
def test_killed_runs_of_dvc_repro_end_as_an_undisturbed_one(undisturbed, tmp_path_factory):
    clone = project(tmp_path_factory.mktemp("repro"))
    check_resumed("dvc repro", clone, kill_often(clone, ["repro"], KILLS // 2, random.Random(1)))
    lock = (clone.folder / "dvc.lock").read_text()
    assert hashes(lock) == hashes((undisturbed.folder / "dvc.lock").read_text())
    roles = ("teacher", "baseline", "finetuned_general", "intermediate", "student")
    for name in ("general", *(f"mine/{role}" for role in roles)):
        files = list((undisturbed.folder / "models" / name).iterdir())
        assert len(files) > 3
        for file in files:
            other = clone.folder / file.relative_to(undisturbed.folder)
            assert other.read_bytes() == file.read_bytes(), file
    assert not list((clone.folder / ".checkpoints").glob("*/*/"))
    assert "up to date" in clone.dvc("status")


@pytest.mark.slow
def test_killed_experiments_end_as_an_undisturbed_run(undisturbed, tmp_path_factory):
    clone = project(tmp_path_factory.mktemp("temp"))
    words = ["exp", "run", "--temp", "--name", "killed"]
    with_checkpoint = kill_often(clone, words, KILLS - KILLS // 2, random.Random(2))
    check_resumed("dvc exp run --temp", clone, with_checkpoint)
    references = clone.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    [name] = [reference for reference in references if reference.endswith("/killed")]
    lock = clone.git("show", f"{name}:dvc.lock")
    assert hashes(lock) == hashes((undisturbed.folder / "dvc.lock").read_text())
    # DVC stages a file of its own for a moment; a kill may leave it so.
    status = clone.git("status", "--porcelain").splitlines()
    assert [line for line in status if not line.endswith(" .dvc/tmp/repro.dat")] == []


def start_general_distillation(clone: Clone) -> tuple[subprocess.Popen, Path]:
    """Runs DVC until there is a checkpoint to resume from."""
    process, log = start(clone, ["repro", "distill_general"])
    while not list(clone.folder.glob(".checkpoints/distill_general/*/*/*.safetensors")):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return process, log


def test_ctrl_c_fails_the_run_and_the_same_command_resumes(undisturbed, tmp_path):
    """As a terminal sends it: to DVC and to the stage."""
    clone = undisturbed.copy(tmp_path / "clone")
    clone.run("rm", "-r", "models/general", "dvc.lock")
    clone.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    process, log = start_general_distillation(clone)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert "rerun the same command to resume" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert "distill_general" not in (clone.folder / "dvc.lock").read_text()
    checkpoints = clone.folder / ".checkpoints/distill_general"
    assert len(list(checkpoints.glob("*/"))) == 1
    assert "resuming after step" in clone.dvc("repro", "distill_general")
    name = "models/general/model.safetensors"
    assert (clone.folder / name).read_bytes() == (undisturbed.folder / name).read_bytes()
    assert not list(checkpoints.glob("*/"))


@pytest.mark.slow
def test_changed_settings_restart_from_scratch(undisturbed, tmp_path):
    clone = undisturbed.copy(tmp_path / "clone")
    clone.run("rm", "-r", "models/general", "dvc.lock")
    clone.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    process, _ = start_general_distillation(clone)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    remove_half_written(clone)
    clone.set("general.lr", 2e-3)
    assert "resuming after step" not in clone.dvc("repro", "distill_general")
    assert len(list((clone.folder / ".checkpoints/distill_general").glob("*/"))) == 1
