"""Revisions are read from git, by all names that DVC knows them by."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from runs import Page, write_run

from tinybert.commands import cli
from tinybert.commands.compare import compare
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError


def git(*words: str) -> None:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *settings, *words], check=True, capture_output=True)


def set_temperature(value: float) -> None:
    file = Path("params.yaml")
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = [f"  temperature: {value}" if "temperature:" in line else line for line in lines]
    file.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def project(exported, monkeypatch):
    """A commit, an experiment `soft` on it, and a workspace, with three temperatures."""
    folder = exported("classification")
    write_run()
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    Path(".gitignore").write_text("/models/\n/data/\n/report/\n")
    git("init", "--initial-branch=main")
    Repo.init().close()
    git("add", "--all")
    git("commit", "--message", "first")
    set_temperature(2.5)
    with Repo() as repo:
        repo.experiments.save(name="soft")
    set_temperature(7)
    return folder


def test_commits_experiments_and_the_workspace_are_compared(project):
    assert compare(["HEAD", "soft", "workspace"]) == paths.COMPARISON
    shown = Page(paths.COMPARISON)
    assert "A HEAD B soft C workspace" in shown.text
    [row] = shown.rows("params.yaml").values()
    assert row == {"params.yaml": "prediction.temperature", "A": "1", "B": "2.5", "C": "7"}
    assert list(shown.rows("run")) == ["A", "B", "C"]


def test_the_command_prints_the_path_of_the_page(project, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tinybert", "compare", "HEAD"])
    cli.main()
    assert capsys.readouterr().out == f"the page: {paths.COMPARISON}\n"


@pytest.mark.parametrize("revision", ["nothing", "HEAD~5"])
def test_an_unknown_revision_is_named(project, revision):
    with pytest.raises(InputError, match=rf"^{revision}: .*dvc exp list names the experiments"):
        compare(["HEAD", revision])
    assert not paths.COMPARISON.exists()


def test_an_empty_name_is_refused(project):
    with pytest.raises(InputError, match="a name is empty; dvc exp list"):
        compare(["HEAD", ""])


def test_a_revision_without_results_is_named(project):
    git("rm", "-r", "--cached", "--quiet", "metrics/eval")
    git("commit", "--message", "no scores")
    with pytest.raises(InputError, match=r"^HEAD: metrics/eval/mine\.json is missing"):
        compare(["HEAD"])
    git("rm", "-r", "--cached", "--quiet", "metrics")
    git("commit", "--message", "no metrics")
    with pytest.raises(InputError, match=r"^HEAD has no .*metrics"):
        compare(["HEAD"])


def test_more_runs_than_there_are_colours_are_refused(project):
    with pytest.raises(InputError, match="11 are too many to compare; name 10 or fewer"):
        compare([f"r{i}" for i in range(11)])
