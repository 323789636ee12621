"""Experiments: in the workspace, in a copy, in a queue, and what compares them. On stub stages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from clone import Clone

from tinybert.pipeline import params

pytestmark = pytest.mark.xdist_group("stubs")

EVAL = "metrics/eval/pydocs.json"
EXPORTED = "metrics/export/pydocs.json"


def experiments(clone: Clone) -> dict[str, dict]:
    """The experiments on HEAD by name, as dvc exp show has them."""
    result = {}
    for baseline in json.loads(clone.dvc("exp", "show", "--json")):
        for experiment in baseline["experiments"] or []:
            for revision in experiment["revs"]:
                result[revision["name"]] = revision["data"]
    return result


def test_experiments_in_the_workspace_and_in_a_copy_are_compared(stubs):
    stubs.dvc("exp", "run", "--name", "here", "-S", "prediction.temperature=3")
    stubs.restore()
    stubs.dvc("exp", "run", "--temp", "--name", "apart", "-S", "prediction.lr=3e-3")
    assert stubs.git("status", "--porcelain") == ""
    shown = experiments(stubs)
    settings = {n: data["params"]["params.yaml"]["data"]["prediction"] for n, data in shown.items()}
    assert settings["here"]["temperature"] == 3.0 and settings["apart"]["lr"] == 3e-3
    assert all(
        set(data["metrics"]) == {EVAL, "metrics/export/pydocs.json"} for data in shown.values()
    )
    difference = json.loads(stubs.dvc("metrics", "diff", "--json", "here", "apart"))
    assert "student.accuracy" in difference[EVAL]
    out = stubs.folder / "plots"
    stubs.dvc("plots", "diff", "here", "apart", "--out", str(out))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "distill_prediction" in page and '"rev": "here"' in page and '"rev": "apart"' in page
    shutil.rmtree(out)
    stubs.dvc("exp", "remove", "here", "apart")


def test_a_number_in_exponent_form_is_read_as_dvc_reads_it(stubs, tmp_path):
    words = ("-S", "general.lr=3e-5", "-S", "corpus.max_tokens=1e4")
    stubs.dvc("exp", "run", "--queue", "--name", "exponents", *words)
    queued = stubs.git("show", "refs/exps/celery/stash:params.yaml")
    (tmp_path / "params.yaml").write_text(queued, encoding="utf-8")
    settings = params.load(path=tmp_path / "params.yaml")
    assert settings.general.lr == 3e-5 and settings.corpus.max_tokens == 10_000
    stubs.dvc("queue", "remove", "exponents")
    file = stubs.folder / "params.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("  lr: 8e-4", "  lr: 3e-5"), encoding="utf-8")
    difference = json.loads(stubs.dvc("params", "diff", "--json"))
    assert difference["params.yaml"]["general.lr"]["new"] == 3e-5
    assert params.load(path=file).general.lr == 3e-5
    stubs.restore()


def test_a_misspelt_key_is_an_error_that_names_the_right_one(stubs):
    output = stubs.dvc("exp", "run", "-S", "general.learning_rat=1", ok=False)
    assert "general.learning_rat" in output and "Running stage" not in output
    output = stubs.dvc("exp", "run", "-S", "+general.learning_rat=1", ok=False)
    assert "general.learning_rat: unknown key; did you mean general.lr?" in output
    assert "Traceback" not in output
    stubs.restore()


def statuses(clone: Clone) -> dict[str, str]:
    """Name and status of the queued experiments."""
    lines = clone.dvc("queue", "status").splitlines()[1:]
    words = [line.split() for line in lines if line.strip() and not line.startswith("Worker")]
    return {row[1]: row[-1] for row in words}


def run_queue(clone: Clone) -> dict[str, str]:
    """The statuses after two workers have run the queue. Their output goes to no pipe of ours, and
    they are killed: celery's workers do not always end by themselves."""
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
    deadline = time.monotonic() + 600
    while {"Queued", "Running"} & set((current := statuses(clone)).values()):
        assert time.monotonic() < deadline, current
        time.sleep(1)
    for file in (clone.folder / ".dvc/tmp/exps/celery").glob("*.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGKILL)
    return current


@pytest.mark.slow
def test_two_workers_run_a_queued_grid_and_a_failure_is_shown(stubs, tmp_path):
    clone = stubs.copy(tmp_path / "clone")
    before = clone.read(EVAL)
    words = ["exp", "run", "--queue"]
    clone.dvc(*words, "-S", "export.max_drop=91,92", "-S", "prediction.lr=1e-3,2e-3")
    clone.dvc(*words, "--name", "wrong", "-S", "prediction.epochs=-1")
    result = run_queue(clone)
    assert result.pop("wrong") == "Failed"
    assert list(result.values()) == ["Success"] * 4, result
    logs = clone.dvc("queue", "logs", "wrong")
    assert "prediction.epochs: Input should be greater than" in logs and "Traceback" not in logs
    assert clone.git("status", "--porcelain") == "" and clone.read(EVAL) == before
    name, other = list(result)[:2]
    clone.dvc("exp", "apply", name)
    assert clone.repro() == set()
    clone.git("checkout", "--", ".")
    clone.dvc("checkout")
    assert clone.repro() == set()
    clone.dvc("exp", "branch", name, "kept")
    assert "kept" in clone.git("branch", "--list", "kept")
    clone.dvc("exp", "remove", other)
    listed = clone.dvc("exp", "list", "--name-only").split()
    assert name in listed and other not in listed


def test_the_spread_over_seeds_is_that_of_the_experiments(stubs, tmp_path):
    """Branches stand in for experiments: anything that has params and metrics."""
    clone = stubs.copy(tmp_path / "clone")
    home = clone.git("rev-parse", "--abbrev-ref", "HEAD").strip()
    scores = {"of-11": 0.25, "of-12": 0.35, "of-13": 0.75, "other": 0.1}
    for name, score in scores.items():
        clone.git("checkout", "--quiet", "-b", name)
        clone.set("seed", 7 if name == "other" else int(name[3:]))
        if name == "other":
            clone.set("general.lr", 0.5)
        result = clone.read(EVAL)
        result |= {"metric": "accuracy", "retention": {"accuracy": 1.0}}
        result["student"]["accuracy"] = score
        (clone.folder / EVAL).write_text(json.dumps(result))
        exported = {"int8": {"accuracy": score + 0.01}}
        (clone.folder / EXPORTED).write_text(json.dumps(exported))
        clone.commit(name)
        clone.git("checkout", "--quiet", home)
    output = clone.run(sys.executable, "-m", "benchmarks.seeds", *scores, "--task", "pydocs")
    rows = [line.split("|")[1:-1] for line in output.splitlines() if line.startswith("|")]
    students = {row[0].strip(): row[3].strip() for row in rows}
    in_8_bits = {row[0].strip(): row[4].strip() for row in rows}
    assert [row[0].strip() for row in rows].count("experiment") == 2  # two settings
    assert {name: students[name] for name in scores} == {
        "of-11": "25.0", "of-12": "35.0", "of-13": "75.0", "other": "10.0"
    }  # fmt: skip
    assert in_8_bits["of-11"] == "26.0" and in_8_bits["other"] == "11.0"
    assert students["mean"] == f"{np.mean([25, 35, 75]):.1f}"
    assert students["sd"] == f"{np.std([25, 35, 75], ddof=1):.1f}"
