"""What the stages logged: curves, counts, seconds, environments."""

import csv
from pathlib import Path

from markupsafe import Markup

from tinybert.evaluation.report import charts
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, reading

TRAININGS = (
    "distill_general", "finetune_teacher", "finetune_baseline", "finetune_general",
    "distill_intermediate", "distill_prediction",
)  # fmt: skip
SHARED = ("fetch_pretrained", "prepare_corpus", "distill_general")  # by all tasks
STAGES = (
    *SHARED, "prepare_task", "finetune_teacher", "finetune_baseline", "finetune_general", "augment",
    "prune_vocabulary", "distill_intermediate", "label", "distill_prediction", "evaluate", "export",
)  # fmt: skip


def trainings(task: str) -> list[str]:
    """The trainings of a task that took place, general distillation first."""
    return [stage for stage in TRAININGS if not (log_of(stage, task) / "skipped.json").is_file()]


def log_of(stage: str, task: str) -> Path:
    return paths.log(stage, "" if stage in SHARED else task)


def series(log: Path) -> dict[str, list[tuple[float, float]]]:
    """All logged (step, value) but the learning rates: the losses and the score on dev."""
    lines = {}
    for file in sorted((log / "plots/metrics").glob("*.tsv")):
        if file.stem != "lr":
            with reading(file), file.open(encoding="utf-8", newline="") as stream:
                rows = csv.DictReader(stream, delimiter="\t")
                lines[file.stem] = [(float(row["step"]), float(row[file.stem])) for row in rows]
    return lines


def curves(stage: str, task: str) -> Markup:
    log = log_of(stage, task)
    losses = series(log)
    dev = losses.pop("dev", [])
    merged: dict[str, charts.Points] = {}
    for name, points in losses.items():
        # The loss is its soft part if that has all the weight: one line would cover the other.
        same = next((label for label, other in merged.items() if other == points), None)
        merged[f"{same}, {name}" if same else name] = merged.pop(same) if same else points
    return charts.curves(merged, {"dev": dev}, log.as_posix())


def stages(task: str) -> tuple[list[dict], float]:
    """Each stage's seconds (None if it did not run here) and what it did; and all seconds."""
    trained = trainings(task)
    effects = {s: "" for s in STAGES if s not in TRAININGS or s in trained}
    splits = read_json(paths.metrics("data", task))
    with reading(paths.metrics("data", task)):
        effects["prepare_task"] = ", ".join(f"{split} {n['rows']:,}" for split, n in splits.items())
    for stage in ("augment", "label"):
        counts = read_json(paths.metrics(stage, task))
        with reading(paths.metrics(stage, task)):
            shown = [f"{key.replace('_', ' ')} {n:,}" for key, n in counts.items()]
        effects[stage] = ", ".join(shown)
    for stage in trained:
        file = log_of(stage, task) / "metrics.json"
        last = read_json(file)
        with reading(file):
            step = f"{last.pop('step', 0):,}"
            values = ", ".join(f"{key} {value:.4g}" for key, value in last.items() if key != "lr")
        effects[stage] = f"at the end, step {step}: {values}"
    rows = []
    for stage in effects:
        file = paths.SECONDS / (f"{stage}.json" if stage in SHARED else f"{stage}/{task}.json")
        seconds = None
        if file.is_file():
            with reading(file):
                seconds = float(read_json(file)["seconds"])
        rows.append({"stage": stage, "seconds": seconds, "effect": effects[stage]})
    return rows, sum(row["seconds"] or 0.0 for row in rows)


def notices(task: str) -> dict[str, list[str]]:
    """What looked wrong in each split of a task's data."""
    splits = read_json(paths.metrics("data", task))
    with reading(paths.metrics("data", task)):
        return {
            split: list(counts["notices"].values())
            for split, counts in splits.items()
            if counts.get("notices")
        }


def environments(tasks: list[str]) -> list[tuple[dict, list[str]]]:
    """The different environments in which stages trained, each with their logs."""
    logs = {log_of(stage, task) for task in tasks for stage in trainings(task)}
    found: list[tuple[dict, list[str]]] = []
    for log in sorted(logs):
        environment = read_json(log / "environment.json")
        names = next((names for other, names in found if other == environment), None)
        if names is None:
            names = []
            found.append((environment, names))
        names.append(log.relative_to(paths.METRICS).as_posix())
    return found
