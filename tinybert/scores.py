"""A task's metrics, under plain names."""

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score


def scores(logits: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """logits: (rows, classes), or (rows, 1) for regression. target: (rows,), classes or scores.

    Classification: accuracy and f1_macro. Regression: pearson and spearman, 0 where the
    predictions are constant and neither is defined.
    """
    if logits.shape[1] == 1:
        prediction = logits[:, 0].astype(float)
        if np.ptp(prediction) == 0 or np.ptp(target) == 0:
            return {"pearson": 0.0, "spearman": 0.0}
        return {
            "pearson": float(pearsonr(prediction, target).statistic),
            "spearman": float(spearmanr(prediction, target).statistic),
        }
    prediction = logits.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(target, prediction)),
        "f1_macro": float(f1_score(target, prediction, average="macro")),
    }
