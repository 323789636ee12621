"""The student's first weights, and what is kept of it."""

import numpy as np
import pytest
import torch
from conftest import VOCABULARY, tiny_config
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
    ElectraConfig,
    ElectraModel,
)

from tinybert import student
from tinybert.capture import capture
from tinybert.encode import Rows, encode, model_inputs
from tinybert.layer_loss import hidden_loss
from tinybert.params import Student


def settings(**changes) -> Student:
    values = {
        "init": "projection",
        "num_hidden_layers": 1,
        "hidden_size": 4,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    return Student(**{**values, **changes})


@pytest.fixture
def sample(tokenizer) -> Rows:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(VOCABULARY[5:], 12)) for _ in range(40)]
    return encode(texts, None, tokenizer, 32)


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
    sizes = {"vocab_size": len(VOCABULARY), "embedding_size": 4, "intermediate_size": 16}
    heads = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    with pytest.raises(ValueError, match="student.init: random"):
        student.create(
            ElectraModel(ElectraConfig(**sizes, **heads)), settings(), "shared", sample, 0
        )


def test_sizes_are_those_of_the_settings(sample):
    teacher = teacher_with_real_norms()
    pupil, projection = student.create(
        teacher, settings(num_hidden_layers=2), "per_layer", sample, seed=0
    )
    assert (pupil.config.num_hidden_layers, pupil.config.hidden_size) == (2, 4)
    assert pupil.config.vocab_size == teacher.config.vocab_size
    assert len(projection.maps) == 3


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, tokenizer, sample, kind):
    pupil, projection = student.create(teacher_with_real_norms(), settings(), kind, sample, seed=0)
    student.save(tmp_path, pupil, tokenizer, projection)
    for loaded in (student.load_general(tmp_path), AutoModel.from_pretrained(tmp_path)):
        weights = loaded.state_dict()
        assert all(torch.equal(weights[k], v) for k, v in pupil.state_dict().items())
    maps = student.load_projection(tmp_path).state_dict()
    assert maps.keys() == projection.state_dict().keys()
    assert all(torch.equal(maps[k], v) for k, v in projection.state_dict().items())
    assert (
        AutoTokenizer.from_pretrained(tmp_path)("good")["input_ids"]
        == tokenizer("good")["input_ids"]
    )


def test_the_next_step_starts_from_the_student_of_the_step_before(tmp_path, tokenizer, sample):
    """The encoder bit for bit; the head, which is new, from the seed."""
    head = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    pupil, _ = student.create(teacher_with_real_norms(), settings(), "shared", sample, seed=0)
    student.save(tmp_path, pupil, tokenizer)
    first, again = (student.load_classifier(tmp_path, head, seed=3) for _ in range(2))
    other = student.load_classifier(tmp_path, head, seed=4)
    encoder = first.base_model.state_dict()
    assert all(torch.equal(encoder[k], v) for k, v in pupil.state_dict().items())
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_the_baseline_has_the_students_sizes_and_random_weights(checkpoint):
    folder = checkpoint(teacher_with_real_norms())
    head = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    baseline = student.random_classifier(folder, settings(), head, seed=0)
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
    head = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    folder = checkpoint(BertModel(tiny_config()))
    model = student.load_classifier(folder, head, seed=0)
    student.save(folder / "out", model, AutoTokenizer.from_pretrained(folder))
    loaded = AutoModelForSequenceClassification.from_pretrained(folder / "out")
    assert loaded.config.id2label == {0: "no", 1: "yes"}
