"""The pipeline for real, on tiny models: what one run of it leaves."""

import importlib
import shutil

import pandas as pd
import pytest
import torch
from clone import HOSTILE, ROOT
from ruamel.yaml import YAML
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tinybert.deploy.classifier import Classifier

pytestmark = pytest.mark.xdist_group("real")

EVAL = "metrics/eval/mine.json"


def test_every_stage_ran_and_the_next_repro_runs_nothing(undisturbed):
    yaml = YAML(typ="safe", pure=True)
    lock = yaml.load((undisturbed.folder / "dvc.lock").read_text())
    stages = yaml.load((undisturbed.folder / "dvc.yaml").read_text())["stages"]
    assert set(lock["stages"]) == {
        f"{name}@mine" if "matrix" in stage else name for name, stage in stages.items()
    }
    assert undisturbed.repro() == set()
    assert undisturbed.git("status", "--porcelain") == ""


def test_timings_are_beside_the_run_and_in_no_lock(undisturbed):
    for file in ("fetch_pretrained.json", "distill_general.json", "label/mine.json"):
        assert undisturbed.read(f"metrics/seconds/{file}")["seconds"] > 0
    lock = (undisturbed.folder / "dvc.lock").read_text()
    assert "seconds" not in lock and "metrics/speed" not in lock and "index.html" not in lock
    [timed] = undisturbed.read("metrics/speed/mine.json")["one_thread"]["student"].values()
    assert timed["latency_ms"] > 0
    assert (undisturbed.folder / "report/index.html").is_file()


def test_scores_are_those_of_the_predictions(undisturbed):
    result = undisturbed.read(EVAL)
    predictions = pd.read_csv(undisturbed.folder / "metrics/predictions/mine.csv")
    assert (result["split"], result["rows"], result["metric"]) == ("dev", 20, "accuracy")
    for model in ("baseline", "finetuned_general", "teacher", "student"):
        right = (predictions[model] == predictions["actual"]).mean()
        assert result[model]["accuracy"] == pytest.approx(right, abs=1e-4)
    retention = result["student"]["accuracy"] / result["teacher"]["accuracy"]
    assert result["retention"]["accuracy"] == pytest.approx(retention, abs=2e-4)
    data = undisturbed.read("metrics/data/mine.json")
    assert {split: counts["rows"] for split, counts in data.items()} == {"train": 120, "dev": 20}


def test_every_model_loads_with_plain_transformers(undisturbed):
    models = undisturbed.folder / "models"
    for name in ("pretrained", "general", "mine/intermediate"):
        AutoTokenizer.from_pretrained(models / name)
        AutoModel.from_pretrained(models / name)
    labels = undisturbed.read("data/tasks/mine/task.json")["labels"]
    for name in ("teacher", "baseline", "finetuned_general", "student"):
        folder = models / "mine" / name
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        assert model.config.id2label == dict(enumerate(labels))
    classify = pipeline("text-classification", model=str(models / "mine/student"))
    [prediction] = classify("good film")
    [exported] = Classifier(models / "mine/onnx", "onnx")(["good film"])
    assert prediction["label"] == exported["label"]


def test_the_temperature_of_the_student_is_that_of_the_metrics(undisturbed):
    fitted = undisturbed.read("models/mine/student/config.json")["calibration"]
    shown = undisturbed.read(EVAL)["calibration"]
    assert shown["temperature"] == fitted["temperature"] > 0
    assert shown["fitted_on_it"] is (undisturbed.read(EVAL)["split"] == "dev")


def assert_same(tensor, expected, name):
    """Equal, but for the table of tokens, which is the product of its factors: rounding."""
    rounding = 1e-6 if name == "embeddings.word_embeddings.weight" else 0
    torch.testing.assert_close(tensor, expected, rtol=0, atol=rounding, msg=name)


def test_each_step_starts_from_the_student_of_the_step_before(undisturbed, tmp_path, monkeypatch):
    """With steps too small for float32, the weights that go in come out: the chain is in them."""
    folder = undisturbed.copy(tmp_path / "clone")
    for step in ("intermediate", "prediction"):
        folder.set(f"{step}.lr", 1e-60)
        folder.set(f"{step}.epochs", 1)
    monkeypatch.chdir(folder.folder)
    shutil.rmtree("models/mine/intermediate")
    shutil.rmtree("models/mine/student")
    for stage in ("distill_intermediate", "distill_prediction"):
        importlib.import_module(f"stages.{stage}").main("mine")
    general = load_file("models/mine/general/model.safetensors")
    intermediate = load_file("models/mine/intermediate/model.safetensors")
    student = load_file("models/mine/student/model.safetensors")
    assert general.keys() == intermediate.keys()
    for name, tensor in general.items():
        assert_same(intermediate[name], tensor, name)
        assert_same(student[f"bert.{name}"], tensor, name)


