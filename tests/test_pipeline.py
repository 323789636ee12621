"""DVC's behaviour on the smoke recipe, in a scratch clone: what runs, what does not, what one sees.

The tests share one clone and one cache; each leaves the workspace as it found it.
"""

import json
import shutil

import pytest
import torch
from clone import Clone
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tinybert import params

ALL = {
    "data/dvc.yaml:harvest_docs",
    "fetch_pretrained",
    "prepare_corpus",
    "prepare_task@pydocs",
    "distill_general",
    "finetune_teacher@pydocs",
    "finetune_baseline@pydocs",
    "augment@pydocs",
    "distill_intermediate@pydocs",
    "label@pydocs",
    "distill_prediction@pydocs",
    "evaluate@pydocs",
    "export@pydocs",
    "report",
}
EVAL = "metrics/eval/pydocs.json"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    made = Clone(tmp_path_factory.mktemp("clone"))
    assert made.repro() == ALL
    made.commit("ran")
    return made


def test_the_second_repro_runs_nothing(clone):
    assert clone.repro() == set()
    assert "up to date" in clone.dvc("status")


def test_git_sees_only_locks_and_metrics(clone):
    """What DVC keeps is ignored by git, and no stage changed a tracked file."""
    shown = clone.git("show", "--name-only", "--format=", "HEAD").split()
    assert all(name.startswith("metrics/") or name.endswith("dvc.lock") for name in shown)
    assert {"dvc.lock", "data/dvc.lock", EVAL, "metrics/summary.json"} <= set(shown)


def test_metrics_hold_what_they_promise(clone):
    result = clone.read(EVAL)
    assert (result["split"], result["rows"], result["metric"]) == ("test", 60, "accuracy")
    for model in ("baseline", "teacher", "student"):
        assert set(result[model]) == {"accuracy", "f1_macro"}
        assert 0 <= result[model]["accuracy"] <= 1
    retention = result["student"]["accuracy"] / result["teacher"]["accuracy"]
    assert result["retention"]["accuracy"] == pytest.approx(retention, abs=2e-4)
    speed = clone.read("metrics/speed/pydocs.json")
    student = AutoModelForSequenceClassification.from_pretrained(
        clone.folder / "models/pydocs/student"
    )
    assert speed["student"]["parameters"] == sum(p.numel() for p in student.parameters())
    assert speed["teacher"]["latency_ms"] > 0 and speed["student"]["rows_per_second"] > 0
    data = clone.read("metrics/data/pydocs.json")
    assert {split: facts["rows"] for split, facts in data.items()} == {
        "train": 90, "dev": 60, "test": 60, "unlabeled": 60
    }  # fmt: skip
    assert data["train"]["labels"] == {"matplotlib": 30, "networkx": 30, "pandas": 30}


def test_every_model_loads_with_plain_transformers(clone):
    models = clone.folder / "models"
    for name in ("pretrained", "general", "pydocs/intermediate"):
        AutoTokenizer.from_pretrained(models / name)
        AutoModel.from_pretrained(models / name)
    for name in ("teacher", "baseline", "student"):
        folder = models / "pydocs" / name
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        assert model.config.id2label == {0: "matplotlib", 1: "networkx", 2: "pandas"}
    classify = pipeline("text-classification", model=str(models / "pydocs/student"))
    [found] = classify("Draws a line between two axes of the figure.")
    assert found["label"] in ("matplotlib", "networkx", "pandas")


def test_each_step_starts_from_the_student_of_the_step_before(clone):
    """With steps too small for float32, what went in comes out: the chain is in the weights."""
    clone.set("intermediate.lr", 1e-60)
    clone.set("prediction.lr", 1e-60)
    clone.repro()
    models = clone.folder / "models"
    general = load_file(models / "general/model.safetensors")
    intermediate = load_file(models / "pydocs/intermediate/model.safetensors")
    student = load_file(models / "pydocs/student/model.safetensors")
    assert general.keys() == intermediate.keys()
    for name, tensor in general.items():
        assert torch.equal(intermediate[name], tensor), name
        assert torch.equal(student[f"bert.{name}"], tensor), name
    restore(clone)


def restore(clone: Clone) -> None:
    """Takes an edit back: everything comes from the cache."""
    clone.git("checkout", "--", ".")
    assert clone.repro() == set()
    assert clone.git("status", "--porcelain") == ""


