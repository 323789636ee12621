"""The start in closed form: the teacher itself where the sizes allow it, parts against NumPy."""

import numpy as np
import pytest
import torch
from tiny import WORDS, config_of, tiny_config
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, DistilBertConfig

from tinybert.distillation.layers import closed_form
from tinybert.distillation.layers.closed_form import (
    TeacherLayer,
    closed_form_start,
    fit_norm,
    principal_directions,
    run_teacher,
    sample,
    start_attention,
    start_feed_forward,
)
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.parts import layers_of, parts_of
from tinybert.distillation.layers.student import create_student
from tinybert.distillation.layers.student_config import student_config
from tinybert.models.encode import Rows, encode, model_inputs
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss as Layers
from tinybert.pipeline.schema import Student

BUILT_LIKE_BERT = ("bert", "roberta", "electra", "narrow electra", "distilbert")


def config(family: str, **changes):
    if family != "distilbert":
        return config_of(family, **changes)
    bert = tiny_config()
    return DistilBertConfig(
        vocab_size=bert.vocab_size, dim=8, n_layers=2, n_heads=2, hidden_dim=16,
        max_position_embeddings=64, **changes,
    )  # fmt: skip


def randomize(model: nn.Module) -> nn.Module:
    """Weights in which every part matters, as in a pretrained model."""
    random = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        offset = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        with torch.no_grad():
            parameter.copy_(offset + 0.3 * torch.randn(parameter.shape, generator=random))
    return model.eval()


def texts_of(tokenizer, count: int = 60) -> Rows:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(count)]
    return encode(texts, None, tokenizer, 64)


def sizes(**changes) -> Student:
    values = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2}
    return Student(**{"init": "projection", "revision": None, "intermediate_size": 16,
                      **values, **changes})  # fmt: skip


def new_student(teacher, **changes) -> nn.Module:
    return AutoModel.from_config(student_config(teacher.config, sizes(**changes)))


# Not narrow electra: its student has tables as wide as its layers.
@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_a_student_of_the_teachers_sizes_is_the_teacher(family, tokenizer_of):
    """Its logits are the teacher's, with the teacher's head."""
    teacher = randomize(AutoModelForSequenceClassification.from_config(config(family)))
    rows = texts_of(tokenizer_of(family))
    student = AutoModelForSequenceClassification.from_config(
        student_config(teacher.config, sizes())
    )
    encoder = dict(teacher.base_model.named_parameters())
    head = {k: v for k, v in teacher.named_parameters() if id(v) not in map(id, encoder.values())}
    student.load_state_dict(head, strict=False)
    closed_form_start(student.base_model, teacher.base_model, "uniform", rows)
    batch = model_inputs(rows.batch(list(range(len(rows)))))
    with torch.no_grad():
        expected = teacher(**batch).logits
        torch.testing.assert_close(student.eval()(**batch).logits, expected, rtol=0, atol=2e-3)
    assert expected.std() > 0.1


def losses_of(student, projection, teacher, rows, layers="uniform") -> dict[str, float]:
    loss = LayerLoss(student, teacher, projection, layers).eval()
    with torch.no_grad():
        return {k: v.item() for k, v in loss(rows.batch(list(range(len(rows))))).items()}


@pytest.mark.parametrize("family", BUILT_LIKE_BERT)
@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({"num_hidden_layers": 1, "hidden_size": 6}, "uniform"),
        ({"num_hidden_layers": 1, "hidden_size": 8}, [1]),
        ({"hidden_size": 4, "intermediate_size": 8}, "uniform"),
        ({"hidden_size": 6, "intermediate_size": 24}, "uniform"),  # more neurons than the teacher
    ],
)
def test_it_is_nearer_to_the_teacher_than_random_weights(family, changes, layers, tokenizer_of):
    teacher = randomize(AutoModel.from_config(config(family)))
    rows = texts_of(tokenizer_of(family))
    settings = Layers(layer_map=layers, projection="per_layer")
    losses = {}
    for init in ("random", "projection"):
        student, projection = create_student(
            teacher, sizes(init=init, **changes), settings, rows, seed=0
        )
        losses[init] = losses_of(student, projection, teacher, rows, layers)
    for part in ("embedding", "hidden", "attention"):
        assert losses["projection"][part] < 0.7 * losses["random"][part]


def test_the_basis_is_the_principal_directions():
    """Against NumPy's singular vectors; the linear maps are the basis."""
    states = [torch.randn(30, 8) @ torch.randn(8, 8) for _ in range(3)]
    basis = principal_directions(states, 3).double().numpy()
    stacked = torch.cat(states).double().numpy()
    expected = np.linalg.svd(stacked, full_matrices=False)[2][:3].T
    np.testing.assert_allclose(basis @ basis.T, expected @ expected.T, atol=1e-5)
    torch.testing.assert_close(principal_directions(states, 8), torch.eye(8))


