"""Least squares, and the best product of two matrices of a given rank."""

import torch
from torch import Tensor


def least_squares(
    x: Tensor, y: Tensor, prior: Tensor, ridge: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """The weight (b, a) and bias (b,) that minimise the mean square of x wᵀ + bias - y plus
    λ |w - prior|², in closed form; λ is `ridge` times the mean variance of a column of x.

    x: (n, a). y: (n, b). prior: (b, a), which decides what the rows of x leave open.
    """
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    gram = (centred.T @ centred).double()
    gram.diagonal().add_(ridge * gram.diagonal().mean().clamp_min(torch.finfo(x.dtype).tiny))
    residual = y - mean_y - centred @ prior.T
    change = torch.cholesky_solve(
        (centred.T @ residual).double(), torch.linalg.cholesky(gram)
    ).T.to(x.dtype)
    weight = prior + change
    return weight, mean_y - weight @ mean_x


def square_root(moment: Tensor) -> tuple[Tensor, Tensor]:
    """C^½ and C^-½ of a symmetric, positive semidefinite C (a, a), in float64; C's smallest
    eigenvalues are raised to a millionth of their mean."""
    values, vectors = torch.linalg.eigh(moment.double())
    values = values.clamp_min(1e-6 * values.mean())
    return (vectors * values.sqrt()) @ vectors.T, (vectors * values.rsqrt()) @ vectors.T


def truncate(left: Tensor, right: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The two factors (heads, a, rank) and (heads, b, rank) whose product is closest to
    left @ rightᵀ in the Frobenius norm: its singular value decomposition, the singular values
    shared out evenly (Eckart and Young).

    left: (heads, a, R). right: (heads, b, R). With a thin QR decomposition of each side, only
    matrices of size R are decomposed.
    """
    (q_left, r_left), (q_right, r_right) = torch.linalg.qr(left), torch.linalg.qr(right)
    u, sizes, v = torch.linalg.svd(r_left @ r_right.mT)
    sizes = sizes[:, None, :rank].sqrt()
    return q_left @ (u[:, :, :rank] * sizes), q_right @ (v.mT[:, :, :rank] * sizes)