AFTER_PREDICTION = {"distill_prediction@pydocs", "evaluate@pydocs", "export@pydocs", "report"}
AFTER_INTERMEDIATE = {"distill_intermediate@pydocs", *AFTER_PREDICTION}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("prediction.temperature", 2.0, AFTER_PREDICTION),
        ("general.lr", 1e-3, {"distill_general", *AFTER_INTERMEDIATE}),
        ("augment.copies", 2, {"augment@pydocs", "label@pydocs", *AFTER_INTERMEDIATE}),
        ("evaluate.speed_rows", 8, {"evaluate@pydocs", "export@pydocs"}),
    ],
)
def test_an_edit_reruns_what_depends_on_it_and_nothing_else(clone, key, value, expected):
    clone.set(key, value)
    assert clone.repro() == expected
    restore(clone)


def test_editing_the_prediction_loss_leaves_the_intermediate_step_alone(clone):
    """A comment changes no result: the stages that use the module run, those after them do not."""
    file = clone.folder / "tinybert/logit_loss.py"
    file.write_text(file.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert clone.repro() == {
        "finetune_teacher@pydocs",
        "finetune_baseline@pydocs",
        "distill_prediction@pydocs",
    }
    restore(clone)


def experiments(clone: Clone) -> dict[str, dict]:
    """The experiments on HEAD by name, as dvc exp show has them."""
    shown = json.loads(clone.dvc("exp", "show", "--json"))
    found = {}
    for baseline in shown:
        for experiment in baseline["experiments"] or []:
            for revision in experiment["revs"]:
                found[revision["name"]] = revision["data"]
    return found


def test_experiments_in_the_workspace_and_in_a_copy(clone):
    clone.dvc("exp", "run", "--name", "here", "-S", "prediction.temperature=3")
    restore(clone)
    clone.dvc("exp", "run", "--temp", "--name", "apart", "-S", "prediction.lr=3e-3")
    assert clone.git("status", "--porcelain") == ""
    found = experiments(clone)
    assert len(found) == 2
    settings = [data["params"]["params.yaml"]["data"]["prediction"] for data in found.values()]
    assert sorted((s["temperature"], s["lr"], s["epochs"]) for s in settings) == [
        (1.0, 3e-3, 2), (3.0, 1e-3, 2)
    ]  # fmt: skip
    exported = "metrics/export/pydocs.json"
    assert all(set(data["metrics"]) == {EVAL, exported} for data in found.values())

    diff = json.loads(clone.dvc("metrics", "diff", "--json", "here", "apart"))
    assert set(diff) <= {EVAL, exported}
    shown = json.loads(clone.dvc("metrics", "diff", "--all", "--json", "here", "apart"))
    models = ("baseline", "teacher", "student", "retention")
    columns = {f"{model}.{metric}" for model in models for metric in ("accuracy", "f1_macro")}
    assert set(shown[EVAL]) == {*columns, "rows", "split", "metric"}

    out = clone.folder / "plots"
    clone.dvc("plots", "diff", "here", "apart", "--out", str(out))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "distill_prediction" in page and '"rev": "here"' in page and '"rev": "apart"' in page
    shutil.rmtree(out)


def test_a_misspelt_key_ends_in_an_error_before_any_stage_works(clone):
    said = clone.dvc("exp", "run", "-S", "general.learning_rat=1", ok=False)
    assert "general.learning_rat" in said and "Running stage" not in said
    said = clone.dvc("exp", "run", "-S", "+general.learning_rat=1", ok=False)
    assert "general.learning_rat: unknown key; did you mean general.lr?" in said
    assert "Traceback" not in said and "step/s" not in said
    restore(clone)


def test_a_number_in_exponent_form_reaches_the_stage(clone):
    clone.set("general.lr", "KEY")
    file = clone.folder / "params.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("lr: KEY", "lr: 3e-5"))
    said = clone.dvc("params", "diff", "--json")
    assert json.loads(said)["params.yaml"]["general.lr"]["new"] == 3e-5
    assert params.load(path=file).general.lr == 3e-5
    restore(clone)


def test_a_number_set_on_the_command_line_is_read_as_dvc_reads_it(clone, tmp_path):
    words = ("-S", "general.lr=3e-5", "-S", "corpus.max_tokens=1e4")
    clone.dvc("exp", "run", "--queue", "--name", "exponents", *words)
    queued = clone.git("show", "refs/exps/celery/stash:params.yaml")
    (tmp_path / "params.yaml").write_text(queued, encoding="utf-8")
    read = params.load(path=tmp_path / "params.yaml")
    assert read.general.lr == 3e-5 and read.corpus.max_tokens == 10_000
    clone.dvc("queue", "remove", "exponents")
    restore(clone)
