"""What an edit reruns, and what it does not: DVC on stub stages."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from clone import Clone, stubbed, task_settings
from ruamel.yaml import YAML
from test_documents import ROOT, blocks

pytestmark = pytest.mark.xdist_group("stubs")

RESULTS = {"evaluate@pydocs", "export@pydocs", "report"}
AFTER_PREDICTION = {"distill_prediction@pydocs", *RESULTS}
AFTER_INTERMEDIATE = {"distill_intermediate@pydocs", *AFTER_PREDICTION}
AFTER_VOCABULARY = {"prune_vocabulary@pydocs", *AFTER_INTERMEDIATE}
AFTER_AUGMENT = {"label@pydocs", *AFTER_VOCABULARY}
AFTER_GENERAL = {"distill_general", "finetune_general@pydocs", *AFTER_VOCABULARY}
AFTER_TEACHER = {"finetune_teacher@pydocs", "label@pydocs", *AFTER_INTERMEDIATE}
BASELINES = {"finetune_baseline@pydocs", "finetune_general@pydocs", "evaluate@pydocs", "report"}
ALL = {
    "data/dvc.yaml:harvest_docs", "fetch_pretrained", "prepare_corpus", "prepare_task@pydocs",
    "augment@pydocs", *AFTER_GENERAL, *AFTER_TEACHER, *BASELINES,
}  # fmt: skip
TRAININGS = {
    "distill_general", "finetune_teacher@pydocs", "finetune_baseline@pydocs",
    "finetune_general@pydocs", "distill_intermediate@pydocs", "distill_prediction@pydocs",
}  # fmt: skip
AFTER_CODE_OF_TASKS = {
    *TRAININGS - {"distill_general", "distill_intermediate@pydocs"}, *RESULTS,
}  # fmt: skip


def test_a_run_leaves_only_locks_and_metrics_for_git_and_the_next_one_runs_nothing(stubs):
    shown = stubs.git("show", "--name-only", "--format=", "HEAD").split()
    assert all(name.startswith("metrics/") or name.endswith("dvc.lock") for name in shown)
    assert {"dvc.lock", "data/dvc.lock", "metrics/eval/pydocs.json"} <= set(shown)
    assert stubs.repro() == set()
    assert "up to date" in stubs.dvc("status")


def test_the_same_run_elsewhere_leaves_git_unchanged(stubs, tmp_path):
    """Nothing that differs from run to run is in dvc.lock or metrics; so the README's way to drop
    the embedded default works right after a run."""
    clone = stubs.copy(tmp_path / "clone")
    clone.dvc("cache", "dir", "--local", str(tmp_path / "empty"))
    for folder in ("models", "data/corpus", "data/tasks", "data/augmented", "data/labels"):
        clone.run("rm", "-r", folder)
    assert ALL - {"data/dvc.yaml:harvest_docs"} <= clone.repro("--force")
    assert clone.git("status", "--porcelain") == ""
    clone.git("rm", "--quiet", "--ignore-unmatch", "data/dvc.yaml", "data/dvc.lock")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("prediction.temperature", 2.0, AFTER_PREDICTION),
        ("task.pydocs.prediction", {"lr": 1e-4}, AFTER_PREDICTION),
        (
            "task.pydocs.intermediate",
            {"lr": 1e-4},
            {"prepare_task@pydocs", *AFTER_INTERMEDIATE},
        ),
        ("task.pydocs.augment", {"copies": 2}, {"augment@pydocs", *AFTER_AUGMENT}),
        ("general.lr", 1e-3, AFTER_GENERAL),
        ("teacher.lr", 1e-3, {"finetune_general@pydocs", *AFTER_TEACHER}),
        (
            "training.batch_size",
            8,
            {*TRAININGS, "prune_vocabulary@pydocs", "label@pydocs", *RESULTS},
        ),
        ("student.min_count", 3, AFTER_VOCABULARY),
        ("student.embedding_rank", 32, AFTER_VOCABULARY),
        ("export.max_drop", 50, {"export@pydocs", "report"}),
        ("layer_loss.projection", "per_layer", AFTER_GENERAL),
    ],
)
def test_a_setting_reruns_what_depends_on_it_and_nothing_else(stubs, key, value, expected):
    stubs.set(key, value)
    assert stubs.repro() == expected
    stubs.restore()


def test_without_general_text_the_corpus_is_the_texts_of_the_tasks(stubs):
    """DVC accepts null, and texts of a task that change then change the general student."""
    stubs.set("corpus.path", None)
    changed = {"prepare_task@pydocs", "prepare_corpus"}
    assert changed | AFTER_GENERAL <= stubs.repro()
    file = stubs.folder / "data/texts/pydocs/digest.json"
    assert file.is_file()
    assert stubs.repro() == set()
    stubs.restore()
    assert not file.exists()


def test_the_students_start_concerns_neither_the_random_baseline_nor_the_teacher(stubs):
    """Asked of the stages' own params: the stub of fetch_pretrained changes all of its outs."""
    stubs.set("student.init", "random")
    changed = json.loads(stubs.dvc("status", "--json"))
    assert set(changed) == {"fetch_pretrained", "distill_general"}
    stubs.restore()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tinybert/distillation/prediction/loss.py", AFTER_PREDICTION),
        ("tinybert/distillation/layers/student.py", AFTER_GENERAL),
        ("tinybert/distillation/layers/loss.py", AFTER_GENERAL),
        ("tinybert/evaluation/report/page.py", {"report"}),
        ("tinybert/evaluation/report/page.html", {"report"}),
        ("tinybert/evaluation/speed.py", {"report"}),
        ("tinybert/commands/cli.py", set()),
        ("tinybert/deploy/serve.py", set()),
    ],
)
def test_code_that_changes_results_reruns_its_stages_and_what_follows(stubs, file, expected):
    path = stubs.folder / file
    path.write_text(path.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
    assert stubs.repro() == expected
    stubs.restore()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tinybert/data/raw/records.py", {"prepare_task@pydocs"}),
        ("tinybert/tasks/gold.py", AFTER_CODE_OF_TASKS),
        ("tinybert/training/loop.py", TRAININGS),
        ("tinybert/data/corpus/segments.py", {"prepare_corpus"}),
        ("tinybert/data/augment/words.py", {"augment@pydocs"}),
    ],
)  # fmt: skip
def test_code_that_changes_no_result_reruns_its_stages_alone(stubs, file, expected):
    path = stubs.folder / file
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert stubs.repro() == expected
    stubs.restore()


