"""One page that shows a whole run: report/index.html, which needs no network.

It includes timings if they exist. Timings differ between runs, so the page is not an output of the
stage that writes it. Charts are matplotlib's SVG: Vega-Lite would add some 800 kB of scripts to
each page, and a library with a browser's engine to fetch them from.
"""

import hashlib
from base64 import b64encode
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from tinybert.evaluation.report import calibration, logs, models, predictions, settings, tables
from tinybert.evaluation.score_warnings import percent, score_warnings
from tinybert.pipeline import paths
from tinybert.pipeline.files import atomic_write, reading
from tinybert.tasks.entities import OUTSIDE
from tinybert.tasks.task import Task, load_task, scored_on


def write(tasks: list[str]) -> None:
    """Writes report/index.html from the metrics of the tasks. Raises InputError that names a file
    that is missing or damaged."""
    results = tables.read_scores(tasks)
    render(
        "page.html",
        paths.PAGE,
        tasks=[_task(name, result) for name, result in results.items()],
        general=logs.curves("distill_general", ""),
        settings={
            section: settings.flat(value) if isinstance(value, dict) else settings.flat({"": value})
            for section, value in settings.read().items()
        },
        environments=logs.environments(tasks),
    )


def render(template: str, file: Path, **values: object) -> None:
    """Writes a page of the templates in this folder. All values are escaped but Markup. Its only
    script is search.html's, whose hash its policy names: nothing else that got into it would run.
    """
    environment = Environment(
        loader=FunctionLoader(_template), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    script = _template("search.html").strip()
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"script": Markup(script), "digest": digest, "percent": percent}
    text = environment.get_template(template).render(values)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _template(name: str) -> str:
    return files("tinybert.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _task(name: str, result: dict) -> dict:
    """The template's values for a task."""
    task = load_task(paths.tables(name))
    rows = models.compared(name, task, result)
    predicted = predictions.read(name, task, result["rows"])
    stages, seconds = logs.stages(name)
    count, differ = predictions.disagreements(name, task, predicted)
    answered, words = task.test_split in task.answered, task.kind == "tokens"
    values = {
        "name": name,
        "metric": result["metric"],
        "kind": task.kind,
        "rows": result["rows"],
        "scored_on": scored_on(result["split"], result["rows"]),
        "answer": models.answer(rows),
        "difference": _difference(result),
        "warnings": score_warnings({name: result}),
        "models": rows,
        "pictures": models.pictures(rows, result["metric"], name),
        "scores": Markup(tables.scores_table({name: result}).to_html(index=False, border=0)),
        "disagreements": differ,
        "disagreement_count": count,
        "has_labels": task.has_labels,
        "answered": answered,
        "label_count": len(result["types"]["student"] if words else task.labels),
        "counted": ("entities" if task.has_entities else "words") if words else "rows",
        "classes": _classes(name, task, result, predicted),
        "trust": _trust(name, result),
        "calibration": None,
        "confusions": _confusions(name, task, result, predicted),
        "notices": logs.notices(name),
        "curves": {stage: logs.curves(stage, name) for stage in logs.trainings(name)[1:]},
        "stages": stages,
        "seconds": seconds,
    }
    if task.kind == "classification" and not answered:
        values["calibration"] = calibration.calibration(predicted, name)
    return values


def _confusions(name: str, task: Task, result: dict, predicted: pd.DataFrame) -> list[dict]:
    """Which label is taken for which; of the words of entities, which type."""
    roles = [
        role for role in predictions.ROLES
        if role == "student" or task.test_split not in task.answered
    ]  # fmt: skip
    labels = task.labels
    if task.kind == "classification":
        pairs = {role: predictions.counted(predicted, role) for role in roles}
    elif task.kind == "tokens":
        with reading(paths.metrics("eval", name)):
            pairs = {
                role: pd.DataFrame(result["confusion"][role], columns=predictions.PAIRS)
                for role in roles
            }
            labels = list(result["types"]["student"])
        labels = [OUTSIDE, *labels] if task.has_entities else labels
    else:
        return []
    shown = predictions.worst(pairs["student"], labels)
    return [predictions.confusion(pairs[role], role, shown, len(labels)) for role in roles]


def _trust(name: str, result: dict) -> dict:
    """What metrics/eval has under `calibration`. Raises InputError that names the file if the
    template could not show it."""
    found = result.get("calibration", {})
    with reading(paths.metrics("eval", name)):
        rows = found.get("thresholds", [])
        shown = {key: value for key, value in found.items() if key != "thresholds"}
        shown |= {} if "spread" in found or not found else {k: found[k] for k in ("ece", "brier")}
        for value in shown.values():
            float(value)
        for row in rows:
            float(row["threshold"]), float(row["share"]), float(row["accuracy"] or 0)
    return found


def _classes(name: str, task: Task, result: dict, predicted: pd.DataFrame) -> list[dict]:
    """The scores of each label, or of each type of entity."""
    if task.kind == "tokens":
        with reading(paths.metrics("eval", name)):
            return predictions.per_type(result["types"])
    return predictions.per_class(predicted, task) if task.labels else []


def _difference(result: dict) -> dict:
    """Student minus teacher: points, their interval, and whether it is inside the noise."""
    metric, (low, high) = result["metric"], result["differences"]["teacher"]
    return {
        "points": 100 * (result["student"][metric] - result["teacher"][metric]),
        "interval": [low, high],
        "is_noise": low <= 0 <= high,
    }