def test_the_linear_maps_of_the_loss_are_the_basis(tokenizer):
    teacher = randomize(AutoModel.from_config(tiny_config()))
    student, projection = create_student(
        teacher, sizes(hidden_size=4), Layers(layer_map="uniform", projection="per_layer"),
        texts_of(tokenizer), seed=0,
    )  # fmt: skip
    maps = [linear.weight.detach() for linear in projection.maps]
    assert len(maps) == 3 and all(torch.equal(weight, maps[0]) for weight in maps)
    torch.testing.assert_close(maps[0].T @ maps[0], torch.eye(4))
    assert all(torch.equal(linear.bias, torch.zeros(8)) for linear in projection.maps)
    assert student.training is False


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
    # No other output weights come closer to what the fit is for.
    with torch.no_grad():
        active = parts.activation(parts.inner(states))
        written = states + parts.outer(active)
        near = nn.functional.layer_norm(written, (6,))
        wanted = source.after @ basis
        fitted = parts.norm(written)
    assert (fitted - wanted).square().mean() <= (near - wanted).square().mean()


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


@pytest.mark.parametrize("family", BUILT_LIKE_BERT)
def test_the_teachers_states_are_those_that_transformers_returns(family, tokenizer_of):
    teacher = randomize(AutoModel.from_config(config(family)))
    rows = texts_of(tokenizer_of(family), 40)
    batches = sample(rows)
    embedded, (first, second) = run_teacher(teacher, batches, [1, 2])
    real = [batch["attention_mask"].bool() for batch in batches]
    with torch.no_grad():
        outputs = [teacher(**batch, output_hidden_states=True).hidden_states for batch in batches]
    expected = [
        torch.cat([states[i][mask] for states, mask in zip(outputs, real, strict=True)])
        for i in range(3)
    ]
    for state, wanted in (
        (embedded, expected[0]), (first.before, expected[0]), (first.after, expected[1]),
        (second.before, expected[1]), (second.after, expected[2]),
        (second.parts.norm(second.sums), expected[2]),
    ):  # fmt: skip
        torch.testing.assert_close(state, wanted)
    neurons = first.parts.activation(first.parts.inner(first.middle))
    torch.testing.assert_close(first.activity, neurons.square().sum(0))


def test_the_sample_is_bounded_and_spread_over_the_rows():
    lengths = [100] * 1000
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = Rows(np.repeat(np.arange(1000), 100), starts, padding_id=0)
    batches = sample(rows)
    chosen = torch.cat([batch["input_ids"][:, 0] for batch in batches]).sort().values
    assert 0.9 * closed_form.TOKENS < 100 * len(chosen) <= closed_form.TOKENS
    assert chosen[0] == 0 and chosen[-1] > 980 and chosen.diff().max() <= 8


def test_padding_and_very_few_rows(tokenizer, monkeypatch):
    """The padding of a batch does not matter; two short rows are enough for a finite start."""
    teacher = randomize(AutoModel.from_config(tiny_config()))
    rows = texts_of(tokenizer)
    weights = {}
    for size in (1, 60):  # rows of a batch: no padding, and much
        monkeypatch.setattr(closed_form, "BATCH", size)
        student = new_student(teacher, num_hidden_layers=1, hidden_size=4)
        closed_form_start(student, teacher, "uniform", rows)
        batch = model_inputs(rows.batch(list(range(10))))
        with torch.no_grad():
            weights[size] = student(**batch).last_hidden_state[batch["attention_mask"].bool()]
    torch.testing.assert_close(weights[1], weights[60], rtol=0, atol=1e-3)
    student = new_student(teacher, num_hidden_layers=1, hidden_size=4)
    closed_form_start(student, teacher, "uniform", texts_of(tokenizer, 2))
    assert all(parameter.isfinite().all() for parameter in student.parameters())


def test_what_cannot_start_so_is_an_error_that_says_what_to_do(tokenizer_of):
    wide = AutoModel.from_config(tiny_config())
    with pytest.raises(InputError, match=r"hidden_size of at most 8.*student.init: random"):
        closed_form_start(
            new_student(wide, hidden_size=12), wide, "uniform", texts_of(tokenizer_of("bert"))
        )
    modern = AutoModel.from_config(config_of("modernbert"))
    with pytest.raises(InputError, match=r"ModernBertModel are not. Use student.init: random"):
        closed_form_start(
            new_student(modern), modern, "uniform", texts_of(tokenizer_of("modernbert"))
        )
