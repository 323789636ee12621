"""How far a model's probabilities mean what they say, and what a threshold on them buys.

The confidence of an answer is its probability. A class is one answer for a text; where a text may
have several labels, each label is an answer of its own: that it applies, or that it does not.
"""

import numpy as np
from scipy.special import expit, softmax
from sklearn.metrics import brier_score_loss

BINS = 10  # of equal width
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def calibration(logits: np.ndarray, target: np.ndarray, fit: dict) -> dict:
    """What metrics/eval has of a split with labels: see `errors` and `thresholds`, the temperature
    and the errors without it; of a regression the spread, and the share of scores within it.

    logits: (rows, classes), (rows, 1) for regression. target: (rows,), classes or scores; (rows,
    labels), 0 or 1. fit: the student's config.calibration, empty if nothing was fitted.
    """
    if target.ndim == 1 and logits.shape[1] == 1:
        if not fit:
            return {}
        within = np.abs(logits[:, 0] - target) <= fit["spread"]
        return {**fit, "within_spread": round(float(within.mean()), 4)}
    result = {**fit, **errors(logits, target)}
    if fit:
        before = errors(logits * fit["temperature"], target)
        result |= {f"{name}_before": value for name, value in before.items()}
    return {**result, "thresholds": thresholds(*answers(logits, target))}


def errors(logits: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """ece: see expected_error. brier: the mean squared error of the probabilities (Brier 1950), of
    more than two classes their sum over the classes. logits, target: as in `calibration`."""
    if target.ndim == 2:
        probabilities = expit(logits.astype(float)).ravel()
        brier = brier_score_loss(target.ravel(), probabilities, labels=[0, 1])
    else:
        probabilities = softmax(logits.astype(float), axis=1)
        brier = brier_score_loss(target, probabilities, labels=range(logits.shape[1]))
    ece = expected_error(reliability(*answers(logits, target)))
    return {"ece": round(float(ece), 4), "brier": round(float(brier), 4)}


def answers(logits: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of each answer, and whether it is right; both (answers,)."""
    if target.ndim == 2:
        return expit(np.abs(logits.astype(float))).ravel(), ((logits > 0) == target).ravel()
    probabilities = softmax(logits.astype(float), axis=1)
    return probabilities.max(axis=1), logits.argmax(axis=1) == target


def least_confidence(logits: np.ndarray, starts: np.ndarray, several_labels: bool) -> np.ndarray:
    """The confidence of each row's least sure answer, in steps of 0.0001; a class is the only one
    of its row. Returns (rows,).

    logits: (texts or words, classes); with several_labels, (texts, labels). starts: (rows + 1,),
    where each row begins in them.
    """
    logits = logits.astype(float)
    if several_labels:
        confidence = expit(np.abs(logits)).min(axis=1)
    else:
        confidence = softmax(logits, axis=1).max(axis=1)
    return np.minimum.reduceat(confidence, starts[:-1]).round(4)


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, answers) of each of BINS that has answers.

    confidence: (answers,), 0 to 1. correct: (answers,), whether they are right.
    """
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [number == i for i in np.unique(number)]
    return [(confidence[c].mean(), correct[c].mean(), int(c.sum())) for c in chosen]


def expected_error(bins: list[tuple[float, float, int]]) -> float:
    """The expected calibration error (Guo et al. 2017, eq. 5): the mean distance of confidence and
    accuracy, weighted by answers."""
    distances = [abs(confidence - accuracy) * count for confidence, accuracy, count in bins]
    return sum(distances) / sum(count for *_, count in bins)


def thresholds(confidence: np.ndarray, correct: np.ndarray) -> list[dict]:
    """For each of THRESHOLDS the share of answers at or above it, and their accuracy (None without
    answers)."""
    rows = []
    for threshold in THRESHOLDS:
        kept = correct[confidence >= threshold]
        accuracy = round(float(kept.mean()), 4) if len(kept) else None
        share = round(len(kept) / len(correct), 4)
        rows.append({"threshold": threshold, "share": share, "accuracy": accuracy})
    return rows
