"""One page that shows a whole run: report/index.html, which needs no network.

It includes timings if they exist. Timings differ between runs, so the page is not an output of the
stage that writes it.
"""

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from tinybert.evaluation.report import charts, tables
from tinybert.evaluation.score_warnings import percent, score_warnings
from tinybert.pipeline import paths
from tinybert.pipeline.files import atomic_write, read_json, reading
from tinybert.tasks.task import MODELS, Task, load_task, scored_on

TRAININGS = (
    "distill_general", "finetune_teacher", "finetune_baseline", "finetune_general",
    "distill_intermediate", "distill_prediction",
)  # fmt: skip
SHARED = ("fetch_pretrained", "prepare_corpus", "distill_general")  # by all tasks
STAGES = (
    *SHARED, "prepare_task", "finetune_teacher", "finetune_baseline", "finetune_general", "augment",
    "prune_vocabulary", "distill_intermediate", "label", "distill_prediction", "evaluate", "export",
)  # fmt: skip
INTERVAL = "95 % interval, %"
SHOWN = 20  # texts on which student and teacher disagree; and labels in confusion matrices
MOST_CHARACTERS = 1000  # of a shown text


def write(tasks: list[str]) -> None:
    """Writes report/index.html from the metrics of the tasks. Raises InputError that names a file
    that is missing or damaged."""
    results = tables.read_scores(tasks)
    template = files("tinybert.evaluation.report").joinpath("page.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    logs = [paths.log(TRAININGS[0])]
    logs += [paths.log(stage, name) for name in tasks for stage in TRAININGS[1:]]
    environments = {
        log.relative_to(paths.METRICS).as_posix(): read_json(log / "environment.json")
        for log in logs
    }
    text = page.render(
        tasks=[_task(name, result) for name, result in results.items()],
        general=_curves(paths.log(TRAININGS[0])),
        environments=environments,
    )
    paths.PAGE.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(paths.PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _task(name: str, result: dict) -> dict:
    """The template's values for a task."""
    task = load_task(paths.tables(name))
    models, scatter = _models(name, result)
    predictions = _predictions(name, result["rows"])
    is_classification = task.kind == "classification"
    differ = predictions[predictions["teacher"] != predictions["student"]]
    labels = _worst(predictions, task.labels) if is_classification else []
    return {
        "name": name,
        "rows": result["rows"],
        "scored_on": scored_on(result["split"], result["rows"]),
        "scores": _html(tables.scores_table({name: result})),
        "has_linear": "linear" in result and task.kind != "tokens",
        "warnings": score_warnings({name: result}),
        "models": models,
        "scatter": scatter,
        "stages": _stages(name),
        "data": _notices(name),
        "curves": {stage: _curves(paths.log(stage, name)) for stage in TRAININGS[1:]},
        "confusions": [
            _confusion(predictions, role, labels, len(task.labels))
            for role in ("teacher", "student")
        ]
        if is_classification
        else [],
        "label_count": len(task.labels),
        "disagreements": _texts(name, task, differ[:SHOWN]) if is_classification else [],
        "disagreement_count": len(differ),
    }


def _predictions(name: str, rows: int) -> pd.DataFrame:
    file = paths.METRICS / f"predictions/{name}.csv"
    with reading(file):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        table[["actual", "teacher", "student"]]  # a column that is missing
        if len(table) != rows:
            raise ValueError(f"it has {len(table)} rows, not {rows}")
    return table


def _notices(name: str) -> dict[str, list[str]]:
    """What looked wrong in each split of a task's data."""
    splits = read_json(paths.metrics("data", name))
    with reading(paths.metrics("data", name)):
        return {
            split: list(counts["notices"].values())
            for split, counts in splits.items()
            if counts.get("notices")
        }


def _html(table: pd.DataFrame) -> Markup:
    return Markup(table.to_html(index=False, border=0, escape=True, na_rep=""))


def _models(name: str, result: dict) -> tuple[Markup, Markup]:
    """A table of each model's score, size and (after `tinybert speed`) speed, and a chart of score
    and latency, which is empty without speeds."""
    metric = result["metric"]
    with reading(paths.metrics("eval", name)):
        scores = {
            model: {
                metric: result[model][metric],
                INTERVAL: percent(result["intervals"][model][metric]),
            }
            for model in ("linear", *MODELS)
            if model in (*MODELS, *result)
        }
    exported, timings = _exported(name, metric), {}
    file = paths.SPEED / f"{name}.json"
    speed = tables.read_speeds([name])[name] if file.is_file() else None
    if speed:
        with reading(file):
            timings = {
                (role, kind): (speed["one_thread"][role][kind], speed["all_cores"][role][kind])
                for role in speed["megabytes"]
                for kind in tables.RUNTIMES
            }
    rows, points = [], {}
    if "linear" in scores:
        rows.append({"model": "linear, scikit-learn", **scores["linear"]})
    for role, title in MODELS.items():
        for kind, runtime in tables.RUNTIMES.items():
            if role in ("baseline", "finetuned_general") and kind != "torch":
                continue
            row = {"model": f"{title}, {runtime}", metric: None, INTERVAL: None, "MB": None}
            if role == "student":
                row |= exported[kind]
            elif kind == "torch":
                row |= scores[role]
            if (role, kind) in timings:
                row["MB"] = speed["megabytes"][role][kind]
                one, cores = timings[role, kind]
                row["ms, one thread"] = one["latency_ms"]
                row["95 %"] = one["latency_ms_p95"]
                row["ms, all cores"] = cores["latency_ms"]
                row["rows/s, all cores"] = cores["rows_per_second"]
                if row[metric] is not None:
                    points[row["model"]] = (one["latency_ms"], row[metric])
            rows.append(row)
    x = "latency of one row on one thread, ms"
    chart = charts.scatter(points, x, metric, f"{name}-models") if points else Markup("")
    return _html(pd.DataFrame(rows)), chart


def _exported(name: str, metric: str) -> dict[str, dict]:
    """The student's score and size in each runtime, by the columns of the table."""
    scores = read_json(paths.metrics("export", name))
    with reading(paths.metrics("export", name)):
        return {
            kind: {
                metric: scores[kind][metric],
                INTERVAL: percent(scores[kind]["interval"]),
                "MB": scores[kind]["megabytes"],
            }
            for kind in tables.RUNTIMES
        }


def _stages(name: str) -> Markup:
    """A table of the stages: what each did and, if it ran here, how long it took."""
    effects = dict.fromkeys(STAGES, "")
    splits = read_json(paths.metrics("data", name))
    with reading(paths.metrics("data", name)):
        effects["prepare_task"] = ", ".join(f"{split} {n['rows']:,}" for split, n in splits.items())
    for stage in ("augment", "label"):
        counts = read_json(paths.metrics(stage, name))
        with reading(paths.metrics(stage, name)):
            shown = [f"{key.replace('_', ' ')} {n:,}" for key, n in counts.items()]
        effects[stage] = ", ".join(shown)
    for stage in TRAININGS:
        log = paths.log(stage, "" if stage in SHARED else name)
        last = read_json(log / "metrics.json")
        with reading(log / "metrics.json"):
            step = f"{last.pop('step', 0):,}"
            values = ", ".join(f"{key} {value:.4g}" for key, value in last.items() if key != "lr")
        effects[stage] = f"at the end, step {step}: {values}"
    rows, total = [], 0.0
    for stage in STAGES:
        file = paths.SECONDS / (f"{stage}.json" if stage in SHARED else f"{stage}/{name}.json")
        seconds = None
        if file.is_file():
            with reading(file):
                seconds = float(read_json(file)["seconds"])
        total += seconds or 0.0
        shown = "" if seconds is None else f"{seconds:.1f}"
        rows.append({"stage": stage, "seconds": shown, "what it did": effects[stage]})
    all_seconds = f"{total:.1f}" if total else ""
    rows.append({"stage": "all", "seconds": all_seconds, "what it did": ""})
    return _html(pd.DataFrame(rows))


def _curves(log: Path) -> Markup:
    """A chart of all logged series but the learning rate: the losses and the score on dev."""
    lines = {}
    for file in sorted((log / "plots/metrics").glob("*.tsv")):
        if file.stem != "lr":
            with reading(file), file.open(encoding="utf-8", newline="") as stream:
                rows = csv.DictReader(stream, delimiter="\t")
                lines[file.stem] = [(float(row["step"]), float(row[file.stem])) for row in rows]
    return charts.curves(lines, log.as_posix())


def _worst(predictions: pd.DataFrame, labels: list[str]) -> list[str]:
    """The SHOWN labels with the most rows that the student takes for another label, or another for
    them; all in their order if there are no more."""
    wrong = predictions[predictions["student"] != predictions["actual"]]
    errors = pd.concat([wrong["actual"], wrong["student"]]).value_counts()
    worst = set(sorted(labels, key=lambda label: -errors.get(label, 0))[:SHOWN])
    return [label for label in labels if label in worst]


def _confusion(predictions: pd.DataFrame, role: str, labels: list[str], label_count: int) -> dict:
    """Counts of actual (rows) and predicted (columns) labels; if there are more labels than those
    shown, a last column counts the predictions of the others."""
    index = {label: i for i, label in enumerate(labels)}
    rows = predictions[predictions["actual"].isin(index)]
    counts = np.zeros((len(labels), len(labels) + 1), int)
    predicted = rows[role].map(index).fillna(len(labels)).astype(int)
    np.add.at(counts, (rows["actual"].map(index), predicted), 1)
    columns = [*labels, "other"] if len(labels) < label_count else labels
    shown = counts[:, : len(columns)]
    return {
        "role": role, "labels": labels, "columns": columns, "counts": shown.tolist(),
        "max": max(1, int(shown.max())),
    }  # fmt: skip


def _texts(name: str, task: Task, predictions: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of predictions with their texts, which are cut at MOST_CHARACTERS."""
    file = paths.tables(name) / f"{task.test_split}.parquet"
    with reading(file):
        texts = pd.read_parquet(file)
        texts = texts.loc[predictions.index, ["text_a", *(["text_b"] if task.pair else [])]]
        joined = [" | ".join(row) for row in texts.itertuples(index=False)]
    shown = [t if len(t) <= MOST_CHARACTERS else f"{t[:MOST_CHARACTERS]} …" for t in joined]
    return predictions.assign(text=shown).to_dict("records")
