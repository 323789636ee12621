"""Where the pipeline keeps its files, relative to the project's root."""

from pathlib import Path

PRETRAINED = Path("models/pretrained")
PUBLISHED_STUDENT = Path("models/published_student")
GENERAL = Path("models/general")
CORPUS = Path("data/corpus")
TEXTS = Path("data/texts")  # of the tasks: the general text if there is no other
METRICS = Path("metrics")
SUMMARY = METRICS / "summary.json"
SCORES = Path("report/scores.md")
PAGE = Path("report/index.html")
COMPARISON = Path("report/compare.html")
# Files that users bring and params.yaml names. They must lie here, where DVC sees their changes.
LOCAL_MODELS = Path("data/models")
LOCAL_VECTORS = Path("data/vectors")
# Not tracked by DVC or git: what differs from run to run and from machine to machine.
SECONDS = METRICS / "seconds"
SPEED = METRICS / "speed"


def is_path(model: str) -> bool:
    """Whether a model is a path: neither package:NAME nor a hub id (NAME or OWNER/NAME)."""
    if model.startswith("package:"):
        return False
    return model[0] in "./~" or "\\" in model or model.count("/") > 1 or Path(model).is_dir()


def is_inside(path: str, folder: Path) -> bool:
    """Whether a path, as it is written, lies in a folder."""
    return folder in Path(path).parents and ".." not in Path(path).parts


def raw(task: str) -> Path:
    return Path("data/raw", task)


def tables(task: str) -> Path:
    """The task's checked tables, one a split, and task.json."""
    return Path("data/tasks", task)


def teacher_source(task: str) -> Path:
    """A fine-tuned teacher that the user brings, its outputs in the order of the task's labels."""
    return tables(task) / "teacher"


def other_teachers(task: str) -> list[Path]:
    """The other members of an ensemble of given teachers."""
    return sorted((tables(task) / "teachers").glob("*"))


def teachers(task: str) -> list[Path]:
    """The teacher, and the other members of its ensemble: the mean of their logits counts."""
    return [model(task, "teacher"), *other_teachers(task)]


def texts(task: str) -> Path:
    return TEXTS / task


def augmented(task: str) -> Path:
    return Path("data/augmented", task)


def teacher_logits(task: str) -> Path:
    return Path("data/labels", task)


def model(task: str, role: str) -> Path:
    """role: teacher, baseline, finetuned_general, intermediate, student or onnx."""
    return Path("models", task, role)


def log(stage: str, task: str = "") -> Path:
    """The curves of a stage that trains."""
    return METRICS / stage / task


def metrics(stage: str, task: str) -> Path:
    return METRICS / stage / f"{task}.json"
