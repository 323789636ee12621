"""The student's first weights, and what is kept of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FAMILIES, VOCABULARY, WORDS, config_of, tiny_config
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForPreTraining,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
)

from tinybert import pretrained, student
from tinybert.capture import capture
from tinybert.encode import Rows, encode, model_inputs
from tinybert.errors import InputError
from tinybert.layer_loss import LayerLoss, Projection, hidden_loss
from tinybert.schema import Student

HEAD = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}


def settings(**changes) -> Student:
    values = {
        "init": "projection",
        "revision": None,
        "num_hidden_layers": 1,
        "hidden_size": 4,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    return Student(**{**values, **changes})


def some_rows(tokenizer) -> Rows:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(40)]
    return encode(texts, None, tokenizer, 64)


@pytest.fixture
def sample(tokenizer) -> Rows:
    return some_rows(tokenizer)


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(tensor, expected[name]) for name, tensor in found.items()
    )


def teacher_with_real_norms(**changes) -> BertModel:
    """LayerNorm weights and biases that are not 1 and 0, as those of a pretrained model."""
    model = BertModel(tiny_config(initializer_range=0.5, **changes))
    norm = model.embeddings.LayerNorm
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.normal_(norm.bias, std=0.3)
    return model.eval()


def embedding_error(teacher, pupil, projection, sample) -> float:
    batch = sample.batch(list(range(len(sample))))
    inputs, mask = model_inputs(batch), batch["attention_mask"].float()
    with torch.no_grad():
        h_t = capture(teacher, inputs).hidden_states[0]
        h_s = capture(pupil, inputs).hidden_states[0]
        return hidden_loss(projection(h_s, 0), h_t, mask).item()


def test_projection_starts_nearer_to_the_teacher_than_random(sample):
    teacher = teacher_with_real_norms()
    errors = {}
    for init in ("random", "projection"):
        pupil, projection = student.create(teacher, settings(init=init), "shared", sample, seed=0)
        errors[init] = embedding_error(teacher, pupil.eval(), projection, sample)
    assert errors["projection"] < 0.6 * errors["random"]


def test_projection_to_the_teachers_own_width_loses_nothing_of_the_tables(sample):
    """All directions are kept: only the LayerNorm's unevenness remains."""
    teacher = teacher_with_real_norms()
    torch.nn.init.ones_(teacher.embeddings.LayerNorm.weight)
    pupil, projection = student.create(teacher, settings(hidden_size=8), "shared", sample, seed=0)
    basis = projection.maps[0].weight.detach()
    torch.testing.assert_close(basis.T @ basis, torch.eye(8), rtol=0, atol=1e-5)
    table = teacher.embeddings.word_embeddings.weight
    back = pupil.embeddings.word_embeddings.weight @ basis.T
    torch.testing.assert_close(back, table - table.mean(1, keepdim=True), rtol=0, atol=1e-5)


def test_the_basis_is_the_principal_directions_of_the_hidden_states(sample):
    """Against NumPy's singular vectors of all hidden states."""
    teacher = teacher_with_real_norms()
    _, projection = student.create(teacher, settings(), "shared", sample, seed=0)
    batch = model_inputs(sample.batch(list(range(len(sample)))))
    with torch.no_grad():
        states = capture(teacher, batch).hidden_states
    real = batch["attention_mask"].bool()
    stacked = torch.cat([state[real] for state in states]).double().numpy()
    directions = np.linalg.svd(stacked, full_matrices=False)[2][:4].T  # (8, 4)
    basis = projection.maps[0].weight.detach().double().numpy()
    np.testing.assert_allclose(basis @ basis.T, directions @ directions.T, atol=1e-4)


def test_a_wider_student_or_factorised_embeddings_cannot_be_projected(sample):
    with pytest.raises(ValueError, match="student.init: random"):
        student.create(teacher_with_real_norms(), settings(hidden_size=12), "shared", sample, 0)
    narrow = AutoModel.from_config(config_of("narrow electra"))
    with pytest.raises(InputError, match=r"has 4 and 8. Use student.init: random"):
        student.create(narrow, settings(), "shared", sample, seed=0)
    modern = AutoModel.from_config(config_of("modernbert"))
    with pytest.raises(InputError, match=r"ModernBertModel has others. Use student.init: random"):
        student.create(modern, settings(), "shared", sample, seed=0)


