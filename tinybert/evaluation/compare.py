"""Scores and predictions of a linear model, two baselines, teacher and student."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import regex
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from tinybert.models import predict
from tinybert.models.encode import Rows, read_rows
from tinybert.models.folder import load_classifier
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.files import atomic_write, reading, write_json
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS, is_near_chance, prediction, scores
from tinybert.tasks.task import CHOOSES, MODELS, Task, load_task

# Words of the linear model: in scripts without spaces, such as Chinese, a character is one.
WITHOUT_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORDS = regex.compile(rf"[{WITHOUT_SPACES}]|[^\W{WITHOUT_SPACES}]+|[^\w\s]")
STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # C, the inverse regularisation, of the linear model
FEATURES = 200_000  # most, of words and of groups of characters each
WEIGHTS = 2_400_000  # most for each of them, features times classes: the fit takes some 25 copies


def compare_models(name: str, max_length: int) -> dict:
    """Writes metrics/eval/T.json and metrics/predictions/T.csv for the task T, and returns the
    content of the former.

    max_length: tokens in a row. The models compute in float32, as they are deployed.
    """
    folders = {model: paths.model(name, model) for model in MODELS}
    models = {model: load_classifier(folder) for model, folder in folders.items()}
    task = load_task(paths.tables(name))
    tokenizers = {model: load_tokenizer(folder) for model, folder in folders.items()}
    linear = linear_model(name, task) if task.kind == "classification" else None

    def score(split: str) -> tuple[Rows, dict[str, np.ndarray], dict]:
        file, logits = paths.tables(name) / f"{split}.parquet", {}
        for model, loaded in models.items():
            rows = read_rows(file, tokenizers[model], max_length)
            logits[model] = predict.logits(loaded, rows, "fp32", f"{split} scores of the {model}")
        if linear is not None:
            logits = {"linear": linear(split), **logits}
        target = rows.columns[task.target]
        part = {"rows": len(rows), **_scores(logits, target, task.metrics)}
        return rows, logits, part | _uncertainty(logits, target, task.metrics)

    split = task.test_split
    rows, logits, result = score(split)
    if "dev_mismatched" in task.splits:
        result["dev_mismatched"] = score("dev_mismatched")[2]
    header = {
        "split": split, "rows": len(rows), "chosen_on_it": split == CHOOSES, "metric": task.metric,
    }  # fmt: skip
    result = {**header, **result}
    write_json(paths.metrics("eval", name), result)

    target = rows.columns[task.target]
    columns = {"actual": target, **{m: prediction(values, target) for m, values in logits.items()}}
    file = paths.METRICS / "predictions" / f"{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    names = {column: _names(values, task.labels) for column, values in columns.items()}
    with atomic_write(file) as temporary:
        pd.DataFrame(names).to_csv(temporary, index=False)
    return result


def linear_model(name: str, task: Task) -> Callable[[str], np.ndarray]:
    """A logistic regression on the TF-IDF of the texts' words and groups of characters, trained on
    train; its C is the best on dev by the task's metric. It takes seconds: a language model must
    beat it to be worth its costs.

    Returns a function that gives its logits, (rows, classes), for a split.
    """
    train, dev = _table(name, "train"), _table(name, "dev")
    most = max(1, min(FEATURES, WEIGHTS // len(task.labels)))
    tfidf = {"sublinear_tf": True, "max_features": most}
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), tokenizer=WORDS.findall, token_pattern=None, **tfidf),
        TfidfVectorizer(ngram_range=(2, 4), analyzer="char_wb", **tfidf),
    )
    inputs = features.fit_transform(_texts(train))
    target = dev["label"].to_numpy()

    def logits(model: LogisticRegression, table: pd.DataFrame) -> np.ndarray:
        values = np.full((len(table), len(task.labels)), -np.inf)  # train may lack a class
        values[:, model.classes_] = model.predict_log_proba(features.transform(_texts(table)))
        return values

    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(inputs, train["label"])
        for strength in STRENGTHS
    ]
    best = max(models, key=lambda m: scores(logits(m, dev), target, [task.metric])[task.metric])
    return lambda split: logits(best, _table(name, split))


def _table(name: str, split: str) -> pd.DataFrame:
    file = paths.tables(name) / f"{split}.parquet"
    with reading(file):
        return pd.read_parquet(file)


def _texts(table: pd.DataFrame) -> list[str]:
    """A row's texts as one."""
    return (table["text_a"] + " " + table["text_b"].fillna("")).tolist()


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


def _uncertainty(logits: dict[str, np.ndarray], target: np.ndarray, metrics: list[str]) -> dict:
    """How far the scores can be trusted. All intervals are of 95 %, [low, high]; DVC compares
    numbers alone, so it leaves them out of its tables.

    intervals: of the student's metrics and of the others' first. differences: of the student's
    first metric minus that of each other model, on the same resampled rows. near_chance: which of
    teacher and student predict no better than chance, as far as these rows can tell.
    """
    predicted = {model: prediction(values, target) for model, values in logits.items()}

    def of_difference(metric: str, model: str) -> list[float]:
        both = np.stack([predicted["student"], predicted[model]], axis=-1)
        score = METRICS[metric]
        return _interval(target, both, lambda t, p: score(t, p[..., 0]) - score(t, p[..., 1]))

    return {
        "intervals": {
            model: {
                metric: _interval(target, values, METRICS[metric])
                for metric in (metrics if model == "student" else metrics[:1])
            }
            for model, values in predicted.items()
        },
        "differences": {
            model: of_difference(metrics[0], model) for model in predicted if model != "student"
        },
        "near_chance": [m for m in ("teacher", "student") if is_near_chance(logits[m], target)],
    }


def _interval(target: np.ndarray, predicted: np.ndarray, metric: Callable) -> list[float]:
    return [round(bound, 4) for bound in interval(target, predicted, metric)]


def _names(values: np.ndarray, labels: list[str]) -> list:
    """Scores unchanged, classes by name, multi-label rows as the names of the predicted labels."""
    if not labels:
        return values.tolist()
    if values.ndim == 1:
        return [labels[i] for i in values]
    return [", ".join(labels[i] for i in row.nonzero()[0]) for row in values]
