"""An embedding table as the product of two narrow matrices, while it is trained.

A table of V tokens and width w, of rank r, has r * (V + w) free numbers instead of V * w (ALBERT,
1909.11942, §3.1). Saved models have the whole table, as transformers expects; what is exported
stores the factors.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel


class _Product(nn.Module):
    def __init__(self, rank: int):
        super().__init__()
        self.rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    def right_inverse(self, table: Tensor) -> tuple[Tensor, Tensor]:
        return factors(table, self.rank)


def factors(table: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(V, rank) and (rank, width), of equal sums of squares, whose product is nearest to `table`,
    (V, width)."""
    left, values, right = torch.linalg.svd(table.double(), full_matrices=False)
    root = values[:rank].sqrt()
    return (left[:, :rank] * root).to(table.dtype), (root[:, None] * right[:rank]).to(table.dtype)


def truncated(table: Tensor, rank: int, counts: Tensor) -> Tensor:
    """The table of this rank that is nearest to `table`, (V, width), if each token counts as often
    as the texts have it. counts: (V,); a token that they lack counts once."""
    weights = counts.clamp(min=1).double().sqrt()[:, None]
    _, _, right = torch.linalg.svd(weights * table.double(), full_matrices=False)
    return (table.double() @ right[:rank].T @ right[:rank]).to(table.dtype)


@contextmanager
def low_rank_table(model: PreTrainedModel, rank: int | None) -> Iterator[None]:
    """Keeps the rank of the model's embedding table while it is trained. None: any rank."""
    if rank is None:
        yield
        return
    table = model.get_input_embeddings()
    parametrize.register_parametrization(table, "weight", _Product(rank))
    try:
        yield
    finally:
        parametrize.remove_parametrizations(table, "weight")