def test_sizes_are_those_of_the_settings(sample):
    teacher = teacher_with_real_norms()
    pupil, projection = student.create(
        teacher, settings(num_hidden_layers=2), "per_layer", sample, seed=0
    )
    assert (pupil.config.num_hidden_layers, pupil.config.hidden_size) == (2, 4)
    assert pupil.config.vocab_size == teacher.config.vocab_size
    assert len(projection.maps) == 3


def test_a_distilbert_which_has_other_names_for_them_gets_the_sizes_too(sample):
    sizes = {"vocab_size": len(VOCABULARY), "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16}
    teacher = DistilBertModel(DistilBertConfig(**sizes, max_position_embeddings=64))
    pupil, _ = student.create(teacher, settings(init="random"), "shared", sample, seed=0)
    own = pupil.config
    assert (own.dim, own.n_layers, own.n_heads, own.hidden_dim) == (4, 1, 2, 8)
    assert pupil.transformer.layer[0].ffn.lin1.weight.shape == (8, 4)


def test_a_modernberts_student_has_its_pattern_of_layers(checkpoint):
    folder = checkpoint(AutoModel.from_config(config_of("modernbert", num_hidden_layers=4)))
    teacher = AutoModel.from_pretrained(folder)
    pattern = ["full_attention", "sliding_attention"] * 2
    assert teacher.config.layer_types == pattern
    own = student.config(teacher.config, settings(num_hidden_layers=3))
    assert own.layer_types == pattern[:3]


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, tokenizer, sample, kind):
    pupil, projection = student.create(teacher_with_real_norms(), settings(), kind, sample, seed=0)
    student.save(tmp_path, pupil, tokenizer, projection)
    for loaded in (student.load_general(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert same(loaded.state_dict(), pupil.state_dict())
    assert same(student.load_projection(tmp_path).state_dict(), projection.state_dict())
    assert (
        AutoTokenizer.from_pretrained(tmp_path)("good")["input_ids"]
        == tokenizer("good")["input_ids"]
    )


def test_the_next_step_starts_from_the_student_of_the_step_before(tmp_path, tokenizer, sample):
    """The encoder bit for bit; the head, which is new, from the seed."""
    pupil, _ = student.create(teacher_with_real_norms(), settings(), "shared", sample, seed=0)
    student.save(tmp_path, pupil, tokenizer)
    first, again = (student.load_classifier(tmp_path, HEAD, seed=3) for _ in range(2))
    other = student.load_classifier(tmp_path, HEAD, seed=4)
    assert same(first.base_model.state_dict(), pupil.state_dict())
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_the_baseline_has_the_students_sizes_and_random_weights(checkpoint):
    folder = checkpoint(teacher_with_real_norms())
    baseline = student.random_classifier(folder, settings(), HEAD, seed=0)
    assert baseline.config.hidden_size == 4 and baseline.config.num_hidden_layers == 1
    assert baseline.config.id2label == {0: "no", 1: "yes"}
    norm = baseline.base_model.embeddings.LayerNorm
    assert torch.equal(norm.weight, torch.ones(4))  # nothing came from the teacher


def test_a_checkpoint_that_lacks_weights_is_an_error_that_lists_them(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = checkpoint(BertModel(tiny_config()))
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"encoder.layer.1.output.dense.weight"):
        student.load_general(folder)


def test_a_classifier_loads_with_plain_transformers(checkpoint):
    folder = checkpoint(BertModel(tiny_config()))
    model = student.load_classifier(folder, HEAD, seed=0)
    student.save(folder / "out", model, AutoTokenizer.from_pretrained(folder))
    loaded = AutoModelForSequenceClassification.from_pretrained(folder / "out")
    assert loaded.config.id2label == {0: "no", 1: "yes"}


@pytest.mark.parametrize("head", [HEAD, {"num_labels": 1, "problem_type": "regression"}])
def test_a_pretrained_model_with_a_head_for_another_task_gets_a_new_one(checkpoint, head):
    """Its encoder is what is wanted; models of sentences often were trained on three labels."""
    source = AutoModelForSequenceClassification.from_config(tiny_config(num_labels=3))
    folder = checkpoint(source)
    model, again = (student.load_classifier(folder, head, seed=0) for _ in range(2))
    other = student.load_classifier(folder, head, seed=1)
    assert same(model.state_dict(), again.state_dict())
    assert not torch.equal(model.classifier.weight, other.classifier.weight)
    assert same(model.base_model.state_dict(), source.base_model.state_dict())
    assert model.classifier.weight.shape == (model.config.num_labels, 8)
    assert model.config.num_labels == len(head.get("id2label", "1"))


@pytest.mark.parametrize(
    ("family", "init"),
    [
        *((family, "random") for family in FAMILIES),
        *((family, "projection") for family in ("bert", "roberta", "electra")),
    ],
)
def test_every_family_is_fetched_distilled_and_kept(checkpoint, tmp_path, family, init):
    folder = checkpoint(AutoModelForMaskedLM.from_config(config_of(family)))
    pretrained.fetch(str(folder), None, None, tmp_path / "pretrained")
    teacher = pretrained.load(AutoModel, tmp_path / "pretrained")
    tokenizer = pretrained.load_tokenizer(tmp_path / "pretrained")
    rows = some_rows(tokenizer)
    pupil, projection = student.create(teacher, settings(init=init), "per_layer", rows, seed=0)
    assert type(pupil) is type(teacher)
    assert pupil.get_input_embeddings().weight.shape == (teacher.config.vocab_size, 4)
    loss = LayerLoss(pupil, teacher, projection, "uniform").train()
    found = loss(rows.batch([0, 1, 2]))
    assert set(found) == {"loss", "embedding", "hidden", "attention"}
    assert all(0 < value.item() < float("inf") for value in found.values())
    found["loss"].backward()
    for name, parameter in pupil.named_parameters():
        if not name.startswith("pooler."):  # of which the loss sees nothing
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name

    student.save(tmp_path / "general", pupil, tokenizer, projection)
    general = student.load_general(tmp_path / "general")
    assert same(general.state_dict(), pupil.state_dict())
    classifier = student.load_classifier(tmp_path / "general", HEAD, seed=0)
    encoder = classifier.base_model.state_dict()
    assert len(encoder) > 7 and all(
        torch.equal(tensor, pupil.state_dict()[name]) for name, tensor in encoder.items()
    )
    student.save(tmp_path / "student", classifier, tokenizer)
    reloaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student")
    assert same(reloaded.state_dict(), classifier.state_dict())
    inputs = AutoTokenizer.from_pretrained(tmp_path / "student")("good", return_tensors="pt")
    assert reloaded(**inputs).logits.shape == (1, 2)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_the_tables_and_the_norm_behind_them_are_projected(tokenizer_of, family):
    """To the teacher's own width, a rotation: turned back, they are the teacher's."""
    teacher = AutoModel.from_config(config_of(family, initializer_range=0.5)).eval()
    norm = teacher.embeddings.LayerNorm
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.normal_(norm.bias)
    rows = some_rows(tokenizer_of(family))
    pupil, projection = student.create(teacher, settings(hidden_size=8), "shared", rows, seed=0)
    basis = projection.maps[0].weight.detach()
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        table, own = (getattr(m.embeddings, name).weight for m in (teacher, pupil))
        expected = (table - table.mean(1, keepdim=True)) * norm.weight
        torch.testing.assert_close(own @ basis.T, expected, rtol=0, atol=1e-5)
    own = pupil.embeddings.LayerNorm
    torch.testing.assert_close(own.bias @ basis.T, norm.bias, rtol=0, atol=1e-5)
    size = norm.weight.square().mean().sqrt()  # of the teacher's normalised vectors, by element
    torch.testing.assert_close(own.weight, torch.full((8,), size.item()))


# Published general TinyBERTs: weights of a BertForPreTraining, the linear maps of their loss beside
# them, and keys in the config that no class of transformers has.
EXTRA = {"cell": {}, "structure": [], "pre_trained": "", "emb_size": 4}
LAYERS = 2


def maps_of(kind: str | None) -> dict[str, Tensor]:
    names = {
        None: [],
        "shared": ["fit_dense"],
        "per_layer": [f"fit_denses.{i}" for i in range(LAYERS + 1)],
    }[kind]
    return {
        f"{name}.{part}": torch.randn(shape)
        for name in names
        for part, shape in (("weight", (8, 4)), ("bias", (8,)))
    }


@pytest.fixture
def publish(tmp_path):
    """Writes a general TinyBERT as they are published; returns its folder and its weights."""

    def write(maps: dict[str, Tensor], words: list[str] = VOCABULARY) -> tuple[Path, dict]:
        sizes = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": LAYERS}
        model = BertForPreTraining(tiny_config(**sizes, vocab_size=len(words)))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        folder = tmp_path / "published"
        folder.mkdir()
        save_file({**weights, **maps}, folder / "model.safetensors", metadata={"format": "pt"})
        config = {k: v for k, v in model.config.to_dict().items() if k != "architectures"}
        (folder / "config.json").write_text(json.dumps({**config, **EXTRA}))
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
        return folder, weights

    return write


def load_published(folder: Path, tokenizer, kind: str, width: int = 8, **changes):
    teacher = BertModel(tiny_config(hidden_size=width))
    sizes = {"init": str(folder), "num_hidden_layers": LAYERS, **changes}
    return student.load_published(settings(**sizes), teacher, tokenizer, kind, seed=0)


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_a_published_student_is_taken_with_its_maps(publish, tokenizer, tmp_path, capsys, kind):
    maps = maps_of(kind)
    folder, weights = publish(maps)
    pupil, projection = load_published(folder, tokenizer, kind)
    expected = {k.removeprefix("bert."): v for k, v in weights.items() if k.startswith("bert.")}
    assert same(pupil.state_dict(), expected)
    states = torch.randn(2, 3, 4)
    for layer in range(LAYERS + 1):
        name = "fit_dense" if kind == "shared" else f"fit_denses.{layer}"
        mapped = states.numpy() @ maps[f"{name}.weight"].numpy().T + maps[f"{name}.bias"].numpy()
        found = projection(states, layer).detach().numpy()
        np.testing.assert_allclose(found, mapped, rtol=1e-5, atol=1e-5)
    assert "warning" not in "".join(capsys.readouterr())
    student.save(tmp_path / "general", pupil, tokenizer, projection)  # as the stage does
    assert same(student.load_general(tmp_path / "general").state_dict(), expected)
    kept = student.load_projection(tmp_path / "general")
    assert same(kept.state_dict(), projection.state_dict())


@pytest.mark.parametrize(("own", "other"), [("shared", "per_layer"), ("per_layer", "shared")])
def test_maps_of_the_other_kind_are_an_error_that_says_what_to_set(publish, tokenizer, own, other):
    folder, _ = publish(maps_of(own))
    with pytest.raises(InputError, match=f"Set layer_loss.projection: {own}"):
        load_published(folder, tokenizer, other)


def test_maps_to_another_width_than_the_teachers_are_an_error(publish, tokenizer):
    folder, _ = publish(maps_of("shared"))
    with pytest.raises(InputError, match=r"width 8\b.*the teacher's width 16\b"):
        load_published(folder, tokenizer, "shared", width=16)


def test_too_few_maps_for_any_kind_are_an_error_that_counts_them(publish, tokenizer):
    maps = {name: m for name, m in maps_of("per_layer").items() if "denses.2" not in name}
    folder, _ = publish(maps)
    with pytest.raises(InputError, match=r"has 2 linear maps") as caught:
        load_published(folder, tokenizer, "per_layer")
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 3}, r"num_hidden_layers 2 \(not 3\)"),
        ({"hidden_size": 8}, r"hidden_size 4 \(not 8\)"),
        ({"num_attention_heads": 4}, r"num_attention_heads 2 \(not 4\)"),
        ({"intermediate_size": 16}, r"intermediate_size 8 \(not 16\)"),
    ],
)
def test_a_published_student_of_other_sizes_is_an_error(publish, tokenizer, changes, message):
    folder, _ = publish(maps_of("shared"))
    with pytest.raises(InputError, match=message) as caught:
        load_published(folder, tokenizer, "shared", **changes)
    wrong = set(student.SIZES) - set(changes)
    assert not any(f" {size} " in str(caught.value).split(". Set")[0] for size in wrong)


def test_a_published_student_of_another_vocabulary_is_an_error(publish, tokenizer):
    folder, _ = publish(maps_of("shared"), words=[*VOCABULARY[:-1], "another"])
    with pytest.raises(InputError, match="another vocabulary"):
        load_published(folder, tokenizer, "shared")


def test_a_published_student_without_maps_gets_new_ones_and_says_so(publish, tokenizer, capsys):
    folder, weights = publish({})
    pupil, projection = load_published(folder, tokenizer, "per_layer")
    assert torch.equal(
        pupil.embeddings.word_embeddings.weight, weights["bert.embeddings.word_embeddings.weight"]
    )
    torch.manual_seed(0)
    new = Projection("per_layer", LAYERS, 4, 8)
    assert same(projection.state_dict(), new.state_dict())
    assert "warning" in "".join(capsys.readouterr())


def test_a_published_student_with_other_weights_than_a_berts_is_an_error(publish, tokenizer):
    folder, _ = publish({**maps_of("shared"), "bert.encoder.extra.weight": torch.ones(2)})
    with pytest.raises(InputError, match=r"unexpected: [a-z.]*encoder\.extra\.weight$"):
        load_published(folder, tokenizer, "shared")
