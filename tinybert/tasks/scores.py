"""A task's metrics by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

from tinybert.tasks import word_scores
from tinybert.tasks.task import AGREEMENT, CHOOSES, Task

if TYPE_CHECKING:  # torch, which tinybert evaluate does without
    from transformers import PreTrainedModel

    from tinybert.models.rows import Rows

CHANCE = 0.1  # a correlation with the targets below this counts as none


def scores(logits: np.ndarray, target: np.ndarray, metrics: list[str]) -> dict[str, float]:
    """The values of the named metrics, in their order.

    logits: (rows, classes), or (rows, 1) for regression. target: (rows,), classes or scores; for
    multi-label tasks (rows, labels), 0 or 1. `f1` is that of class 1. Undefined values are 0:
    correlations of constants, and the F1 of a class that is neither predicted nor a target.
    """
    predicted = prediction(logits, target)
    return {name: float(METRICS[name](target, predicted)) for name in metrics}


def prediction(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The predicted classes, labels (0 or 1) or scores, in the shape of the target."""
    if target.ndim == 2:
        return (logits > 0).astype(int)
    return logits[:, 0].astype(float) if logits.shape[1] == 1 else logits.argmax(axis=1)


def compared(
    logits: np.ndarray, rows: "Rows", task: Task, answers: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions as METRICS take them, with an entry for each row.

    For labels of words an entry is word_scores.counts. answers: the teacher's predictions, which
    are the targets then; words that no model reads, as after max_length, do not count.
    """
    target = rows.columns[task.target]
    predicted = prediction(logits, target)
    target = target if answers is None else answers
    if task.kind != "tokens":
        return target, predicted
    words = rows.words
    if answers is None:
        return word_scores.counts(target, predicted, words.starts, task)
    return word_scores.counts(target[words.index], predicted[words.index], words.begins, task)


def is_near_chance(logits: np.ndarray, target: np.ndarray) -> bool:
    """Whether the correlation of predictions and targets is below CHANCE, or below twice its
    standard deviation for random predictions: Pearson's for scores, Matthews's for classes, over
    all labels at once for multi-label tasks. False if all targets are the same, since no
    correlation is defined."""
    if np.ptp(target) == 0:
        return False
    predicted = prediction(logits, target)
    is_score = logits.shape[1] == 1
    name = "pearson" if is_score else "matthews"
    # Of K balanced classes: sqrt(1 / (K - 1) / n); of scores, and of two classes, sqrt(1 / n).
    free = 1 if is_score or target.ndim == 2 else max(1, len(np.unique(target)) - 1)
    noise = 2 / np.sqrt(target.size * free)
    return METRICS[name](target.ravel(), predicted.ravel()) < max(CHANCE, noise)


def scorer(
    model: "PreTrainedModel", rows: "Rows", task: Task, precision: str
) -> Callable[[], float]:
    """Returns the function that training calls after each epoch. It returns the first metric of dev
    on `rows`, which are those of dev."""
    from tinybert.models import predict

    metric = task.metrics_of(CHOOSES)[0]

    def score() -> float:
        logits = predict.logits(model, rows, precision, shared=True)
        return float(METRICS[metric](*compared(logits, rows, task)))

    return score


def _correlation(function):
    def value(target: np.ndarray, predicted: np.ndarray) -> float:
        if np.ptp(predicted) == 0 or np.ptp(target) == 0:
            return 0.0
        return function(predicted, target).statistic

    return value


def _accuracy(target: np.ndarray, predicted: np.ndarray) -> float:
    """The share of rows that are right, of several labels in all of them. scikit-learn's is the
    same, but checks its input for much longer than it counts, a thousand times in a bootstrap."""
    return (target == predicted).reshape(len(target), -1).all(axis=1).mean()


def _agreement(target: np.ndarray, predicted: np.ndarray) -> float:
    """See task.AGREEMENT_IS; scores are floating-point numbers, and of words there are counts."""
    if predicted.shape != target.shape:
        return METRICS["word_accuracy"](target, predicted)
    if np.issubdtype(predicted.dtype, np.floating):
        return METRICS["pearson"](target, predicted)
    return (target == predicted).mean()


def _f1(average: str):
    return lambda target, predicted: f1_score(target, predicted, average=average, zero_division=0)


def _share(right: Callable, of: Callable):
    """A metric of words, from the sums of word_scores.counts."""

    def value(target: np.ndarray, predicted: np.ndarray) -> float:
        target, predicted = target.sum(axis=0), predicted.sum(axis=0)
        count = of(target, predicted)
        return float(right(predicted) / count) if count else 0.0

    return value


METRICS = {
    AGREEMENT: _agreement,
    "accuracy": _accuracy,
    "f1": _f1("binary"),
    "f1_macro": _f1("macro"),
    "f1_micro": _f1("micro"),
    "matthews": matthews_corrcoef,
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
    "entity_f1": _share(lambda p: 2 * p[1], lambda t, p: t[0] + p[0]),
    "entity_precision": _share(lambda p: p[1], lambda t, p: p[0]),
    "entity_recall": _share(lambda p: p[1], lambda t, p: t[0]),
    "word_accuracy": _share(lambda p: p[2], lambda t, p: t[1]),
}
