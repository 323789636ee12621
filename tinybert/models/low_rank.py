"""An embedding table as the product of two narrow matrices, while it is trained.

A table of V tokens and width w, of rank r, has r * (V + w) free numbers instead of V * w (ALBERT,
1909.11942, §3.1). Saved models have the whole table, as transformers expects; what is exported
stores the factors.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


def factors(table: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(V, rank) and (rank, width), of equal sums of squares, whose product is nearest to `table`,
    (V, width)."""
    left, values, right = torch.linalg.svd(table.double(), full_matrices=False)
    root = values[:rank].sqrt()
    both = left[:, :rank] * root, root[:, None] * right[:rank]
    # AdamW reads the memory of weights and of its own state in one order; LAPACK's is by columns.
    return tuple(factor.to(table.dtype).contiguous() for factor in both)


def truncate_table(model: PreTrainedModel, rank: int | None, counts: np.ndarray) -> None:
    """Sets a model's embedding table to the one of this rank that is nearest to it, if each token
    counts as often as the texts have it. None: any rank. counts: (V,); a token that they lack
    counts once."""
    if rank is None:
        return
    table = model.get_input_embeddings().weight.detach()
    weights = torch.from_numpy(counts).clamp(min=1).double().sqrt()[:, None]
    _, _, right = torch.linalg.svd(weights * table.double(), full_matrices=False)
    table.copy_(table.double() @ right[:rank].T @ right[:rank])


@contextmanager
def low_rank_table(model: PreTrainedModel, rank: int | None) -> Iterator[None]:
    """Trains the two factors instead of the model's embedding table, which then has the rank of
    before. None: the table itself."""
    if rank is None:
        yield
        return
    table = model.get_input_embeddings()
    left, right = factors(table.weight.detach(), rank)
    product = nn.Sequential(
        nn.Embedding.from_pretrained(left, freeze=False, padding_idx=table.padding_idx),
        nn.Linear(rank, table.embedding_dim, bias=False),
    )
    with torch.no_grad():
        product[1].weight.copy_(right.T)
    model.set_input_embeddings(product)
    try:
        yield
    finally:
        with torch.no_grad():
            table.weight.copy_(product[1](product[0].weight))
        model.set_input_embeddings(table)
