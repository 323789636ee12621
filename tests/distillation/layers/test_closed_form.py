"""The start in closed form: the teacher itself where the sizes allow it, near to it elsewhere."""

import numpy as np
import pytest
import torch
from students import new_student, randomize, sizes
from tiny import WORDS, config_of, tiny_config
from transformers import AutoModel, AutoModelForSequenceClassification, DistilBertConfig

from tinybert.distillation.layers import closed_form
from tinybert.distillation.layers.closed_form import (
    closed_form_start,
    principal_directions,
    run_teacher,
    sample,
)
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.student import create_student
from tinybert.distillation.layers.student_config import student_config
from tinybert.models.encode import encode
from tinybert.models.rows import Rows, model_inputs
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import LayerLoss as Layers

BUILT_LIKE_BERT = ("bert", "roberta", "electra", "narrow electra", "distilbert")


def config(family: str, **changes):
    if family != "distilbert":
        return config_of(family, **changes)
    bert = tiny_config()
    return DistilBertConfig(
        vocab_size=bert.vocab_size, dim=8, n_layers=2, n_heads=2, hidden_dim=16,
        max_position_embeddings=64, **changes,
    )  # fmt: skip


def texts_of(tokenizer, count: int = 60) -> Rows:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(count)]
    return encode(texts, None, tokenizer, 64)


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
