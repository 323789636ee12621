"""The paths are those that dvc.yaml and git declare."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tinybert.pipeline import paths

ROOT = Path(__file__).parents[2]
PIPELINE = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
TRAININGS = [name for name in STAGES if name.startswith(("distill_", "finetune_"))]


def outs(stage: str) -> set[Path]:
    """The outs, metrics and plots of a stage, for a task `mine`."""
    entries = [
        entry for key in ("outs", "metrics", "plots") for entry in STAGES[stage].get(key, [])
    ]
    files = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    return {Path(file.replace("${item.task}", "mine")) for file in files}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("fetch_pretrained", {paths.PRETRAINED, paths.PUBLISHED_STUDENT}),
        ("prepare_corpus", {paths.CORPUS}),
        (
            "prepare_task",
            {paths.tables("mine"), paths.texts("mine"), paths.metrics("data", "mine")},
        ),
        ("augment", {paths.augmented("mine"), paths.metrics("augment", "mine")}),
        ("label", {paths.teacher_logits("mine"), paths.metrics("label", "mine")}),
        ("export", {paths.model("mine", "onnx"), paths.metrics("export", "mine")}),
        ("report", {paths.SUMMARY, paths.SCORES}),
    ],
)
def test_the_outs_of_a_stage_have_these_paths(stage, expected):
    assert outs(stage) == expected


@pytest.mark.parametrize("stage", TRAININGS)
def test_a_stage_that_trains_writes_a_model_and_its_curves(stage):
    if stage == "distill_general":
        model, log = paths.GENERAL, paths.log(stage)
    else:
        roles = {"distill_prediction": "student", "finetune_general": "finetuned_general"}
        role = roles.get(stage, stage.partition("_")[2])
        model, log = paths.model("mine", role), paths.log(stage, "mine")
    assert outs(stage) == {model, log}


def test_local_models_vectors_and_raw_files_are_deps():
    deps = {dep.replace("${item.task}", "mine") for s in STAGES.values() for dep in s["deps"]}
    assert {str(paths.LOCAL_MODELS), str(paths.LOCAL_VECTORS), str(paths.raw("mine"))} <= deps


def test_a_teacher_that_the_user_brings_is_part_of_the_tasks_out():
    assert paths.teacher_source("mine").is_relative_to(paths.tables("mine"))


@pytest.mark.parametrize("path", [paths.SECONDS, paths.SPEED, paths.PAGE])
def test_timings_and_the_page_are_tracked_by_neither_dvc_nor_git(path):
    assert not any(path.is_relative_to(out) for stage in STAGES for out in outs(stage))
    file = path if path.suffix else path / "mine.json"
    assert subprocess.run(["git", "check-ignore", "-q", str(file)], cwd=ROOT).returncode == 0
