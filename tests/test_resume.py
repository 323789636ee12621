"""kill -9 at random points of the pipeline, as `dvc repro` and as an experiment: what comes out in
the end is what an undisturbed run makes, byte for byte.

    TINYBERT_KILLS=100 pytest tests/test_resume.py -s

kills that often, 20 times if not set, and prints where.
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

KILLS = int(os.environ.get("TINYBERT_KILLS", "20"))
TRAININGS = (
    "distill_general", "finetune_teacher@mine", "finetune_baseline@mine",
    "distill_intermediate@mine", "distill_prediction@mine",
)  # fmt: skip
INTERVAL = 0.2  # seconds
# And the page that shows them.
TIMINGS = ("metrics/speed", "metrics/export_speed", "metrics/seconds", "report")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("TINYBERT_CHECKPOINT_SECONDS", str(INTERVAL))


def hashes(lock: str) -> dict[str, dict[str, str]]:
    """Of each stage's outs; those of timings are not there."""
    stages = YAML(typ="safe").load(lock)["stages"]
    return {
        name: {
            out["path"]: out["md5"] for out in stage["outs"] if not out["path"].startswith(TIMINGS)
        }
        for name, stage in stages.items()
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


def at_work(clone: Clone) -> tuple[str, Path] | None:
    """The training that is under way, and its folder."""
    for stage in TRAININGS:
        for folder in (clone.folder / ".checkpoints" / stage).glob("*/"):
            if (lock := folder.with_suffix(".lock")).exists() and is_alive(lock.read_text()):
                return stage, folder
    return None


def is_alive(number: str) -> bool:
    return number.isdigit() and Path(f"/proc/{number}").exists()


def remove_half_written(clone: Clone) -> None:
    """As README says: DVC killed while it notes who works at what leaves a file it cannot read."""
    for note in (clone.folder / ".dvc/tmp").rglob("rwlock"):
        try:
            json.loads(note.read_text())
        except json.JSONDecodeError:
            note.unlink()


def kill_often(clone: Clone, words: list[str], kills: int, choose: random.Random) -> Counter:
    """Runs DVC again and again, and kills it and all that it started somewhere in its trainings,
    then lets it end. Returns how often each training was killed and had something to go on from."""
    quota = -(-kills // len(TRAININGS))
    killed, resumable = Counter(), Counter()
    while killed.total() < kills:
        process, log = start(clone, words)
        while (found := at_work(clone)) is None or killed[found[0]] >= quota:
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        stage, folder = found
        before = set(folder.rglob("*.safetensors"))
        time.sleep(choose.uniform(0, 3))
        snapshots = {file: file.stat().st_mtime for file in folder.rglob("*.safetensors")}
        now = time.time()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        remove_half_written(clone)
        if folder.exists():
            killed[stage] += 1
            if snapshots:
                resumable[stage] += 1
                if set(snapshots) - before:
                    # What is lost is one interval, and the time of a step and of keeping a state.
                    assert now - max(snapshots.values()) < INTERVAL + 3
    process, log = start(clone, words)
    assert process.wait() == 0, log.read_text()
    assert "is damaged" not in said(clone)
    return resumable


def said(clone: Clone) -> str:
    """All that its runs printed."""
    logs = clone.folder.parent.glob(f"{clone.folder.name}-*.log")
    return "".join(log.read_text() for log in logs)


def check(kind: str, clone: Clone, kills: int, resumable: Counter) -> None:
    """A run may be killed again before it has gone on."""
    times = said(clone).count("going on after step")
    print(f"{kind}: {kills} kills, {resumable.total()} with a checkpoint; went on {times} times")
    assert resumable.total() >= times >= kills // 5


def test_killed_runs_of_dvc_repro_end_as_an_undisturbed_one(undisturbed, tmp_path_factory):
    clone = project(tmp_path_factory.mktemp("repro"))
    resumable = kill_often(clone, ["repro"], KILLS // 2, random.Random(1))
    check("dvc repro", clone, KILLS // 2, resumable)
    lock = (clone.folder / "dvc.lock").read_text()
    assert hashes(lock) == hashes((undisturbed.folder / "dvc.lock").read_text())
    for name in ("general", "mine/teacher", "mine/baseline", "mine/intermediate", "mine/student"):
        files = list((undisturbed.folder / "models" / name).iterdir())
        assert len(files) > 3
        for file in files:
            own = clone.folder / file.relative_to(undisturbed.folder)
            assert own.read_bytes() == file.read_bytes(), file
    assert not list((clone.folder / ".checkpoints").glob("*/*/"))
    assert "up to date" in clone.dvc("status")


def test_killed_experiments_end_as_an_undisturbed_run(undisturbed, tmp_path_factory):
    clone = project(tmp_path_factory.mktemp("temp"))
    words = ["exp", "run", "--temp", "--name", "killed"]
    resumable = kill_often(clone, words, KILLS - KILLS // 2, random.Random(2))
    check("dvc exp run --temp", clone, KILLS - KILLS // 2, resumable)
    references = clone.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    [name] = [reference for reference in references if reference.endswith("/killed")]
    lock = clone.git("show", f"{name}:dvc.lock")
    assert hashes(lock) == hashes((undisturbed.folder / "dvc.lock").read_text())
    assert clone.git("status", "--porcelain") == ""


def in_general_distillation(clone: Clone) -> tuple[subprocess.Popen, Path]:
    """Runs DVC until there is a checkpoint to go on from."""
    process, log = start(clone, ["repro", "distill_general"])
    while not list(clone.folder.glob(".checkpoints/distill_general/*/*/*.safetensors")):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return process, log


def test_ctrl_c_ends_the_run_as_a_failure_and_it_goes_on(undisturbed, tmp_path_factory):
    """As a terminal sends it: to DVC and to the stage."""
    clone = project(tmp_path_factory.mktemp("interrupted"))
    process, log = in_general_distillation(clone)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert "the same command goes on" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert "distill_general" not in (clone.folder / "dvc.lock").read_text()
    assert "going on after step" in clone.dvc("repro", "distill_general")
    name = "models/general/model.safetensors"
    assert (clone.folder / name).read_bytes() == (undisturbed.folder / name).read_bytes()


def test_changed_settings_start_afresh(tmp_path_factory):
    clone = project(tmp_path_factory.mktemp("changed"))
    process, _ = in_general_distillation(clone)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    clone.set("general.lr", 2e-3)
    assert "going on after step" not in clone.dvc("repro", "distill_general")
    assert len(list((clone.folder / ".checkpoints/distill_general").glob("*/"))) == 1
