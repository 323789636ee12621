"""One page that shows a whole run: report/index.html, which needs no network."""

import csv
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from jinja2 import Environment
from markupsafe import Markup
from transformers import AutoModelForSequenceClassification

from tinybert import figures, pretrained, report, task
from tinybert.capture import capture
from tinybert.encode import model_inputs, read_rows, read_texts
from tinybert.layer_map import layer_map
from tinybert.stage import SECONDS

TRAININGS = (
    "distill_general", "finetune_teacher", "finetune_baseline", "distill_intermediate",
    "distill_prediction",
)  # fmt: skip
SHARED = ("fetch_pretrained", "prepare_corpus", "distill_general")  # by all tasks
STAGES = (
    *SHARED, "prepare_task", "finetune_teacher", "finetune_baseline", "augment",
    "distill_intermediate", "label", "distill_prediction", "evaluate", "export",
)  # fmt: skip
SHOWN = 20  # texts on which student and teacher disagree
SENTENCES, LONGEST = 3, 16  # of the attention; tokens
METRICS = Path("metrics")


@dataclass
class Part:
    """What the page shows of a task."""

    name: str
    scores: list[list[str]]
    took: list[list[str]]
    models: list[list[str]]
    against: Markup
    curves: dict[str, Markup]
    confusion: list[Markup]
    disagreements: list[dict[str, str]]
    disagreement_count: int
    rows: int
    attention: list[tuple[str, Markup, Markup]]


def write(file: Path, tasks: list[str], layers: str | list[int]) -> None:
    """layers: layer_loss.layer_map."""
    template = files("tinybert").joinpath("page.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    folders = [METRICS / TRAININGS[0]]
    folders += [METRICS / stage / name for name in tasks for stage in TRAININGS[1:]]
    made = {
        folder.relative_to(METRICS).as_posix(): _read(folder / "environment.json")
        for folder in folders
    }
    parts = [_part(name, layers) for name in tasks]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page.render(parts=parts, general=_general(), made=made), encoding="utf-8")


def _read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def _part(name: str, layers: str | list[int]) -> Part:
    found = report.read(report.EVAL, [name])[name]
    exported, speeds = (
        _read(METRICS / f"export/{name}.json"),
        _read(METRICS / f"export_speed/{name}.json"),
    )
    table, points = _models(found, exported, speeds)
    described = task.load(Path(f"data/tasks/{name}"))
    confusion, disagreements = [], []
    if described.kind == "classification":
        with (METRICS / f"predictions/{name}.csv").open(encoding="utf-8", newline="") as stream:
            said = list(csv.DictReader(stream))
        confusion = [_confusion(said, model, described.labels) for model in ("teacher", "student")]
        first, second = read_texts(
            pq.read_table(f"data/tasks/{name}/{described.test_split}.parquet")
        )
        texts = (
            first
            if second is None
            else [" | ".join(both) for both in zip(first, second, strict=True)]
        )
        disagreements = [
            {"text": text, **row}
            for text, row in zip(texts, said, strict=True)
            if row["teacher"] != row["student"]
        ]
    return Part(
        name=name,
        scores=report.scores_table({name: found}),
        took=_took(name),
        models=table,
        against=figures.scatter(points, "latency of one row on one thread, ms", found["metric"]),
        curves={stage: _curves(METRICS / stage / name) for stage in TRAININGS[1:]},
        confusion=confusion,
        disagreements=disagreements[:SHOWN],
        disagreement_count=len(disagreements),
        rows=found["rows"],
        attention=_attention(name, described, layers),
    )


def _took(name: str) -> list[list[str]]:
    """A header, and of each stage before this one its seconds, and what it went through."""
    went = {stage: "" for stage in STAGES}
    rows = {split: facts["rows"] for split, facts in _read(METRICS / f"data/{name}.json").items()}
    went["prepare_task"] = ", ".join(f"{split} {count:,}" for split, count in rows.items())
    for stage in ("augment", "label"):
        facts = _read(METRICS / f"{stage}/{name}.json")
        went[stage] = ", ".join(f"{key.replace('_', ' ')} {n:,}" for key, n in facts.items())
    for stage in TRAININGS:
        folder = METRICS / stage / ("" if stage == TRAININGS[0] else name)
        last = _read(folder / "metrics.json")
        said = ", ".join(f"{key} {value:.4g}" for key, value in last.items() if key != "lr")
        went[stage] = f"at the end: {said}"
    files = {
        stage: SECONDS / (f"{stage}.json" if stage in SHARED else f"{stage}/{name}.json")
        for stage in STAGES
    }
    seconds = {stage: _read(file)["seconds"] for stage, file in files.items()}
    table = [["stage", "seconds", "what it went through"]]
    table += [[stage, f"{seconds[stage]:.1f}", went[stage]] for stage in STAGES]
    return [*table, ["all", f"{sum(seconds.values()):.1f}", ""]]


