"""Dropout against its definition: which numbers stay, how many, and their values."""

import pytest
import torch
from tiny import FAMILIES, config_of, tiny_config
from torch import nn
from transformers import AutoModel, BertModel

from tinybert.models import attention
from tinybert.models.attention import use_attention
from tinybert.models.dropout import Dropout, dropout, set_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_and_the_scale_of_the_others(p, dtype):
    torch.manual_seed(1)
    count = 400_003  # not a multiple of four
    out = dropout(torch.full((count,), 2.0, dtype=dtype), p)
    error = 5 * (p * (1 - p) / count) ** 0.5  # five standard deviations of a binomial share
    assert (out == 0).double().mean().item() == pytest.approx(p, abs=error)
    assert out[out != 0].unique().tolist() == pytest.approx([2 / (1 - p)], rel=5e-3)


def test_numbers_that_share_a_draw_are_dropped_independently():
    torch.manual_seed(1)
    mask = (dropout(torch.ones(100_000, 4), 0.3) != 0).double()
    assert torch.corrcoef(mask.T).fill_diagonal_(0).abs().max() < 0.02


def test_the_gradient_is_that_of_the_mask():
    torch.manual_seed(1)
    x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    out = dropout(x, 0.4)
    out.sum().backward()
    assert torch.equal(x.grad, torch.where(out == 0, 0.0, torch.tensor(1 / 0.6, dtype=x.dtype)))


def test_nothing_is_dropped_in_evaluation_or_with_probability_0():
    x = torch.randn(100)
    assert dropout(x, 0.0) is x
    layer = Dropout(0.5)
    assert not torch.equal(layer(x), x)
    assert layer.eval()(x) is x


def test_all_dropouts_of_a_model_get_the_probability():
    model = BertModel(tiny_config(hidden_dropout_prob=0.3)).eval()
    set_dropout(model, 0.2)
    dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) == 1 + 3 * 2  # embeddings; attention and two others in each of two layers
    assert {(type(m), m.p, m.training) for m in dropouts} == {(Dropout, 0.2, False)}


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_drops_with_the_probability_that_is_set(family, monkeypatch):
    """Also where it is a number and no module: in training alone, once in each layer."""
    model = AutoModel.from_config(config_of(family))
    use_attention(model)
    probabilities = []
    monkeypatch.setattr(attention, "dropout", lambda x, p: probabilities.append(p) or x)
    set_dropout(model, 0.25)
    ids = torch.full((1, 5), 6)
    for training, p in ((True, 0.25), (False, 0.0)):
        probabilities.clear()
        model.train(training)(input_ids=ids, attention_mask=torch.ones_like(ids))
        assert probabilities == [p] * model.config.num_hidden_layers


@pytest.mark.parametrize("given", [0, 0.0, 0.3])
@pytest.mark.parametrize(("p", "deterministic"), [(0.0, True), (0.5, False)])
def test_modernberts_attention_is_random_in_training_as_the_setting_says(given, p, deterministic):
    """Its config's number decides neither the attention's dropout nor that of its output, for which
    it has no module at 0. Asked of transformers' own attention, for numbers and output alone."""
    model = AutoModel.from_config(config_of("modernbert", attention_dropout=given)).train()
    set_dropout(model, p)
    attention_layer = model.layers[0].attn
    assert attention_layer.attention_dropout == p
    torch.manual_seed(1)
    x = torch.randn(1, 5, model.config.hidden_size)
    seen = []
    for layer in (lambda x: attention_layer.out_drop(x), lambda x: run_attention(model, x)):
        seen.append(torch.equal(layer(x), layer(x)))
    assert seen == [deterministic] * 2
    model.eval()
    assert torch.equal(run_attention(model, x), run_attention(model, x))


def run_attention(model, x: torch.Tensor) -> torch.Tensor:
    """The first layer's attention before its output is dropped."""
    layer, states = model.layers[0].attn, []
    hook = layer.Wo.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    ids = torch.full((1, x.shape[1]), 6)
    embed = model.embeddings.register_forward_hook(lambda *_: x)
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        hook.remove()
        embed.remove()
    return states[0]


def test_a_number_named_dropout_is_set_under_any_name():
    """ESM's attention calls it `dropout`; a whole number is a number, True is none."""

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout, self.attention_dropout, self.token_dropout = 0.1, 0, True
            self.out_drop = nn.Identity()

    layer = Attention()
    set_dropout(layer, 0.25)
    assert (layer.dropout, layer.attention_dropout, layer.token_dropout) == (0.25, 0.25, True)
    assert isinstance(layer.out_drop, Dropout) and layer.out_drop.p == 0.25
