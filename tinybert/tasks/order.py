"""Whether the outputs of a teacher that the user brings are named in the right order."""

import sys

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from tinybert.tasks.scores import CHANCE, METRICS
from tinybert.tasks.task import CHOOSES, Task

CERTAIN = 0.001  # the largest probability of such an improvement by chance
SHOWN = 20  # names
EACH = " With several teachers it has a list for each, [[...], [...]]."


def warn_order(
    name: str, target: np.ndarray, predicted: np.ndarray, task: Task, member: int | None = None
) -> None:
    """Prints a warning if another order of the teacher's outputs fits dev far better.

    target, predicted: as in better_order. member: the teacher's number in an ensemble.
    """
    order = better_order(target, predicted, len(task.labels))
    if order is None:
        return
    hits = _hits(target, predicted, len(task.labels))
    names = [
        f"  {task.labels[output]!r} -> {task.labels[label]!r}"
        for output, label in enumerate(order)
        if hits[label, output] > 2 * hits[output, output]
    ]
    more = [f"  and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    # Of words one by one: target and predicted do not say where texts begin.
    metric = "accuracy" if task.kind == "tokens" else task.metrics_of(CHOOSES)[0]
    score = METRICS[metric]
    line = "=" * 80
    print(
        f"{line}\nWARNING: the outputs of {title(name, member)} seem to be named in the wrong "
        f"order. On dev its\n{metric} is {score(target, predicted):.3f}, and "
        f"{score(target, reordered(predicted, order)):.3f} if these outputs had other names:\n"
        + "\n".join(names[:SHOWN] + more)
        + f"\nCorrect teacher_labels under data of task.{name} in params.yaml: write the right "
        f"name for the\nleft one.{EACH if member else ''}\n{line}",
        file=sys.stderr,
    )


def title(name: str, member: int | None = None) -> str:
    """The teacher of a task, or a member of its ensemble, as messages call it."""
    return f"the teacher of {name}" if member is None else f"teacher {member} of {name}"


def better_order(target: np.ndarray, predicted: np.ndarray, labels: int) -> list[int] | None:
    """The label of each output in the order that fits the rows best, or None if it is not far
    better than the present one.

    target, predicted: (rows,), classes; for multi-label tasks (rows, labels), 0 or 1.
    An order that was chosen on some rows fits them too well. So each half of the rows judges the
    order of the other half: it must correct more than twice as many predictions as it spoils, and
    more than chance would. Predictions that hardly correlate with the targets in any order have
    none.
    """
    gained = lost = 0
    even, odd = slice(0, None, 2), slice(1, None, 2)
    for chosen, judging in ((even, odd), (odd, even)):
        order = _best_order(target[chosen], predicted[chosen], labels)
        before = predicted[judging] == target[judging]
        after = reordered(predicted[judging], order) == target[judging]
        gained += int((after & ~before).sum())
        lost += int((before & ~after).sum())
    if (
        gained <= 2 * lost
        or binomtest(gained, gained + lost, alternative="greater").pvalue > CERTAIN
    ):
        return None
    order = _best_order(target, predicted, labels)
    renamed = reordered(predicted, order)
    if METRICS["matthews"](target.ravel(), renamed.ravel()) < CHANCE:
        return None
    return order.tolist()


def reordered(predicted: np.ndarray, order: np.ndarray | list[int]) -> np.ndarray:
    """The predictions if output i meant label order[i]."""
    if predicted.ndim == 1:
        return np.asarray(order)[predicted]
    renamed = np.empty_like(predicted)
    renamed[:, order] = predicted
    return renamed


def _best_order(target: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """The assignment of outputs to labels with the most right predictions (Kuhn 1955)."""
    right = _hits(target, predicted, labels)
    if target.ndim == 2:
        right += _hits(1 - target, 1 - predicted, labels)
    np.fill_diagonal(right, right.diagonal() + 0.5)  # ties are decided for the present order
    best, order = right.argmax(axis=0), np.arange(labels)
    # Only outputs that fit another label best, and those of these labels, change places.
    movable = np.union1d(order[best != order], best[best != order])
    chosen = linear_sum_assignment(right[np.ix_(movable, movable)].T, maximize=True)[1]
    order[movable] = movable[chosen]
    return order


def _hits(target: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """(labels, outputs): the number of rows with this label for which this output is predicted."""
    if target.ndim == 2:
        return target.T.astype(float) @ predicted.astype(float)
    hits = np.zeros((labels, labels))
    np.add.at(hits, (target, predicted), 1)
    return hits
