"""Least squares and truncated products, against NumPy in float64."""

import numpy as np
import pytest
import torch

from tinybert.distillation.layers.low_rank import least_squares, square_root, truncate


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [50, 3])  # more and fewer than unknowns
def test_least_squares_with_a_prior(rows):
    """The same minimum as that of numpy.linalg.lstsq with the penalty as further equations."""
    x, y, prior, ridge = randn(rows, 6) + 2, randn(rows, 4, seed=1), randn(4, 6, seed=2), 0.1
    weight, bias = least_squares(x, y, prior, ridge)
    x64, y64 = x.double().numpy(), y.double().numpy()
    centred = x64 - x64.mean(0)
    penalty = np.sqrt(ridge * centred.var(0).mean() * rows)
    left = np.vstack([centred, penalty * np.eye(6)])
    right = np.vstack([y64 - y64.mean(0), penalty * prior.double().numpy().T])
    expected = np.linalg.lstsq(left, right, rcond=None)[0].T
    np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(bias, y64.mean(0) - expected @ x64.mean(0), rtol=1e-4, atol=1e-4)


def test_least_squares_of_rows_that_say_nothing_returns_the_prior():
    prior = randn(4, 6)
    weight, bias = least_squares(torch.ones(5, 6), torch.full((5, 4), 3.0), prior)
    torch.testing.assert_close(weight, prior)
    torch.testing.assert_close(bias, 3 - prior.sum(1))


def test_square_roots():
    x = randn(40, 5).double()
    root, inverse = square_root(x.T @ x)
    torch.testing.assert_close(root @ root, x.T @ x)
    torch.testing.assert_close(root @ inverse, torch.eye(5, dtype=torch.float64))


@pytest.mark.parametrize("rank", [1, 3, 4])
@pytest.mark.parametrize("width", [3, 9])  # below and above the given rank
def test_a_truncated_product_is_the_best_of_its_rank(rank, width):
    left, right = randn(2, width, 4).double(), randn(2, 7, 4, seed=1).double()
    if rank > width:
        pytest.skip("a student's head is not wider than its states")
    ours, theirs = truncate(left, right, rank)
    assert ours.shape == (2, width, rank) and theirs.shape == (2, 7, rank)
    for head in range(2):
        u, sizes, v = np.linalg.svd((left[head] @ right[head].T).numpy())
        best = (u[:, :rank] * sizes[:rank]) @ v[:rank]
        np.testing.assert_allclose(ours[head] @ theirs[head].T, best, atol=1e-10)
        # The singular values are shared out evenly, so neither factor is much larger.
        np.testing.assert_allclose(ours[head].norm(), theirs[head].norm())
