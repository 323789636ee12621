"""Scores and predictions of a linear model, two baselines, teacher and student."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tinybert.evaluation.linear import fit_linear
from tinybert.evaluation.reliability import calibration, least_confidence
from tinybert.evaluation.tagging import fit_tagger, shown
from tinybert.models import predict
from tinybert.models.encode import read_for_each
from tinybert.models.folder import load_classifier
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizers
from tinybert.pipeline import paths
from tinybert.pipeline.files import atomic_write, reading, write_json
from tinybert.tasks.intervals import difference, interval
from tinybert.tasks.scores import METRICS, compared, is_near_chance, prediction
from tinybert.tasks.task import AGREEMENT, CHOOSES, load_task
from tinybert.tasks.word_scores import confusion, type_scores

JUDGED = ("teacher", "student")


def compare_models(name: str, max_length: int, stride: int = 0) -> dict:
    """Writes metrics/eval/T.json and metrics/predictions/T.csv for the task T, and returns the
    content of the former.

    max_length, stride: as of read_rows. The models compute in float32, as they are deployed.
    """
    task = load_task(paths.tables(name))
    folders = {model: [paths.model(name, model)] for model in task.models}
    folders["teacher"] = paths.teachers(name)
    models = {model: [load_classifier(f) for f in members] for model, members in folders.items()}
    tokenizers = {model: load_tokenizers(members) for model, members in folders.items()}
    fit = getattr(models["student"][0].config, "calibration", None) or {}
    linear = None
    if task.kind == "classification" and task.has_labels:
        linear = fit_linear(_table(name, "train"), _table(name, "dev"), task)
    elif task.kind == "tokens" and task.has_labels:
        linear = fit_tagger(_table(name, "train"), task)

    def score(split: str) -> tuple[Rows, dict[str, np.ndarray], dict]:
        file, logits = paths.tables(name) / f"{split}.parquet", {}
        for model, members in models.items():
            read = read_for_each(file, tokenizers[model], max_length, stride)
            title = f"{split} scores of the {model}"
            logits[model] = predict.mean_logits(members, read, "fp32", title)
        rows = read[0]  # as the student, the last one, reads them
        if linear is not None:
            logits = {"linear": linear.logits(_table(name, split)), **logits}
        target, metrics = rows.columns[task.target], task.metrics_of(split)
        pairs = {model: compared(values, rows, task) for model, values in logits.items()}
        part = {"rows": rows.texts, **_scores(pairs, metrics)}
        part |= _uncertainty(pairs, metrics)
        part["near_chance"] = _near_chance(logits, target)
        if split not in task.answered:
            seen = slice(None) if rows.words is None else rows.words.index
            part["calibration"] = calibration(logits["student"][seen], target[seen], fit)
            if fit:
                part["calibration"]["fitted_on_it"] = split == CHOOSES
        if not task.has_labels and split not in task.answered:
            answers = prediction(logits["teacher"], target)
            agreements = {m: compared(values, rows, task, answers) for m, values in logits.items()}
            _add_agreement(part, agreements)
        if task.kind == "tokens":
            part["types"] = {
                m: type_scores(target, prediction(logits[m], target), rows.words.starts, task)
                for m in JUDGED
            }
            part["confusion"] = {
                m: confusion(target, prediction(logits[m], target), task) for m in JUDGED
            }
        return rows, logits, part

    split = task.test_split
    rows, logits, result = score(split)
    if "dev_mismatched" in task.splits:
        result["dev_mismatched"] = score("dev_mismatched")[2]
    header = {
        "split": split, "rows": rows.texts, "chosen_on_it": split == CHOOSES,
        "metric": task.metrics_of(split)[0],
    }  # fmt: skip
    if split in task.probable:
        header["probable_labels"] = True
    result = {**header, **result}
    write_json(paths.metrics("eval", name), result)

    target = rows.columns[task.target]
    columns = {"actual": target, **{m: prediction(values, target) for m, values in logits.items()}}
    if task.kind == "tokens":
        table, starts = _table(name, split), rows.words.starts
        names = {column: shown(values, table, starts, task) for column, values in columns.items()}
    else:
        names = {column: _names(values, task.labels) for column, values in columns.items()}
    file = paths.METRICS / "predictions" / f"{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(names)
    if task.kind != "regression":
        column = "confidence" if task.kind == "classification" else "least_confidence"
        starts = rows.words.starts if task.kind == "tokens" else np.arange(rows.texts + 1)
        for role in JUDGED:
            several = task.kind == "multi_label"
            table[f"{role}_{column}"] = least_confidence(logits[role], starts, several)
    with atomic_write(file) as temporary:
        table.to_csv(temporary, index=False)
    return result


def _table(name: str, split: str) -> pd.DataFrame:
    file = paths.tables(name) / f"{split}.parquet"
    with reading(file):
        return pd.read_parquet(file)


def _scores(
    pairs: dict[str, tuple[np.ndarray, np.ndarray]], metrics: list[str]
) -> dict[str, dict[str, float]]:
    """Each model's metrics, and retention: the student's score divided by the teacher's, or 0 if
    the teacher's is not positive. pairs: targets and predictions by model, as METRICS take them."""
    result = {
        model: {metric: float(METRICS[metric](*pair)) for metric in metrics}
        for model, pair in pairs.items()
    }
    result["retention"] = {
        metric: value / result["teacher"][metric] if result["teacher"][metric] > 0 else 0.0
        for metric, value in result["student"].items()
    }
    return {
        model: {metric: round(value, 4) for metric, value in values.items()}
        for model, values in result.items()
    }


def _add_agreement(part: dict, agreements: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Adds each model's agreement with the teacher to a split's scores on gold labels. agreements:
    the teacher's answers and each model's, as METRICS take them."""
    for model, values in _scores(agreements, [AGREEMENT]).items():
        part[model] |= values
    part["intervals"]["student"][AGREEMENT] = _interval(*agreements["student"], METRICS[AGREEMENT])


def _uncertainty(pairs: dict[str, tuple[np.ndarray, np.ndarray]], metrics: list[str]) -> dict:
    """How far the scores can be trusted. All intervals are of 95 %, [low, high]; DVC compares
    numbers alone, so it leaves them out of its tables. pairs: as of _scores.

    intervals: of the student's metrics and of the others' first. differences: of the student's
    first metric minus that of each other model, on the same resampled rows.
    """
    target = pairs["student"][0]
    predicted = {model: values for model, (_, values) in pairs.items()}

    first = METRICS[metrics[0]]
    return {
        "intervals": {
            model: {
                metric: _interval(target, values, METRICS[metric])
                for metric in (metrics if model == "student" else metrics[:1])
            }
            for model, values in predicted.items()
        },
        "differences": {
            model: _rounded(difference(target, predicted["student"], values, first))
            for model, values in predicted.items()
            if model != "student"
        },
    }


def _near_chance(logits: dict[str, np.ndarray], target: np.ndarray) -> list[str]:
    """Which of teacher and student predict no better than chance, as far as these rows can tell."""
    return [model for model in JUDGED if is_near_chance(logits[model], target)]


def _interval(target: np.ndarray, predicted: np.ndarray, metric: Callable) -> list[float]:
    return _rounded(interval(target, predicted, metric))


def _rounded(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, 4) for bound in bounds]


def _names(values: np.ndarray, labels: list[str]) -> list:
    """Scores unchanged, classes by name, multi-label rows as the names of the predicted labels."""
    if not labels:
        return values.tolist()
    if values.ndim == 1:
        return [labels[i] for i in values]
    return [", ".join(labels[i] for i in row.nonzero()[0]) for row in values]
