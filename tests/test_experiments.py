"""Many experiments at once, and results shared through a remote."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clone import ROOT, Clone

EVAL = "metrics/eval/mine.json"


def statuses(clone: Clone) -> dict[str, str]:
    """Of what was queued: name and status."""
    lines = clone.dvc("queue", "status").splitlines()[1:]
    words = [line.split() for line in lines if line.strip() and not line.startswith("Worker")]
    return {row[1]: row[-1] for row in words}


def test_eight_settings_on_two_workers_and_one_that_is_wrong(undisturbed):
    clone = undisturbed
    before = clone.read(EVAL)
    words = ["exp", "run", "--queue"]
    grid = ["prediction.temperature=1,2", "prediction.lr=2e-3,3e-3", "intermediate.lr=2e-3,3e-3"]
    clone.dvc(*words, *(word for setting in grid for word in ("-S", setting)))
    clone.dvc(*words, "--name", "wrong", "-S", "prediction.epochs=-1")
    clone.dvc("queue", "start", "-j", "2")
    for _ in range(400):
        found = statuses(clone)
        if not {"Queued", "Running"} & set(found.values()):
            break
        time.sleep(1)
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
    clone.dvc("exp", "branch", name, "kept")
    assert "kept" in clone.git("branch", "--list", "kept")
    clone.dvc("exp", "remove", other)
    assert other not in clone.dvc("exp", "list", "--name-only")
    shown = clone.dvc("exp", "list", "--name-only").split()
    assert name in shown and len([word for word in shown if word in found]) == 7


def test_the_spread_over_seeds_is_that_of_the_experiments(undisturbed):
    clone = undisturbed
    for seed in (11, 12):
        clone.dvc("exp", "run", "--temp", "--name", f"of-{seed}", "-S", f"seed={seed}")
    said = clone.run(sys.executable, "-m", "benchmarks.seeds", "of-11", "of-12", "--task", "mine")
    scores = [
        json.loads(clone.dvc("metrics", "diff", "--all", "--json", "HEAD", f"of-{seed}"))
        for seed in (11, 12)
    ]
    students = [100 * found[EVAL]["student.accuracy"]["new"] for found in scores]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in said.splitlines()}
    mean = sum(students) / 2
    assert [float(rows[name][2]) for name in ("of-11", "of-12")] == pytest.approx(students, abs=0.1)
    assert float(rows["mean"][2]) == pytest.approx(mean, abs=0.1)
    deviation = (sum((value - mean) ** 2 for value in students) / 1) ** 0.5
    assert float(rows["sd"][2]) == pytest.approx(deviation, abs=0.1)


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


def test_hostile_names_and_texts_ran_nothing_and_left_nothing_outside(undisturbed):
    folder = undisturbed.folder
    assert not [path for path in folder.parent.rglob("*pwned*") if ".dvc" not in path.parts]
    assert not Path(ROOT / "pwned").exists()
    config = undisturbed.read("models/mine/student/config.json")
    assert "<script>alert(1)</script>" in config["id2label"].values()
    assert len(config["id2label"]) == 4
