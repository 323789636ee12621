"""The layer losses against independent formulas in NumPy float64."""

import numpy as np
import pytest
import torch
from tiny import FAMILIES, VOCABULARY, config_of
from transformers import AutoModel

from tinybert.distillation.layers.loss import LayerLoss, attention_loss, hidden_loss
from tinybert.distillation.layers.projection import Projection
from tinybert.models.attention import QK, capture

LENGTHS = [5, 3, 1]


def random_qk(heads: int, width: int, length: int = 5) -> QK:
    query, key = torch.randn(2, len(LENGTHS), heads, length, width, dtype=torch.float64)
    return QK(query.requires_grad_(), key.requires_grad_(), width**-0.5)


def mask_of(lengths, length=5) -> torch.Tensor:
    return (torch.arange(length) < torch.tensor(lengths)[:, None]).double()


def numpy_attention_loss(student: QK, teacher: QK, lengths) -> float:
    total, count = 0.0, 0
    for b, n in enumerate(lengths):
        for h in range(student.query.shape[1]):
            scores = [
                qk.query[b, h].detach().numpy()
                @ qk.key[b, h].detach().numpy().T
                / np.sqrt(qk.query.shape[-1])
                for qk in (student, teacher)
            ]
            total += ((scores[0] - scores[1])[:n, :n] ** 2).sum()
            count += n * n
    return total / count


def test_attention_loss_equals_numpy_float64():
    student, teacher = random_qk(2, 4), random_qk(2, 6)
    loss = attention_loss(student, teacher, mask_of(LENGTHS))
    assert loss.item() == pytest.approx(numpy_attention_loss(student, teacher, LENGTHS), rel=1e-6)


def test_attention_gradient_equals_finite_differences():
    student, teacher = random_qk(2, 4), random_qk(2, 6)
    attention_loss(student, teacher, mask_of(LENGTHS)).backward()
    for tensor in (student.query, student.key):
        for index in [(0, 1, 2, 3), (1, 0, 0, 0), (1, 1, 4, 2), (2, 0, 0, 1)]:
            values, step = [], 1e-5
            for sign in (1, -1):
                with torch.no_grad():
                    tensor[index] += sign * step
                    values.append(numpy_attention_loss(student, teacher, LENGTHS))
                    tensor[index] -= sign * step
            numeric = (values[0] - values[1]) / (2 * step)
            assert tensor.grad[index].item() == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def test_hidden_loss_and_gradient_equal_numpy_float64():
    projected = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(3, 5, 6, dtype=torch.float64)
    loss = hidden_loss(projected, teacher, mask_of(LENGTHS))
    loss.backward()
    p, t = projected.detach().numpy(), teacher.numpy()
    difference = [(p[b, :n] - t[b, :n]) for b, n in enumerate(LENGTHS)]
    count = sum(LENGTHS) * 6
    assert loss.item() == pytest.approx(sum((d**2).sum() for d in difference) / count, rel=1e-6)
    expected = np.zeros_like(p)
    for b, n in enumerate(LENGTHS):
        expected[b, :n] = 2 * difference[b] / count
    np.testing.assert_allclose(projected.grad.numpy(), expected, rtol=1e-5, atol=1e-9)


def test_without_padding_the_losses_are_means_over_whole_tensors():
    """The definition of the reference code: MSELoss."""
    student, teacher = random_qk(2, 4), random_qk(2, 6)
    full = mask_of([5, 5, 5])
    expected = torch.nn.functional.mse_loss(student.scores(), teacher.scores())
    assert attention_loss(student, teacher, full).item() == pytest.approx(expected.item())
    a, b = torch.randn(2, 3, 5, 6)
    expected = torch.nn.functional.mse_loss(a, b)
    assert hidden_loss(a, b, full).item() == pytest.approx(expected.item(), rel=1e-6)


def make_loss(projection="per_layer", layers="uniform", family="bert", **student) -> LayerLoss:
    config = config_of(family, **{"hidden_size": 4, **student})
    teacher = AutoModel.from_config(config_of(family, num_hidden_layers=4))
    maps = Projection(projection, config.num_hidden_layers, config.hidden_size, 8)
    return LayerLoss(AutoModel.from_config(config), teacher, maps, layers)


