"""A published folder is a repository of the hub, and says where the student comes from."""

import json
import subprocess

import pytest
import yaml
from huggingface_hub import ModelCard
from transformers import pipeline

from tinybert import evaluate, export, publish
from tinybert.classifier import Classifier
from tinybert.schema import Evaluate


@pytest.fixture
def project(finished, monkeypatch):
    folder = finished("classification")
    settings = Evaluate(batch_size=4, speed_rows=2)
    evaluate.run("mine", 32, settings, folder / "metrics")
    export.run("mine", 32, settings, 100.0, folder / "metrics")
    (folder / "models/pretrained").mkdir()
    source = {"model": "someone/bert", "revision": "v1", "sha256": "0"}
    (folder / "models/pretrained/source.json").write_text(json.dumps(source))
    text = (publish.Path(__file__).parent.parent / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("tasks: [pydocs]", "tasks: [mine]").replace("  pydocs: {}", "  mine: {}")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    for words in (
        ["init", "--quiet"], ["add", "params.yaml"],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "a"],
    ):  # fmt: skip
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def test_the_card_has_scores_licence_settings_and_the_commit(project):
    publish.write("mine", project / "out", "apache-2.0")
    card = ModelCard.load(project / "out/README.md")
    assert card.data.license == "apache-2.0"
    [result] = [r for r in card.data.eval_results if r.metric_type == "accuracy"]
    found = json.loads((project / "metrics/eval/mine.json").read_text())
    assert result.metric_value == found["student"]["accuracy"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert commit.strip() in card.text and "and changes to it" not in card.text
    assert "someone/bert (v1)" in card.text
    block = card.text.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(block)["general"]["lr"] == pytest.approx(8e-4)


def test_changes_that_are_in_no_commit_are_said(project):
    with (project / "params.yaml").open("a") as file:
        file.write("# changed\n")
    publish.write("mine", project / "out", "mit")
    assert "and changes to it" in (project / "out/README.md").read_text()


def test_the_folder_works_for_transformers_and_for_the_command(project):
    publish.write("mine", project / "out", "mit")
    [said] = pipeline("text-classification", model=str(project / "out"))("good film")
    [own] = Classifier(project / "out", "onnx")(["good film"])
    assert own["label"] == said["label"]
    assert own["probabilities"][said["label"]] == pytest.approx(said["score"], abs=1e-4)


def test_nothing_is_overwritten_and_what_is_missing_is_named(project):
    with pytest.raises(ValueError, match="is there already"):
        publish.write("mine", project / "models", "mit")
    with pytest.raises(ValueError, match="models/other/student.*dvc repro makes it"):
        publish.write("other", project / "out", "mit")
