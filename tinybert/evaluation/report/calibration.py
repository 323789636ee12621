"""How far a confidence can be trusted, and what a threshold on it buys.

The confidence of a row is the probability of its predicted label.
"""

import numpy as np
import pandas as pd
from markupsafe import Markup

from tinybert.evaluation.report import charts
from tinybert.evaluation.report.predictions import ROLES

BINS = 10  # of equal width
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
FEWEST = 20  # answered rows: an accuracy of fewer is left out of the curve


def calibration(predictions: pd.DataFrame, name: str) -> dict:
    """For the template: expected calibration errors in percent by role, the table of THRESHOLDS,
    and charts of both."""
    confident = {role: predictions[f"{role}_confidence"].to_numpy() for role in ROLES}
    correct = {role: (predictions[role] == predictions["actual"]).to_numpy() for role in ROLES}
    bins = {role: reliability(confident[role], correct[role]) for role in ROLES}
    shares = {role: coverage(confident[role], correct[role]) for role in ROLES}
    points = {role: [(100 * x, 100 * y) for x, y, _ in bins[role]] for role in ROLES}
    answered = {
        role: [(100 * share, 100 * accuracy) for share, accuracy in shares[role]] for role in ROLES
    }
    charted: list[Markup] = [
        charts.lines(points, "confidence, %", "accuracy, %", f"{name}-reliability", diagonal=True),
        charts.lines(answered, "answered, %", "accuracy of them, %", f"{name}-coverage"),
    ]
    return {
        "errors": {role: 100 * expected_error(bins[role]) for role in ROLES},
        "thresholds": thresholds(confident["student"], correct["student"]),
        "charts": charted,
    }


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, rows) of each of BINS that has rows.

    confidence: (rows,), 0 to 1. correct: (rows,), whether the prediction is the label.
    """
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [number == i for i in np.unique(number)]
    return [(confidence[c].mean(), correct[c].mean(), int(c.sum())) for c in chosen]


def expected_error(bins: list[tuple[float, float, int]]) -> float:
    """The expected calibration error (Guo et al. 2017, eq. 5): the mean distance of confidence and
    accuracy, weighted by rows."""
    distances = [abs(confidence - accuracy) * rows for confidence, accuracy, rows in bins]
    return sum(distances) / sum(rows for *_, rows in bins)


def thresholds(confidence: np.ndarray, correct: np.ndarray) -> list[dict]:
    """For each of THRESHOLDS the share of rows at or above it, and their accuracy (None without
    rows)."""
    rows = []
    for threshold in THRESHOLDS:
        answered = correct[confidence >= threshold]
        accuracy = float(answered.mean()) if len(answered) else None
        share = len(answered) / len(correct)
        rows.append({"threshold": threshold, "share": share, "accuracy": accuracy})
    return rows


def coverage(confidence: np.ndarray, correct: np.ndarray) -> list[tuple[float, float]]:
    """(share of rows that are answered, their accuracy) for every threshold that answers at least
    FEWEST rows, from the highest on; rows of the same confidence are answered together."""
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    accuracies = correct[order].cumsum() / counts
    ordered = confidence[order]
    last = np.append(ordered[:-1] != ordered[1:], True)
    kept = last & (counts >= min(FEWEST, len(order)))
    indices = np.flatnonzero(kept)
    if len(indices) > 200:  # as many points as a curve of training has
        indices = indices[np.linspace(0, len(indices) - 1, 200).round().astype(int)]
    return [(counts[i] / len(order), float(accuracies[i])) for i in indices]
