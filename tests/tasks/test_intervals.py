"""Bootstrap intervals against closed forms."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm
from sklearn.metrics import accuracy_score

from tinybert.tasks.intervals import difference, interval


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_interval_of_an_accuracy_is_that_of_a_binomial(share):
    rows = 400
    target = np.zeros(rows, int)
    predicted = (np.arange(rows) >= share * rows).astype(int)
    low, high = interval(target, predicted, accuracy_score)
    expected = binom.ppf([0.025, 0.975], rows, share) / rows
    assert [low, high] == pytest.approx(expected, abs=0.01)


def test_the_interval_shrinks_with_the_root_of_the_rows():
    def width(rows: int) -> float:
        low, high = interval(np.zeros(rows, int), np.arange(rows) % 2, accuracy_score)
        return high - low

    assert width(100) / width(2500) == pytest.approx(5, rel=0.2)


def test_rows_of_several_labels_are_drawn_whole():
    target = np.array([[0, 1], [1, 0], [1, 1]] * 20)
    correct = np.arange(60) < 30  # both labels of a row are right, or both are wrong
    predicted = np.where(correct[:, None], target, 1 - target)
    whole = interval(target, predicted, lambda a, b: float((a == b).mean()))
    assert whole == interval(np.ones(60), correct.astype(int), accuracy_score)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random((2, 50))

    def error(target, predicted):
        return float(np.mean((target - predicted) ** 2))

    first = interval(*values, error)
    assert first == interval(*values, error) != interval(*values, error, seed=1)


@pytest.mark.parametrize("rows", [1, 40, 3000])
def test_no_mistake_in_few_rows_does_not_mean_that_there_are_none(rows):
    low, high = interval(np.ones(rows), np.ones(rows), accuracy_score)
    exact = binomtest(rows, rows, alternative="greater").proportion_ci(0.95, method="exact")
    assert [low, high] == pytest.approx([exact.low, 1])


def test_one_row_that_is_wrong_has_an_interval_without_width():
    assert interval(np.array([1]), np.array([0]), accuracy_score) == (0, 0)


def test_the_interval_of_a_difference_is_that_of_the_rows_that_differ():
    """Rows that both models have right, or wrong, are no noise."""
    rows, better, worse = 2000, 120, 60
    right = np.ones(rows, int)
    one, other = right.copy(), right.copy()
    other[:better], one[better : better + worse] = 0, 0
    one[-500:] = other[-500:] = 0
    low, high = difference(right, one, other, accuracy_score)
    mean, share = (better - worse) / rows, (better + worse) / rows
    half = norm.ppf(0.975) * np.sqrt((share - mean**2) / rows)  # of a paired difference
    assert [low, high] == pytest.approx([mean - half, mean + half], abs=0.003)
    assert difference(right, other, one, accuracy_score) == pytest.approx((-high, -low))
