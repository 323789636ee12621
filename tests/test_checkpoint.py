"""The folder of what is under way: whose it is, when it goes, and who waits for whom."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinybert import checkpoint

PIPELINE = """
stages:
  label:
    matrix: {task: "${tasks}"}
    cmd: python -m stages.label ${item.task}
    deps: [code.py, "data/${item.task}", "${corpus.path}"]
    params: [encode, seed, "task.${item.task}"]
    outs: ["out/${item.task}"]
"""
PARAMS = """
tasks: [mine, other]
task: {mine: {kind: a}, other: {kind: b}}
seed: 1
corpus: {path: text}
encode: {max_length: 64}
unread: 5
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    for name, text in {
        "dvc.yaml": PIPELINE, "params.yaml": PARAMS, "code.py": "x = 1", "text/a.txt": "some text",
        "text/deep/b.txt": "more", "data/mine/train": "rows", "data/other/train": "rows",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("DVC_STAGE", "label@mine")
    return folder


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p / "params.yaml", "seed: 1", "seed: 2"),
        lambda p: replace(p / "params.yaml", "max_length: 64", "max_length: 32"),
        lambda p: replace(p / "params.yaml", "kind: a", "kind: c"),
        lambda p: replace(p / "code.py", "1", "2"),
        lambda p: replace(p / "text/deep/b.txt", "more", "less"),
        lambda p: (p / "text/c.txt").write_text(""),
        lambda p: (p / "text/a.txt").rename(p / "text/d.txt"),
        lambda p: (p / "data/mine/train").write_text("row"),
    ],
)
def test_what_decides_the_result_changes_the_fingerprint(project, change):
    before = checkpoint.fingerprint("label@mine")
    change(project)
    assert checkpoint.fingerprint("label@mine") != before


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p / "params.yaml", "unread: 5", "unread: 6"),
        lambda p: replace(p / "params.yaml", "kind: b", "kind: c"),
        lambda p: (p / "data/other/train").write_text("row"),
        lambda p: os.utime(p / "text/a.txt", (0, 0)),
        lambda p: (p / "text/a.txt").chmod(0o444),
    ],
)
def test_what_does_not_decide_it_leaves_the_fingerprint(project, change):
    before = checkpoint.fingerprint("label@mine")
    change(project)
    assert checkpoint.fingerprint("label@mine") == before


def test_tasks_and_libraries_have_fingerprints_of_their_own(project, monkeypatch):
    before = checkpoint.fingerprint("label@mine")
    assert checkpoint.fingerprint("label@other") != before
    monkeypatch.setattr(checkpoint, "version", lambda library: "0.0")
    assert checkpoint.fingerprint("label@mine") != before


def test_a_folder_outlives_a_failure_and_goes_with_success(project):
    with pytest.raises(KeyError), checkpoint.stage() as folder:
        (folder / "shard").write_text("done")
        raise KeyError
    assert folder.is_relative_to(project / ".checkpoints/label@mine")
    with checkpoint.stage() as again:
        assert again == folder and (again / "shard").read_text() == "done"
    assert list((project / ".checkpoints/label@mine").iterdir()) == []


def test_other_settings_start_afresh_and_harm_nothing(project):
    with pytest.raises(KeyError), checkpoint.stage() as folder:
        raise KeyError
    replace(project / "params.yaml", "seed: 1", "seed: 2")
    with checkpoint.stage() as other:
        assert other != folder
    assert folder.exists() and not other.exists()


def test_copies_of_the_workspace_share_the_folder_of_the_first(project, tmp_path, monkeypatch):
    """As dvc exp run --temp makes them: another working directory, the same DVC_ROOT."""
    with pytest.raises(KeyError), checkpoint.stage() as folder:
        raise KeyError
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(project), str(copy)], check=True)
    monkeypatch.chdir(copy)
    with checkpoint.stage() as again:
        assert again == folder


@pytest.mark.parametrize("missing", ["DVC_ROOT", "DVC_STAGE"])
def test_without_dvc_nothing_is_kept(project, monkeypatch, missing):
    monkeypatch.delenv(missing)
    with pytest.raises(KeyError), checkpoint.stage() as folder:
        assert folder.is_dir()
        raise KeyError
    assert not folder.exists() and not (project / ".checkpoints").exists()


def test_what_nobody_came_back_to_goes_after_a_week(project):
    folders = project / ".checkpoints/label@mine"
    week = time.time() - checkpoint.WEEK
    for name, age in (("old", week - 60), ("young", week + 60)):
        (folders / name).mkdir(parents=True)
        (folders / name / "shard").write_text("")
        for path in (folders / name / "shard", folders / name):
            os.utime(path, (age, age))
    with checkpoint.stage():
        pass
    assert [path.name for path in folders.iterdir()] == ["young"]


def test_what_is_in_use_stays_however_old(project):
    old = project / ".checkpoints/label@mine/old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    with checkpoint._locked(old.with_suffix(".lock")), checkpoint.stage():
        pass
    assert old.exists()


RUN = """
import sys, time
from tinybert import checkpoint
with checkpoint.stage() as folder:
    print(folder, flush=True)
    time.sleep(float(sys.argv[1]))
"""


def start(seconds: float) -> subprocess.Popen:
    root = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(seconds)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_second_run_of_a_stage_waits_and_names_the_first(
    project, tmp_path, monkeypatch, elsewhere
):
    """Also if it is in a copy of the workspace; and kill -9 lets it in at once."""
    first = start(120)
    folder = first.stdout.readline()
    if elsewhere:
        copy = tmp_path / "copy"
        subprocess.run(["cp", "-r", str(project), str(copy)], check=True)
        monkeypatch.chdir(copy)
    second = start(0)
    said = second.stderr.readline()
    assert f"waiting for process {first.pid}," in said and f"kill {first.pid}" in said
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.communicate(timeout=60)[0] == folder and second.returncode == 0


def test_two_settings_in_copies_do_not_wait_for_each_other(project, tmp_path, monkeypatch):
    first = start(120)
    first.stdout.readline()
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(project), str(copy)], check=True)
    replace(copy / "params.yaml", "seed: 1", "seed: 2")
    monkeypatch.chdir(copy)
    second = start(0)
    assert second.communicate(timeout=60)[1] == "" and second.returncode == 0
    first.kill()
    first.wait()


def test_many_runs_of_one_stage_take_turns(project):
    """No two of them are in at once, and each finds an empty folder."""
    runs = [start(0.2) for _ in range(5)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 5
    assert len({out for out, _ in outputs}) == 1
    assert list((project / ".checkpoints/label@mine").iterdir()) == []


@pytest.mark.parametrize("said", ["often", ""])
def test_an_interval_that_is_no_number_is_named(monkeypatch, said):
    monkeypatch.setenv("TINYBERT_CHECKPOINT_SECONDS", said)
    with pytest.raises(ValueError, match=f"TINYBERT_CHECKPOINT_SECONDS: {said!r} is no number"):
        checkpoint.interval()