def test_a_teacher_that_is_given_is_not_trained(undisturbed, tmp_path, monkeypatch):
    """The task has no dev file and no header, and settings of its own."""
    clone = undisturbed.copy(tmp_path / "clone")
    (clone.folder / "data/raw/more").mkdir()
    rows = [f"{i} things\t{label}" for i in range(10) for label in HOSTILE]
    (clone.folder / "data/raw/more/train.txt").write_text("\n".join(rows) + "\n")
    shutil.copytree(clone.folder / "models/mine/teacher", clone.folder / "data/models/given")
    yaml = YAML()
    values = yaml.load(clone.folder / "params.yaml")
    values["tasks"].append("more")
    values["task"]["more"] = {
        "data": {"teacher": "data/models/given"}, "augment": {"copies": 0},
        "intermediate": {}, "prediction": {},
    }  # fmt: skip
    yaml.dump(values, clone.folder / "params.yaml")
    monkeypatch.chdir(clone.folder)
    for stage in ("prepare_task", "finetune_teacher", "augment"):
        importlib.import_module(f"stages.{stage}").main("more")
    teacher, given = (
        load_file(folder / "model.safetensors")
        for folder in (clone.folder / "models/more/teacher", clone.folder / "data/models/given")
    )
    assert all(torch.equal(teacher[key], given[key]) for key in given)
    data = clone.read("metrics/data/more.json")
    assert data["dev"]["taken_from_train"] == 4 and data["train"]["rows"] == 36
    assert clone.read("metrics/augment/more.json")["rows_out"] == 36


def test_hostile_names_and_texts_ran_nothing_and_left_nothing_outside(undisturbed):
    folder = undisturbed.folder
    assert not [path for path in folder.parent.rglob("*pwned*") if ".dvc" not in path.parts]
    assert not (ROOT / "pwned").exists()
    config = undisturbed.read("models/mine/student/config.json")
    assert "<script>alert(1)</script>" in config["id2label"].values()
    assert len(config["id2label"]) == 4


def test_without_epochs_step_1_leaves_the_general_student(undisturbed, tmp_path, monkeypatch):
    clone = undisturbed.copy(tmp_path / "clone")
    clone.set("intermediate.epochs", 0)
    monkeypatch.chdir(clone.folder)
    shutil.rmtree("models/mine/intermediate")
    importlib.import_module("stages.distill_intermediate").main("mine")
    general, intermediate = (
        load_file(f"models/mine/{name}/model.safetensors") for name in ("general", "intermediate")
    )
    for name, tensor in general.items():
        assert_same(intermediate[name], tensor, name)
    skipped = clone.read("metrics/distill_intermediate/mine/skipped.json")
    assert skipped == {"skipped": "intermediate.epochs is 0"}


@pytest.mark.slow
def test_a_task_alone_is_enough(undisturbed, tmp_path):
    """No general text and no general distillation: the corpus is the texts of train, and the
    general student is its start."""
    clone = undisturbed.copy(tmp_path / "clone")
    clone.set("corpus.path", None)
    clone.set("general.epochs", 0)
    clone.set("student.hidden_size", 8)  # the teacher's, and all of its layers
    clone.set("student.num_hidden_layers", 2)
    clone.set("student.intermediate_size", 16)
    clone.dvc("repro", "distill_general")
    texts = pd.read_parquet(clone.folder / "data/tasks/mine/train.parquet")["text_a"]
    cleaned = {" ".join(text.split()) for text in texts}
    corpus = clone.read("data/corpus/summary.json")
    assert corpus["paragraphs"] - corpus["duplicates"] == len(cleaned)
    assert clone.read("metrics/distill_general/metrics.json")["loss"] < 1e-3
    assert clone.repro("distill_general") == set()


@pytest.mark.parametrize("words", [300, 600])
def test_the_documented_pipeline_answers_as_tinybert_predict(undisturbed, words):
    """The end of the text has other words than its beginning; the model has 64 positions."""
    models = undisturbed.folder / "models/mine"
    call = 'pipeline("text-classification", model="models/T/student", truncation=True)'
    assert f"transformers.{call}" in (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    classify = pipeline("text-classification", model=str(models / "student"), truncation=True)
    text = " ".join(["good film"] * (words // 4) + ["terrible music"] * (words // 4))
    [prediction] = classify(text)
    [exported] = Classifier(models / "onnx", "onnx")([text])
    assert prediction["label"] == exported["label"]
    expected = exported["probabilities"][exported["label"]]
    assert prediction["score"] == pytest.approx(expected, abs=1e-4)


def test_the_second_baseline_starts_from_the_general_student(undisturbed, tmp_path, monkeypatch):
    """With steps too small for float32, the weights that go in come out."""
    clone = undisturbed.copy(tmp_path / "clone")
    clone.set("teacher.lr", 1e-60)
    clone.set("teacher.epochs", 1)
    monkeypatch.chdir(clone.folder)
    shutil.rmtree("models/mine/finetuned_general")
    importlib.import_module("stages.finetune_general").main("mine")
    general, tuned = (
        load_file(f"models/{name}/model.safetensors")
        for name in ("general", "mine/finetuned_general")
    )
    assert all(torch.equal(tuned[f"bert.{name}"], tensor) for name, tensor in general.items())
