"""The directory for unfinished work: who uses it, when it is removed, and who waits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinybert.pipeline import resume
from tinybert.pipeline.errors import InputError

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


def compiled(file: Path) -> None:
    """What Python writes when it imports a module; DVC ignores it."""
    file.parent.mkdir()
    file.write_bytes(b"code")


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
    before = resume.fingerprint("label@mine")
    change(project)
    assert resume.fingerprint("label@mine") != before


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p / "params.yaml", "unread: 5", "unread: 6"),
        lambda p: replace(p / "params.yaml", "kind: b", "kind: c"),
        lambda p: (p / "data/other/train").write_text("row"),
        lambda p: os.utime(p / "text/a.txt", (0, 0)),
        lambda p: (p / "text/a.txt").chmod(0o444),
        lambda p: compiled(p / "text/__pycache__/a.cpython-311.pyc"),
        lambda p: compiled(p / "text/deep/__pycache__/b.cpython-311.pyc"),
    ],
)
def test_what_does_not_decide_the_result_leaves_the_fingerprint(project, change):
    before = resume.fingerprint("label@mine")
    change(project)
    assert resume.fingerprint("label@mine") == before


def test_each_task_and_each_version_of_a_library_has_another_fingerprint(project, monkeypatch):
    before = resume.fingerprint("label@mine")
    assert resume.fingerprint("label@other") != before
    monkeypatch.setattr(resume, "version", lambda library: "0.0")
    assert resume.fingerprint("label@mine") != before


def test_a_folder_survives_a_failure_and_is_removed_after_success(project):
    with pytest.raises(KeyError), resume.stage_dir() as folder:
        (folder / "shard").write_text("done")
        raise KeyError
    assert folder.is_relative_to(project / ".checkpoints/label@mine")
    with resume.stage_dir() as again:
        assert again == folder and (again / "shard").read_text() == "done"
    assert list((project / ".checkpoints/label@mine").iterdir()) == []


def test_other_settings_get_another_folder_and_leave_the_first(project):
    with pytest.raises(KeyError), resume.stage_dir() as folder:
        raise KeyError
    replace(project / "params.yaml", "seed: 1", "seed: 2")
    with resume.stage_dir() as other:
        assert other != folder
    assert folder.exists() and not other.exists()


def test_copies_of_the_workspace_share_the_folder_of_the_first(project, tmp_path, monkeypatch):
    """As dvc exp run --temp makes them: another working directory, the same DVC_ROOT."""
    with pytest.raises(KeyError), resume.stage_dir() as folder:
        raise KeyError
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(project), str(copy)], check=True)
    monkeypatch.chdir(copy)
    with resume.stage_dir() as again:
        assert again == folder


@pytest.mark.parametrize("missing", ["DVC_ROOT", "DVC_STAGE"])
def test_without_dvc_the_folder_is_temporary(project, monkeypatch, missing):
    monkeypatch.delenv(missing)
    with pytest.raises(KeyError), resume.stage_dir() as folder:
        assert folder.is_dir()
        raise KeyError
    assert not folder.exists() and not (project / ".checkpoints").exists()


def test_abandoned_folders_are_removed_after_a_week(project):
    folders = project / ".checkpoints/label@mine"
    week = time.time() - resume.WEEK
    for name, age in (("old", week - 60), ("young", week + 60)):
        (folders / name).mkdir(parents=True)
        (folders / name / "shard").write_text("")
        for path in (folders / name / "shard", folders / name):
            os.utime(path, (age, age))
    with resume.stage_dir():
        pass
    assert [path.name for path in folders.iterdir()] == ["young"]


def test_a_folder_in_use_stays_however_old_it_is(project):
    old = project / ".checkpoints/label@mine/old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    with resume._locked(old.with_suffix(".lock")), resume.stage_dir():
        pass
    assert old.exists()


RUN = """
import sys, time
from tinybert.pipeline import resume
with resume.stage_dir() as folder:
    print(folder, flush=True)
    if sys.argv[2] == "alone":
        (folder / "in use").touch(exist_ok=False)
    time.sleep(float(sys.argv[1]))
    (folder / "in use").unlink(missing_ok=True)
"""


def start(seconds: float, check: str = "") -> subprocess.Popen:
    """check: "alone" fails if another run uses the directory."""
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(seconds), check],
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
    message = second.stderr.readline()
    assert f"waiting for process {first.pid}," in message and f"kill {first.pid}" in message
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
    """All get the same folder, one after the other."""
    runs = [start(0.2, "alone") for _ in range(5)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 5
    assert len({out for out, _ in outputs}) == 1
    assert list((project / ".checkpoints/label@mine").iterdir()) == []


@pytest.mark.parametrize("setting", ["often", "", "nan", "-1"])
def test_an_interval_that_is_not_a_number_is_an_error(monkeypatch, setting):
    monkeypatch.setenv("TINYBERT_CHECKPOINT_SECONDS", setting)
    message = f"TINYBERT_CHECKPOINT_SECONDS: {setting!r} is not a number"
    with pytest.raises(InputError, match=message):
        resume.interval()
