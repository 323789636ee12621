"""How far a confidence can be trusted, and what a threshold on it buys.

The confidence of a row is the probability of its predicted label.
"""

import numpy as np
import pandas as pd
from markupsafe import Markup

from tinybert.evaluation.reliability import expected_error, reliability
from tinybert.evaluation.report import charts
from tinybert.evaluation.report.predictions import ROLES

FEWEST = 20  # answered rows: an accuracy of fewer is left out of the curve


def calibration(predictions: pd.DataFrame, name: str) -> dict:
    """For the template: the teacher's expected calibration error in percent, and charts of
    reliability and of what a threshold buys, of teacher and student."""
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
        "teacher_error": 100 * expected_error(bins["teacher"]),
        "charts": charted,
    }


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