def make_batch(padding: int = 0, padding_id: int = 0) -> dict[str, torch.Tensor]:
    lengths = torch.tensor([7, 4])
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(5, len(VOCABULARY), (2, 7), generator=generator)
    mask = (torch.arange(7 + padding) < lengths[:, None]).long()
    ids = torch.nn.functional.pad(ids, (0, padding)).where(mask == 1, padding_id)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


@pytest.mark.parametrize("projection", ["shared", "per_layer"])
def test_the_whole_loss_equals_numpy_from_the_outputs_of_both_models(projection):
    loss = make_loss(projection).eval()
    batch = make_batch()
    lengths = batch["attention_mask"].sum(1).tolist()
    with torch.no_grad():
        losses = loss(batch)
        student, teacher = capture(loss.student, batch), capture(loss.teacher, batch)
    hidden = []
    for m, n in enumerate([0, 2, 4]):
        linear = loss.projection.maps[0 if projection == "shared" else m]
        weight, bias = (p.detach().double().numpy() for p in (linear.weight, linear.bias))
        h_s = student.hidden_states[m].double().numpy()
        h_t = teacher.hidden_states[n].double().numpy()
        error = [h_s[b, :k] @ weight.T + bias - h_t[b, :k] for b, k in enumerate(lengths)]
        hidden.append(sum((e**2).sum() for e in error) / (sum(lengths) * 8))
    attention = [
        numpy_attention_loss(student.attention[m], teacher.attention[n], lengths)
        for m, n in enumerate([1, 3])
    ]
    assert losses["embedding"].item() == pytest.approx(hidden[0], rel=1e-5)
    assert losses["hidden"].item() == pytest.approx(sum(hidden[1:]), rel=1e-5)
    assert losses["attention"].item() == pytest.approx(sum(attention), rel=1e-5)
    assert losses["loss"].item() == pytest.approx(sum(hidden) + sum(attention), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_neither_loss_nor_gradient(family):
    loss = make_loss(family=family).double().eval()
    padding_id = loss.student.config.pad_token_id  # RoBERTa counts positions without it
    values, gradients = [], []
    for padding in (0, 9):
        loss.zero_grad()
        value = loss(make_batch(padding, padding_id))["loss"]
        value.backward()
        values.append(value.item())
        gradients.append([p.grad.clone() for p in loss.parameters() if p.grad is not None])
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    assert len(gradients[0]) > 10
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_of_the_teacher_has_no_loss_until_it_is_changed(family):
    """The maps are identities."""
    teacher = AutoModel.from_config(config_of(family, initializer_range=0.5))
    copy = AutoModel.from_config(teacher.config)
    copy.load_state_dict(teacher.state_dict())
    maps = Projection("per_layer", 2, 8, 8)
    for linear in maps.maps:
        torch.nn.init.eye_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    loss, batch = LayerLoss(copy, teacher, maps, "uniform").eval(), make_batch()
    assert loss(batch)["loss"].item() == pytest.approx(0, abs=1e-9)
    name = "encoder.layer.1.attention.self.key"
    if family == "modernbert":
        name = "layers.1.attn.Wqkv"  # its first rows give the queries
    with torch.no_grad():
        copy.get_submodule(name).weight[:8].mul_(1.5)
    losses = loss(batch)
    assert losses["embedding"].item() == pytest.approx(0, abs=1e-9)
    assert losses["attention"] > 1e-4 and losses["hidden"] > 1e-6


def test_the_teacher_stays_in_eval_mode_and_gets_no_gradient():
    loss = make_loss()
    loss.train()
    assert loss.student.training
    assert not any(module.training for module in loss.teacher.modules())
    loss(make_batch())["loss"].backward()
    assert all(p.grad is None for p in loss.teacher.parameters())
    trained = {id(p) for p in loss.parameters() if p.requires_grad}
    student = [*loss.student.parameters(), *loss.projection.parameters()]
    assert trained == {id(p) for p in student}


def test_other_numbers_of_heads_are_an_error_that_names_the_setting():
    with pytest.raises(ValueError, match=r"student.num_attention_heads.* 2"):
        make_loss(num_attention_heads=4, hidden_size=4)


def test_layers_that_do_not_divide_are_an_error_before_training():
    with pytest.raises(ValueError, match="layer_loss.layer_map"):
        make_loss(num_hidden_layers=3)
