"""Many experiments at once, and results shared through a remote."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from clone import HOSTILE, ROOT, Clone
from ruamel.yaml import YAML
from safetensors.numpy import load_file

EVAL = "metrics/eval/mine.json"


def statuses(clone: Clone) -> dict[str, str]:
    """Of what was queued: name and status."""
    lines = clone.dvc("queue", "status").splitlines()[1:]
    words = [line.split() for line in lines if line.strip() and not line.startswith("Worker")]
    return {row[1]: row[-1] for row in words}


def worked_off(clone: Clone) -> dict[str, str]:
    """The statuses, when two workers have been through the queue. Their output goes to no pipe of
    ours, and they are ended by hand: celery's workers do not always end by themselves."""
    subprocess.run(
        [sys.executable, "-m", "dvc", "queue", "start", "-j", "2"],
        cwd=clone.folder,
        env=clone.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    until = time.monotonic() + 600
    while {"Queued", "Running"} & set((found := statuses(clone)).values()):
        assert time.monotonic() < until, found
        time.sleep(1)
    for file in (clone.folder / ".dvc/tmp/exps/celery").glob("*.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGKILL)
    return found


def test_eight_settings_on_two_workers_and_one_that_is_wrong(undisturbed):
    clone = undisturbed
    before = clone.read(EVAL)
    words = ["exp", "run", "--queue"]
    clone.dvc(*words, "-S", "export.max_drop=91,92,93,94", "-S", "evaluate.speed_rows=4,5")
    clone.dvc(*words, "--name", "wrong", "-S", "prediction.epochs=-1")
    found = worked_off(clone)
    assert found.pop("wrong") == "Failed"
    assert list(found.values()) == ["Success"] * 8, found
    logs = clone.dvc("queue", "logs", "wrong")
    assert "prediction.epochs: Input should be greater than" in logs and "Traceback" not in logs
    # The workspace is as it was.
    assert clone.git("status", "--porcelain") == "" and clone.read(EVAL) == before

    name, other = list(found)[:2]
    clone.dvc("exp", "apply", name)
    assert clone.dvc("repro").count("Running stage") == 0
    clone.git("checkout", "--", ".")
    clone.dvc("checkout")
    assert clone.repro() == set()
    clone.dvc("exp", "branch", name, "kept")
    assert "kept" in clone.git("branch", "--list", "kept")
    clone.dvc("exp", "remove", other)
    assert other not in clone.dvc("exp", "list", "--name-only")
    shown = clone.dvc("exp", "list", "--name-only").split()
    assert name in shown and len([word for word in shown if word in found]) == 7


def test_the_spread_over_seeds_is_that_of_the_experiments(undisturbed):
    """Branches stand in for experiments: whatever has params and metrics."""
    clone, home = undisturbed, undisturbed.git("rev-parse", "--abbrev-ref", "HEAD").strip()
    scores = {"of-11": 0.25, "of-12": 0.35, "of-13": 0.75, "other": 0.1}
    for name, score in scores.items():
        clone.git("checkout", "--quiet", "-b", name)
        text = (clone.folder / "params.yaml").read_text(encoding="utf-8")
        changed = "seed: 7" if name == "other" else f"seed: {name[3:]}"
        text = text.replace("seed: 1\n", f"{changed}\n").replace("seed: 1 ", f"{changed} ")
        (clone.folder / "params.yaml").write_text(text, encoding="utf-8")
        if name == "other":
            clone.set("general.lr", 0.5)
        found = clone.read(EVAL)
        found["student"]["accuracy"] = score
        (clone.folder / EVAL).write_text(json.dumps(found))
        clone.commit(name)
        clone.git("checkout", "--quiet", home)
    said = clone.run(sys.executable, "-m", "benchmarks.seeds", *scores, "--task", "mine")
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")]
    students = {row[0].strip(): row[3].strip() for row in rows}
    assert [row[0].strip() for row in rows].count("experiment") == 2  # two settings
    assert {name: students[name] for name in scores} == {
        "of-11": "25.0", "of-12": "35.0", "of-13": "75.0", "other": "10.0"
    }  # fmt: skip
    assert students["mean"] == f"{np.mean([25, 35, 75]):.1f}"
    assert students["sd"] == f"{np.std([25, 35, 75], ddof=1):.1f}"


def test_a_clone_elsewhere_pulls_instead_of_running(undisturbed, tmp_path):
    clone = undisturbed
    clone.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    clone.commit("a remote")
    clone.dvc("push")
    subprocess.run(["git", "clone", "--quiet", str(clone.folder), str(tmp_path / "b")], check=True)
    other = Clone.__new__(Clone)
    other.folder, other.environment = tmp_path / "b", clone.environment
    said = other.dvc("repro", "--allow-missing", "--dry")
    assert "Running stage" not in said
    said = other.dvc("repro", "--pull")
    assert "Running stage" not in said
    for file in ("models/mine/student/model.safetensors", EVAL, "metrics/speed/mine.json"):
        assert (other.folder / file).read_bytes() == (clone.folder / file).read_bytes()
    assert other.repro() == set()
    other.set("prediction.lr", 4e-3)
    assert "Running stage 'distill_prediction@mine'" in other.dvc(
        "repro", "--allow-missing", "--dry"
    )


def test_a_task_more_runs_its_own_stages_alone_and_its_own_teacher_is_not_trained(
    undisturbed, tmp_path
):
    """It has no dev file and no header, and settings of its own."""
    clone = undisturbed.copy(tmp_path / "clone")
    raw = clone.folder / "data/raw/more"
    raw.mkdir()
    rows = [f"{i} things\t{label}" for i in range(10) for label in HOSTILE]
    (raw / "train.txt").write_text("\n".join(rows) + "\n")
    student = clone.folder / "models/mine/student/model.safetensors"
    before = student.read_bytes()
    yaml = YAML()
    values = yaml.load(clone.folder / "params.yaml")
    values["tasks"].append("more")
    values["task"]["more"] = {"teacher": "models/mine/teacher", "augment": {"copies": 0}}
    yaml.dump(values, clone.folder / "params.yaml")
    stages = yaml.load(clone.folder / "dvc.yaml")["stages"]
    assert clone.repro() == {
        "report",
        *(f"{name}@more" for name in stages if "matrix" in stages[name]),
    }
    assert student.read_bytes() == before
    teacher, original = (
        load_file(clone.folder / f"models/{name}/teacher/model.safetensors")
        for name in ("more", "mine")
    )
    assert all(np.array_equal(teacher[key], original[key]) for key in original)
    data = clone.read("metrics/data/more.json")
    assert data["dev"]["taken_from_train"] == 4 and data["train"]["rows"] == 36
    assert clone.read("metrics/augment/more.json")["rows_out"] == 36
    assert set(clone.read("metrics/summary.json")["tasks"]) == {"mine", "more"}


def test_hostile_names_and_texts_ran_nothing_and_left_nothing_outside(undisturbed):
    folder = undisturbed.folder
    assert not [path for path in folder.parent.rglob("*pwned*") if ".dvc" not in path.parts]
    assert not Path(ROOT / "pwned").exists()
    config = undisturbed.read("models/mine/student/config.json")
    assert "<script>alert(1)</script>" in config["id2label"].values()
    assert len(config["id2label"]) == 4