def _general() -> Markup:
    return _curves(METRICS / TRAININGS[0])


def _curves(folder: Path) -> Markup:
    """The loss, its parts, and the score on dev, but not the learning rate."""
    lines = {}
    for file in sorted((folder / "plots/metrics").glob("*.tsv")):
        if file.stem != "lr":
            with file.open(encoding="utf-8", newline="") as stream:
                rows = csv.DictReader(stream, delimiter="\t")
                lines[file.stem] = [(float(row["step"]), float(row[file.stem])) for row in rows]
    return figures.curves(lines, "steps")


def _models(
    found: dict, exported: dict, speeds: dict
) -> tuple[list[list[str]], dict[str, tuple[float, float]]]:
    """A header and a row for each model; and each one's latency and score."""
    metric = found["metric"]
    table = [
        ["model", metric, "MB", "ms, one thread", "(95 %)", "ms, all cores", "rows/s, all cores"]
    ]
    points = {}
    names = {"torch": "PyTorch", "onnx": "ONNX", "int8": "ONNX, 8 bits"}
    for model in ("teacher", "student"):
        for kind, title in names.items():
            one, many = speeds["one_thread"][model][kind], speeds["all_cores"][model][kind]
            score = size = None
            if model == "student":
                score, size = exported[kind][metric], exported[kind]["megabytes"]
            elif kind == "torch":
                score = found["teacher"][metric]
            name = f"{model}, {title}"
            if score is not None:
                points[name] = (one["latency_ms"], score)
            table.append(
                [
                    name,
                    "" if score is None else f"{score:.4f}",
                    "" if size is None else f"{size:.1f}",
                    f"{one['latency_ms']:.2f}",
                    f"{one['latency_ms_p95']:.2f}",
                    f"{many['latency_ms']:.2f}",
                    f"{many['rows_per_second']:.0f}",
                ]
            )
    points["baseline, PyTorch"] = (points["student, PyTorch"][0], found["baseline"][metric])
    return table, points


def _confusion(said: list[dict[str, str]], model: str, labels: list[str]) -> Markup:
    place = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), int)
    for row in said:
        counts[place[row["actual"]], place[row[model]]] += 1
    return figures.heat(
        counts.tolist(), labels, labels, f"{model}: rows are what is, columns what it says"
    )


def _attention(
    name: str, described: task.Task, layers: str | list[int]
) -> list[tuple[str, Markup, Markup]]:
    """Of some short texts: the text, and where the last layers look, of teacher and student, as the
    mean over the heads."""
    folder = Path(f"models/{name}")
    tokenizer = pretrained.load_tokenizer(folder / "student")
    rows = read_rows(Path(f"data/tasks/{name}/dev.parquet"), tokenizer, LONGEST)
    order = np.argsort(np.abs(rows.lengths - (LONGEST - 4)), kind="stable")[:SENTENCES]
    models = {
        role: pretrained.load(AutoModelForSequenceClassification, folder / role, new=()).eval()
        for role in ("teacher", "student")
    }
    deep = {role: model.config.num_hidden_layers for role, model in models.items()}
    taught = layer_map(layers, deep["student"], deep["teacher"])[-1]
    result = []
    for row in order.tolist():
        batch = model_inputs(rows.batch([row], pad_to=1))
        tokens = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())
        tables = []
        for role, model in models.items():
            with torch.inference_mode():
                inside = capture(model.base_model, batch)
            layer = taught if role == "teacher" else deep["student"]
            looks = inside.attention[layer - 1].scores().softmax(-1)[0].mean(0)
            tables.append(figures.heat(looks.tolist(), tokens, tokens, f"{role}, layer {layer}"))
        result.append((tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True), *tables))
    return result
