"""Scores and predictions of baseline, teacher and student."""

import numpy as np
import pandas as pd

from tinybert.models import predict
from tinybert.models.encode import Rows, read_rows
from tinybert.models.folder import load_classifier
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.files import write_json
from tinybert.tasks.scores import prediction, scores
from tinybert.tasks.task import load_task

MODELS = ("baseline", "teacher", "student")


def compare_models(name: str, max_length: int) -> None:
    """Writes metrics/eval/T.json and metrics/predictions/T.csv for the task T.

    max_length: tokens in a row. The models compute in float32, as they are deployed.
    """
    folders = {model: paths.model(name, model) for model in MODELS}
    models = {model: load_classifier(folder) for model, folder in folders.items()}
    task = load_task(paths.tables(name))
    tokenizer = load_tokenizer(folders["student"])

    def score(split: str) -> tuple[Rows, dict[str, np.ndarray], dict[str, dict[str, float]]]:
        rows = read_rows(paths.tables(name) / f"{split}.parquet", tokenizer, max_length)
        logits = {
            model: predict.logits(loaded, rows, "fp32", f"{split} scores of the {model}")
            for model, loaded in models.items()
        }
        return rows, logits, _scores(logits, rows.columns[task.target], task.metrics)

    split = task.test_split
    rows, logits, result = score(split)
    if "dev_mismatched" in task.splits:
        result["dev_mismatched"] = score("dev_mismatched")[2]
    header = {"split": split, "rows": len(rows), "metric": task.metric}
    write_json(paths.metrics("eval", name), {**header, **result})

    target = rows.columns[task.target]
    columns = {"actual": target, **{m: prediction(values, target) for m, values in logits.items()}}
    file = paths.METRICS / "predictions" / f"{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    names = {column: _names(values, task.labels) for column, values in columns.items()}
    pd.DataFrame(names).to_csv(file, index=False)


def _scores(
    logits: dict[str, np.ndarray], target: np.ndarray, metrics: list[str]
) -> dict[str, dict[str, float]]:
    """Each model's metrics, and retention: the student's score divided by the teacher's, or 0 if
    the teacher's is not positive."""
    result = {model: scores(values, target, metrics) for model, values in logits.items()}
    result["retention"] = {
        metric: value / result["teacher"][metric] if result["teacher"][metric] > 0 else 0.0
        for metric, value in result["student"].items()
    }
    return {
        model: {metric: round(value, 4) for metric, value in values.items()}
        for model, values in result.items()
    }


def _names(values: np.ndarray, labels: list[str]) -> list:
    """Scores unchanged, classes by name, multi-label rows as the names of the predicted labels."""
    if not labels:
        return values.tolist()
    if values.ndim == 1:
        return [labels[i] for i in values]
    return [", ".join(labels[i] for i in row.nonzero()[0]) for row in values]
