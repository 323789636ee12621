"""An embedding table of low rank."""

import numpy as np
import torch
from tiny import tiny_config
from transformers import BertModel

from tinybert.models.low_rank import factors, low_rank_table, truncated


def test_the_factors_are_the_best_ones_of_their_rank():
    table = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, right = factors(table, 3)
    assert left.shape == (20, 3) and right.shape == (3, 8)
    values = np.linalg.svd(table.numpy(), compute_uv=False)
    error = (table - left @ right).square().sum().item()
    assert np.isclose(error, np.square(values[3:]).sum())


def test_frequent_tokens_keep_more_of_their_row():
    """Of two orthogonal rows of equal length, one dimension keeps the one that is frequent."""
    table, counts = torch.eye(4)[:2], torch.tensor([1, 100])
    assert torch.allclose(truncated(table, 1, counts), torch.tensor([[0.0] * 4, [0, 1, 0, 0]]))
    assert torch.allclose(
        truncated(table, 1, counts.flip(0)),
        torch.eye(4)[:1].expand(2, 4) * torch.tensor([[1.0], [0.0]]),
    )


def test_training_keeps_the_rank_and_leaves_a_plain_table():
    torch.manual_seed(0)
    model = BertModel(tiny_config())
    table = model.get_input_embeddings()
    start = truncated(table.weight.detach(), 2, torch.ones(len(table.weight)))
    with torch.no_grad():
        table.weight.copy_(start)
    names = set(model.state_dict())
    with low_rank_table(model, 2):
        assert torch.allclose(table.weight, start, atol=1e-6)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        ids = torch.arange(5, 25).reshape(2, 10)
        for _ in range(3):
            model(ids).last_hidden_state.square().mean().backward()
            optimizer.step()
    assert set(model.state_dict()) == names
    assert (table.weight - start).abs().max() > 0.01
    assert np.linalg.matrix_rank(table.weight.detach().numpy(), tol=1e-4) == 2


def test_without_a_rank_nothing_changes():
    model = BertModel(tiny_config())
    names = set(model.state_dict())
    with low_rank_table(model, None):
        assert set(model.state_dict()) == names
