"""How sure a score is: bootstrap over the rows that were scored (Efron 1979)."""

from collections.abc import Callable

import numpy as np

LEVEL = 95  # per cent


def interval(
    target: np.ndarray,
    predicted: np.ndarray,
    metric: Callable,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % percentile interval of `metric(target, predicted)` under resampling of the rows.

    target, predicted: one entry (or one row, for multi-label tasks) per scored row; at least one.
    The bounds have the metric's unit. They cover the choice of the rows alone, not the randomness
    of training, and not that an epoch was chosen on these rows.

    Without a mistake in n rows, resamples have none either. The lower bound is then the accuracy
    at which n rows in a row are right with 5 % probability, near 1 - 3/n (Hanley and Lippman-Hand
    1983); of other metrics it is an estimate.
    """
    random, rows = np.random.default_rng(seed), len(target)
    samples = (random.integers(rows, size=rows) for _ in range(resamples))
    values = [metric(target[sample], predicted[sample]) for sample in samples]
    low, high = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    if low == high == 1:
        low = (1 - LEVEL / 100) ** (1 / rows)
    return float(low), float(high)


def difference(
    target: np.ndarray, predicted: np.ndarray, other: np.ndarray, metric: Callable
) -> tuple[float, float]:
    """The interval of the metric of `predicted` minus that of `other`, on the same resampled rows.

    Arguments and bounds as of interval. An interval that holds 0 is inside the noise.
    """
    both = np.stack([predicted, other], axis=-1)
    return interval(target, both, lambda t, p: metric(t, p[..., 0]) - metric(t, p[..., 1]))
