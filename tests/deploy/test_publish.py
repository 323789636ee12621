"""A published folder is a repository for the hub, whose card names the student's origin."""

import errno
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from repositories import make_repository
from transformers import pipeline

from tinybert.deploy import publish
from tinybert.deploy.classifier import Classifier
from tinybert.pipeline import errors
from tinybert.pipeline.errors import InputError


@pytest.fixture
def project(exported):
    """A git repository with an exported student; params.yaml is committed."""
    folder = exported("classification")
    make_repository(folder)
    return folder


def test_the_card_has_scores_licence_settings_and_the_commit(project):
    publish.write("mine", project / "out", "apache-2.0")
    card = ModelCard.load(project / "out/README.md")
    assert card.data.license == "apache-2.0"
    [result] = [r for r in card.data.eval_results if r.metric_type == "accuracy"]
    scores = json.loads((project / "metrics/eval/mine.json").read_text())
    assert result.metric_value == scores["student"]["accuracy"]
    assert "dev split, 19 rows, chosen on it" in card.text
    for role in ("baseline", "finetuned_general", "teacher", "student"):
        low, high = scores["intervals"][role]["accuracy"]
        assert f"{low:.4g} to {high:.4g}" in card.text
    assert "general student, labels alone" in card.text
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert commit.strip() in card.text and "uncommitted changes" not in card.text
    assert "someone/bert (v1)" in card.text
    block = card.text.partition("```yaml\n")[2].partition("```")[0]
    settings = yaml.safe_load(block)
    assert settings["general"]["lr"] == pytest.approx(8e-4)
    assert settings["training"]["batch_size"] == 32


def test_the_card_mentions_uncommitted_changes(project):
    with (project / "params.yaml").open("a") as file:
        file.write("# changed\n")
    publish.write("mine", project / "out", "mit")
    assert "and uncommitted changes" in (project / "out/README.md").read_text()


def test_the_folder_works_for_transformers_and_for_the_command(project):
    publish.write("mine", project / "out", "mit")
    [expected] = pipeline("text-classification", model=str(project / "out"))("good film")
    [prediction] = Classifier(project / "out", "onnx")(["good film"])
    label = prediction["label"]
    assert label == expected["label"]
    assert prediction["probabilities"][label] == pytest.approx(expected["score"], abs=1e-4)


@pytest.mark.parametrize("words", [5, 300])
def test_the_cards_snippet_cuts_long_texts_as_the_classifier_does(project, words):
    publish.write("mine", project / "out", "mit")
    text = "good film " * words
    code = (project / "out/README.md").read_text().partition("```python\n")[2].partition("```")[0]
    code = code.replace('"mine"', repr(str(project / "out"))).replace('"some text"', repr(text))
    scope = {}
    exec(code.replace("classify(", "result = classify("), scope)
    [prediction] = Classifier(project / "out", "onnx")([text])
    assert scope["result"][0]["label"] == prediction["label"]
    expected = prediction["probabilities"][prediction["label"]]
    assert scope["result"][0]["score"] == pytest.approx(expected, abs=1e-4)


def test_nothing_is_overwritten_and_missing_outputs_are_named(project):
    with pytest.raises(InputError, match="models exists; remove it"):
        publish.write("mine", project / "models", "mit")
    with pytest.raises(InputError, match="models/other/student.* is missing; run dvc repro"):
        publish.write("other", project / "out", "mit")


def test_scores_of_an_earlier_version_are_named(project):
    file = project / "metrics/eval/mine.json"
    scores = json.loads(file.read_text())
    del scores["intervals"]
    file.write_text(json.dumps(scores))
    with pytest.raises(InputError, match="mine.json was written by an earlier version; run dvc"):
        publish.write("mine", project / "out", "mit")


def test_outside_of_a_git_repository_the_error_says_that_a_commit_is_needed(project):
    (project / ".git").rename(project / "git")
    with pytest.raises(InputError, match="must name a commit, but git failed: .*repository"):
        publish.write("mine", project / "out", "mit")
    assert not (project / "out").exists()


def test_a_full_disk_leaves_no_half_repository(project, monkeypatch):
    copy = shutil.copyfile

    def refuse(source, out):
        if Path(out).name == "model.onnx":
            Path(out).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(out))
        return copy(source, out)

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(SystemExit, match=r"out/model\.onnx: the disk is full; free some space"):
        errors.run(publish.write, "mine", project / "out", "mit")
    assert not list(project.glob("*out*"))
    monkeypatch.setattr(shutil, "copyfile", copy)
    publish.write("mine", project / "out", "mit")


def test_a_read_only_folder_is_one_message(project, monkeypatch):
    def refuse(self, *arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        SystemExit, match=r"unfinished-out: the disk is read-only; make it writable"
    ):
        errors.run(publish.write, "mine", project / "out", "mit")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("models/mine/student/model.safetensors", None),
        ("models/mine/student/model.safetensors", "half"),
        ("models/mine/student/config.json", "{"),
        ("models/mine/onnx/model.onnx", "half"),
        ("models/mine/onnx/task.json", "{}"),
        ("models/pretrained/source.json", "{}"),
        ("metrics/eval/mine.json", "[]"),
        ("metrics/eval/mine.json", '{"intervals": {}, "student": {}}'),
        ("metrics/export/mine.json", '{"int8": {"interval": [0, 1]}}'),
        ("metrics/export/mine.json", '{"int8": 5}'),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_published(project, file, content):
    if content is None:
        (project / file).unlink()
    else:
        (project / file).write_text(content)
    name = re.escape(file.rpartition("/")[2])
    with pytest.raises(InputError, match=name):
        publish.write("mine", project / "out", "mit")
    assert not (project / "out").exists()
