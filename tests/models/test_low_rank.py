"""An embedding table of low rank."""

from copy import deepcopy

import numpy as np
import torch
from tiny import tiny_config
from transformers import BertModel

from tinybert.models.low_rank import factors, low_rank_table, truncate_table


def test_the_factors_are_the_best_ones_of_their_rank():
    table = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, right = factors(table, 3)
    assert left.shape == (20, 3) and right.shape == (3, 8)
    values = np.linalg.svd(table.numpy(), compute_uv=False)
    error = (table - left @ right).square().sum().item()
    assert np.isclose(error, np.square(values[3:]).sum())


def test_frequent_tokens_keep_more_of_their_row():
    """Of two orthogonal rows of equal length, one dimension keeps the one that is frequent."""
    model = BertModel(tiny_config(vocab_size=2, pad_token_id=None))
    table, start = model.get_input_embeddings().weight, torch.eye(8)[:2]
    for counts, left in (([1, 100], [0, 1]), ([100, 1], [1, 0])):
        table.data.copy_(start)
        truncate_table(model, 1, np.array(counts))
        assert torch.allclose(table, start * torch.tensor(left)[:, None])
        table.data.copy_(start)
        truncate_table(model, None, np.array(counts))
        assert torch.equal(table, start)


def test_training_keeps_the_rank_and_leaves_a_plain_table():
    torch.manual_seed(0)
    model = BertModel(tiny_config())
    table = model.get_input_embeddings()
    truncate_table(model, 2, np.ones(len(table.weight)))
    start = table.weight.detach().clone()
    names = set(model.state_dict())
    with low_rank_table(model, 2):
        ids = torch.arange(5, 25).reshape(2, 10)
        assert torch.allclose(model.get_input_embeddings()(ids), start[ids], atol=1e-6)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(3):
            model(ids).last_hidden_state.square().mean().backward()
            optimizer.step()
    assert set(model.state_dict()) == names and model.get_input_embeddings() is table
    assert (table.weight - start).abs().max() > 0.01
    assert np.linalg.matrix_rank(table.weight.detach().numpy(), tol=1e-4) == 2


def test_without_a_rank_nothing_changes():
    model = BertModel(tiny_config())
    names = set(model.state_dict())
    with low_rank_table(model, None):
        assert set(model.state_dict()) == names


def test_a_step_after_a_restored_state_is_the_step_that_would_have_been():
    """Files hold tensors row by row; the factors must lie in memory as they do."""
    torch.manual_seed(0)
    model = BertModel(tiny_config())
    truncate_table(model, 2, np.ones(len(model.get_input_embeddings().weight)))
    ids = torch.arange(5, 25).reshape(2, 10)
    with low_rank_table(model, 2):
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)

        def step() -> dict[str, torch.Tensor]:
            optimizer.zero_grad()
            model.eval()(ids).last_hidden_state.square().mean().backward()
            optimizer.step()
            return {name: tensor.clone() for name, tensor in model.state_dict().items()}

        weights, adam = step(), deepcopy(optimizer.state_dict())
        for values in adam["state"].values():
            values |= {name: tensor.contiguous() for name, tensor in values.items()}
        expected = step()
        model.load_state_dict(weights)
        optimizer.load_state_dict(adam)
        for name, tensor in step().items():
            assert torch.equal(tensor, expected[name]), name