def test_local_models_and_word_vectors_are_deps(stubs):
    for folder, expected in (
        ("data/models", {"fetch_pretrained", "prepare_task@pydocs"}),
        ("data/vectors", {"augment@pydocs"}),
    ):
        file = stubs.folder / folder / "some.txt"
        file.write_text("new")
        assert expected <= stubs.repro()
        file.unlink()
        stubs.restore()


def test_compiled_python_is_no_change(stubs):
    folder = stubs.folder / "tinybert/models/__pycache__"
    folder.mkdir()
    (folder / "device.cpython-311.pyc").write_bytes(b"compiled")
    assert "up to date" in stubs.dvc("status")


def test_another_task_runs_its_own_stages_and_the_report(stubs):
    (stubs.folder / "data/raw/more").mkdir()
    (stubs.folder / "data/raw/more/train.tsv").write_text("text\tlabel\na\tb\n")
    yaml = YAML()
    values = yaml.load(stubs.folder / "params.yaml")
    values["tasks"].append("more")
    values["task"]["more"] = task_settings()
    yaml.dump(values, stubs.folder / "params.yaml")
    stages = yaml.load(stubs.folder / "dvc.yaml")["stages"]
    new = {f"{name}@more" for name in stages if "matrix" in stages[name]}
    assert stubs.repro() == {"report", *new}
    stubs.run("rm", "-r", "data/raw/more", "data/tasks/more")
    stubs.git("clean", "--quiet", "--force", "-d", "metrics")
    stubs.restore()


def test_a_missing_task_section_is_named_by_dvc_too(stubs):
    yaml = YAML()
    values = yaml.load(stubs.folder / "params.yaml")
    del values["task"]["pydocs"]["data"]
    yaml.dump(values, stubs.folder / "params.yaml")
    output = stubs.dvc("repro", ok=False)
    assert "'task.pydocs.data' are missing from 'params.yaml'" in output
    stubs.restore()


def test_a_clone_elsewhere_pulls_instead_of_running(tmp_path):
    clone = stubbed(tmp_path / "a")
    clone.dvc("repro")
    clone.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    clone.commit("ran")
    clone.dvc("push")
    clone.run("git", "clone", "--quiet", str(clone.folder), str(tmp_path / "b"))
    other = Clone.__new__(Clone)
    other.folder, other.environment = tmp_path / "b", {}
    assert "Running stage" not in other.dvc("repro", "--allow-missing", "--dry")
    assert "Running stage" not in other.dvc("repro", "--pull")
    for file in ("models/pydocs/student/digest.json", "metrics/eval/pydocs.json"):
        assert (other.folder / file).read_bytes() == (clone.folder / file).read_bytes()
    assert other.repro() == set()
    other.set("prediction.lr", 4e-3)
    plan = other.dvc("repro", "--allow-missing", "--dry")
    assert "Running stage 'distill_prediction@pydocs'" in plan


def test_a_damaged_file_of_the_cache_is_listed_and_made_again(stubs):
    """By the command of docs/trouble-shooting.md."""
    [find] = [b for b in blocks(ROOT / "docs/trouble-shooting.md") if "md5sum" in b]
    assert stubs.run("bash", "-c", find) == ""
    out = stubs.folder / "models/pydocs/student"
    name = hashlib.md5((out / "digest.json").read_bytes()).hexdigest()
    file = Path(stubs.dvc("cache", "dir").strip(), "files/md5", name[:2], name[2:])
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[: len(whole) // 2])
    file.chmod(0o444)  # as DVC's own: it checks no file that is read-only
    assert stubs.run("bash", "-c", find).split() == [str(file)]
    file.unlink()
    shutil.rmtree(out)
    assert stubs.repro() == {"distill_prediction@pydocs"}
    assert file.read_bytes() == whole and stubs.git("status", "--porcelain") == ""
