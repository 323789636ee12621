"""A task's metrics, under plain names."""

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

CHANCE = 0.1  # a correlation with the truth below this is hardly one


def scores(logits: np.ndarray, target: np.ndarray, metrics: list[str]) -> dict[str, float]:
    """The metrics of those names, in their order.

    logits: (rows, classes), or (rows, 1) for regression. target: (rows,), classes or scores; of
    several labels (rows, classes), 0 or 1. `f1` is that of class 1. Correlations are 0 where the
    predictions are constant and none is defined; so is the F1 of a class that nobody names.
    """
    predicted = prediction(logits, target)
    return {name: float(METRICS[name](target, predicted)) for name in metrics}


def prediction(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What the logits say, in the form of the target."""
    if target.ndim == 2:
        return (logits > 0).astype(int)
    return logits[:, 0].astype(float) if logits.shape[1] == 1 else logits.argmax(axis=1)


def is_near_chance(logits: np.ndarray, target: np.ndarray) -> bool:
    """Whether predictions hardly correlate with the truth: Pearson's for scores, Matthews's for
    classes, and over all of them at once for several labels. Never if the truth is one and the same
    for all rows: nothing can be told from it."""
    if np.ptp(target) == 0:
        return False
    predicted = prediction(logits, target)
    is_score = logits.shape[1] == 1
    name = "pearson" if is_score else "matthews"
    return METRICS[name](target.ravel(), predicted.ravel()) < CHANCE


def _correlation(function):
    def value(target: np.ndarray, predicted: np.ndarray) -> float:
        if np.ptp(predicted) == 0 or np.ptp(target) == 0:
            return 0.0
        return function(predicted, target).statistic

    return value


def _f1(average: str):
    return lambda target, predicted: f1_score(target, predicted, average=average, zero_division=0)


METRICS = {
    "accuracy": accuracy_score,
    "f1": _f1("binary"),
    "f1_macro": _f1("macro"),
    "f1_micro": _f1("micro"),
    "matthews": matthews_corrcoef,
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}
