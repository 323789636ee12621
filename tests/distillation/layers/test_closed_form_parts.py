"""The steps of the start in closed form, against brute force in NumPy."""

import numpy as np
import pytest
import torch
from students import new_student, randomize
from tiny import config_of, tiny_config
from torch import nn
from transformers import AutoModel

from tinybert.distillation.layers import closed_form
from tinybert.distillation.layers.closed_form import (
    TeacherLayer,
    fit_norm,
    start_attention,
    start_feed_forward,
)
from tinybert.distillation.layers.parts import layers_of, parts_of


@pytest.fixture
def layer():
    """A teacher's layer of width 8 with states that it reads, and a student's layer of width 6."""
    teacher = randomize(AutoModel.from_config(tiny_config()))
    student = new_student(teacher, num_hidden_layers=1, hidden_size=6, intermediate_size=5)
    random = torch.Generator().manual_seed(2)
    before, middle, sums, after = torch.randn(4, 200, 8, generator=random)
    activity = torch.rand(16, generator=random)
    source = TeacherLayer(parts_of(layers_of(teacher)[0]), before, middle, sums, after, activity)
    return source, parts_of(layers_of(student)[0]), torch.randn(200, 6, generator=random)


def arrays(linear: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()


def appended(states: torch.Tensor) -> np.ndarray:
    return np.hstack([states.double().numpy(), np.ones((len(states), 1))])


def test_queries_and_keys_are_the_best_form_of_their_rank(layer):
    """By brute force: the singular value decomposition of C^½ A C^½ for each head."""
    source, parts, states = layer
    basis = torch.eye(8)[:, :6]
    with torch.no_grad():
        start_attention(parts, source, states, basis, heads=2)
    s = appended(states)
    values, vectors = np.linalg.eigh(s.T @ s / len(s))
    root, inverse = (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    weight, bias = (x.double().numpy() for x in closed_form.least_squares(
        states, source.before, basis))  # fmt: skip
    reading = np.hstack([weight, bias[:, None]])
    for head in range(2):
        theirs = [arrays(p) for p in (source.parts.query, source.parts.key)]
        of_head = slice(4 * head, 4 * head + 4)
        q, k = (
            w[of_head] @ reading + np.outer(b[of_head], np.eye(7)[6]) for w, b in theirs
        )  # (4, 7)
        u, size, v = np.linalg.svd(root @ (q.T @ k / np.sqrt(4)) @ root)
        best = inverse @ (u[:, :3] * size[:3]) @ v[:3] @ inverse
        ours = [arrays(p) for p in (parts.query, parts.key)]
        of_head = slice(3 * head, 3 * head + 3)
        q, k = (np.hstack([w[of_head], b[of_head, None]]) for w, b in ours)  # (3, 7)
        np.testing.assert_allclose(q.T @ k / np.sqrt(3), best, atol=1e-4)


def test_values_and_output_are_the_best_product_of_their_rank(layer):
    source, parts, states = layer
    basis = torch.linalg.qr(torch.randn(8, 6)).Q
    with torch.no_grad():
        start_attention(parts, source, states, basis, heads=2)
    s = appended(states)
    weight, bias = (x.double().numpy() for x in closed_form.least_squares(
        states, source.before, basis))  # fmt: skip
    reading = np.hstack([weight, bias[:, None]])
    theirs, ours = arrays(source.parts.value), arrays(parts.value)
    out_theirs, out_ours = arrays(source.parts.output), arrays(parts.output)
    b = basis.double().numpy()
    for head in range(2):
        at, at_ours = slice(4 * head, 4 * head + 4), slice(3 * head, 3 * head + 3)
        value = theirs[0][at] @ reading + np.outer(theirs[1][at], np.eye(7)[6])
        wanted = s @ (b.T @ out_theirs[0][:, at] @ value).T  # what the head adds to each token
        own = np.hstack([ours[0][at_ours], ours[1][at_ours, None]])
        error = np.linalg.norm(s @ (out_ours[0][:, at_ours] @ own).T - wanted)
        sizes_ = np.linalg.svd(wanted, compute_uv=False)
        np.testing.assert_allclose(error, np.linalg.norm(sizes_[3:]), rtol=1e-4)  # Eckart, Young
    np.testing.assert_allclose(out_ours[1], out_theirs[1] @ b, atol=1e-6)


def test_the_most_active_neurons_are_kept_and_their_outputs_fitted(layer):
    source, parts, states = layer
    basis = torch.eye(8)[:, :6]
    with torch.no_grad():
        start_feed_forward(parts, source, states, basis)
    outer = arrays(source.parts.outer)[0]
    importance = source.activity.double().numpy() * (outer**2).sum(0)
    best = np.argsort(-importance)[:5]
    weight, bias = (x.double().numpy() for x in closed_form.least_squares(
        states, source.middle, basis))  # fmt: skip
    inner_weight, inner_bias = arrays(source.parts.inner)
    ours = arrays(parts.inner)
    np.testing.assert_allclose(ours[0], inner_weight[best] @ weight, atol=1e-5)
    np.testing.assert_allclose(ours[1], inner_bias[best] + inner_weight[best] @ bias, atol=1e-5)
    active = parts.activation(parts.inner(states)).detach().double().numpy()
    direction = basis.double().numpy()
    gain, written = source.parts.norm.weight.detach().double().numpy(), states.double().numpy()
    sums = source.sums.double().numpy()
    sums = (sums - sums.mean(1, keepdims=True)) * gain @ direction
    prior = direction.T @ outer[:, best]
    guess = written + active @ prior.T + arrays(source.parts.outer)[1] @ direction
    sums *= (guess * sums).sum() / (sums**2).sum()  # its length is the norm's to choose
    # Least squares with the penalty as further equations.
    penalty = np.sqrt(0.1 * active.var(0).mean() * len(active)) * np.eye(5)
    equations = np.vstack(
        [appended(torch.from_numpy(active)), np.hstack([penalty, np.zeros((5, 1))])]
    )
    wanted = np.vstack([sums - written, penalty @ prior.T])
    solution = np.linalg.lstsq(equations, wanted, rcond=None)[0]
    weight, bias = arrays(parts.outer)
    np.testing.assert_allclose(weight, solution[:5].T, atol=1e-4)
    np.testing.assert_allclose(bias, solution[5], atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "narrow electra"])
def test_the_tables_are_centred_scaled_and_seen_through_the_basis(family):
    """So that the student's LayerNorm gets what the teacher's gives, but for its divisor."""
    teacher = randomize(AutoModel.from_config(config_of(family)))
    student = new_student(teacher, hidden_size=6)
    basis = torch.linalg.qr(torch.randn(8, 6)).Q
    with torch.no_grad():
        closed_form.start_embeddings(student, teacher, basis)
    source, through = teacher.embeddings, basis.double().numpy()
    if family != "bert":
        through = teacher.embeddings_project.weight.detach().double().numpy().T @ through
    gain = source.LayerNorm.weight.detach().double().numpy()
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        table = getattr(source, name).weight.detach().double().numpy()
        expected = (table - table.mean(1, keepdims=True)) * gain @ through
        ours = getattr(student.embeddings, name).weight.detach()
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_the_pooler_maps_the_basis_to_the_basis():
    """Of a state in the basis's space the student's layer gives what the teacher's does, in the
    basis."""
    teacher = randomize(AutoModel.from_config(tiny_config()))
    student = new_student(teacher, hidden_size=6)
    basis = torch.linalg.qr(torch.randn(8, 6)).Q
    with torch.no_grad():
        closed_form.start_pooler(student, teacher, basis)
        states = torch.randn(20, 6)
        expected = teacher.pooler.dense(states @ basis.T) @ basis
        torch.testing.assert_close(student.pooler.dense(states), expected)


def test_the_norm_is_fitted_dimension_by_dimension():
    norm, sums = nn.LayerNorm(6), torch.randn(100, 6) * 3 + 1
    target = torch.randn(100, 6)
    with torch.no_grad():
        fit_norm(norm, sums, target)
    x = sums.double().numpy()
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + norm.eps)
    for i in range(6):
        gain, bias = np.polyfit(x[:, i], target[:, i].double().numpy(), 1)
        np.testing.assert_allclose(norm.weight[i].item(), gain, atol=1e-4)
        np.testing.assert_allclose(norm.bias[i].item(), bias, atol=1e-4)
