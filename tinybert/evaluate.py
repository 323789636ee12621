"""Baseline, teacher and student side by side: scores, sizes, latency and throughput."""

import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tinybert import predict, pretrained, task
from tinybert.encode import Rows, model_inputs, read_rows, spread
from tinybert.scores import prediction, scores

MODELS = ("baseline", "teacher", "student")
ROUNDS = 3  # of the throughput, of which the median counts


def run(name: str, max_length: int, settings, metrics: Path) -> None:
    """Writes metrics/eval/T.json, metrics/speed/T.json and metrics/predictions/T.csv.

    name: the task T. settings: the section `evaluate`. In float32, as the models are deployed.
    """
    folders = {model: Path(f"models/{name}/{model}") for model in MODELS}
    models = {
        model: pretrained.load(AutoModelForSequenceClassification, folder, new=())
        for model, folder in folders.items()
    }
    described = task.load(Path(f"data/tasks/{name}"))
    tokenizer = pretrained.load_tokenizer(folders["student"])

    def scored(split: str) -> tuple[Rows, dict[str, np.ndarray], dict[str, dict[str, float]]]:
        rows = read_rows(Path(f"data/tasks/{name}/{split}.parquet"), tokenizer, max_length)
        logits = {
            model: predict.logits(
                loaded, rows, settings.batch_size, "fp32", f"{split} scores of the {model}"
            )
            for model, loaded in models.items()
        }
        return rows, logits, _scored(logits, rows.columns[described.target], described.metrics)

    split = described.test_split
    rows, logits, result = scored(split)
    if "dev_mismatched" in described.splits:
        result["dev_mismatched"] = scored("dev_mismatched")[2]
    facts = {"split": split, "rows": len(rows), "metric": described.metric}
    _write(metrics / "eval" / f"{name}.json", {**facts, **result})

    measured = speed(models, rows, settings.batch_size, settings.speed_rows)
    sizes = {model: {**size(models[model], folders[model]), **measured[model]} for model in MODELS}
    _write(metrics / "speed" / f"{name}.json", sizes)

    target = rows.columns[described.target]
    said = {"actual": target, **{m: prediction(found, target) for m, found in logits.items()}}
    file = metrics / "predictions" / f"{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    named = {column: _named(values, described.labels) for column, values in said.items()}
    pd.DataFrame(named).to_csv(file, index=False)


def _scored(
    logits: dict[str, np.ndarray], target: np.ndarray, metrics: list[str]
) -> dict[str, dict[str, float]]:
    """Each model's metrics, and retention: the student's share of the teacher's, where that is
    above 0."""
    result = {model: scores(found, target, metrics) for model, found in logits.items()}
    result["retention"] = {
        metric: value / result["teacher"][metric] if result["teacher"][metric] > 0 else 0.0
        for metric, value in result["student"].items()
    }
    return {
        model: {metric: round(value, 4) for metric, value in values.items()}
        for model, values in result.items()
    }


def _named(values: np.ndarray, labels: list[str]) -> list:
    """Scores as they are; classes by name; of several labels the names of those that apply."""
    if not labels:
        return values.tolist()
    if values.ndim == 1:
        return [labels[i] for i in values]
    return [", ".join(labels[i] for i in row.nonzero()[0]) for row in values]


def _write(file: Path, content: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def size(model: PreTrainedModel, folder: Path) -> dict[str, float]:
    """parameters: their number; megabytes: the weights' file (10^6 bytes)."""
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "megabytes": round((folder / pretrained.WEIGHTS).stat().st_size / 1e6, 2),
    }


def speed(
    models: dict[str, PreTrainedModel], rows: Rows, batch_size: int, speed_rows: int
) -> dict[str, dict[str, float]]:
    """In float32 on all cores of the CPU, the models taking turns: a noisy machine is fair to each.

    speed_rows: how many rows, evenly spread. latency_ms: median over single rows. rows_per_second:
    median of ROUNDS passes over them in batches of similar length.
    """
    chosen = spread(len(rows), speed_rows)
    singles = [[i] for i in chosen]
    by_length = sorted(chosen, key=lambda i: rows.lengths[i])
    batches = [by_length[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
    latency = {name: [] for name in models}
    throughput = {name: [] for name in models}
    for model in models.values():
        _seconds(model.cpu(), rows, singles[:3])  # the first calls allocate
    for single in tqdm(singles, desc="latency", unit="row"):
        for name, model in models.items():
            latency[name].append(_seconds(model, rows, [single]))
    for _ in tqdm(range(ROUNDS), desc="throughput", unit="pass"):
        for name, model in models.items():
            throughput[name].append(len(chosen) / _seconds(model, rows, batches))
    return {
        name: {
            "latency_ms": round(median(latency[name]) * 1000, 3),
            "rows_per_second": round(median(throughput[name]), 1),
        }
        for name in models
    }


def _seconds(model: PreTrainedModel, rows: Rows, batches: list[list[int]]) -> float:
    model.eval()
    inputs = [model_inputs(rows.batch(indices)) for indices in batches]
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in inputs:
            model(**batch)
    return time.perf_counter() - start
