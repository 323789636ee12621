"""The student's initial weights, and that saving and loading preserves them."""

import numpy as np
import pytest
import torch
from edited_params import edited
from safetensors.torch import load_file, save_file
from students import layers, same, settings
from tiny import FAMILIES, VOCABULARY, WORDS, config_of, tiny_config
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
)

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import load_projection
from tinybert.distillation.layers.student import create_student, general_student
from tinybert.distillation.layers.student_config import random_classifier, student_config
from tinybert.models import pretrained
from tinybert.models.encode import encode
from tinybert.models.folder import load_classifier, load_encoder, save_model
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Pretrained

HEAD = {
    "id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1},
    "problem_type": "single_label_classification",
}  # fmt: skip


def some_rows(tokenizer) -> Rows:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(40)]
    return encode(texts, None, tokenizer, 64)


@pytest.fixture
def sample(tokenizer) -> Rows:
    return some_rows(tokenizer)


def teacher_with_real_norms(**changes) -> BertModel:
    """Its LayerNorm weights and biases are not 1 and 0, like those of a pretrained model."""
    model = BertModel(tiny_config(initializer_range=0.5, **changes))
    norm = model.embeddings.LayerNorm
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.normal_(norm.bias, std=0.3)
    return model.eval()


def test_sizes_are_those_of_the_settings(sample):
    teacher = teacher_with_real_norms()
    student, projection = create_student(
        teacher, settings(num_hidden_layers=2), layers("per_layer"), sample, seed=0
    )
    assert (student.config.num_hidden_layers, student.config.hidden_size) == (2, 4)
    assert student.config.vocab_size == teacher.config.vocab_size
    assert len(projection.maps) == 3


def test_a_distilbert_gets_the_sizes_under_its_own_names(sample):
    sizes = {"vocab_size": len(VOCABULARY), "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16}
    teacher = DistilBertModel(DistilBertConfig(**sizes, max_position_embeddings=64))
    student, _ = create_student(teacher, settings(init="random"), layers("shared"), sample, seed=0)
    config = student.config
    assert (config.dim, config.n_layers, config.n_heads, config.hidden_dim) == (4, 1, 2, 8)
    assert student.transformer.layer[0].ffn.lin1.weight.shape == (8, 4)


def test_a_student_of_modernbert_has_its_pattern_of_layers(checkpoint):
    folder = checkpoint(AutoModel.from_config(config_of("modernbert", num_hidden_layers=4)))
    teacher = AutoModel.from_pretrained(folder)
    pattern = ["full_attention", "sliding_attention"] * 2
    assert teacher.config.layer_types == pattern
    config = student_config(teacher.config, settings(num_hidden_layers=3))
    assert config.layer_types == pattern[:3]


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_saved_students_and_maps_are_loaded_bit_for_bit(tmp_path, tokenizer, sample, kind):
    student, projection = create_student(
        teacher_with_real_norms(), settings(), layers(kind), sample, seed=0
    )
    save_model(tmp_path, student, tokenizer, 32)
    projection.save(tmp_path)
    for loaded in (load_encoder(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert same(loaded.state_dict(), student.state_dict())
    assert same(load_projection(tmp_path).state_dict(), projection.state_dict())
    assert (
        AutoTokenizer.from_pretrained(tmp_path)("good")["input_ids"]
        == tokenizer("good")["input_ids"]
    )


def test_the_next_step_starts_from_the_student_of_the_step_before(tmp_path, tokenizer, sample):
    """The encoder bit for bit; the new head from the seed."""
    student, _ = create_student(
        teacher_with_real_norms(), settings(), layers("shared"), sample, seed=0
    )
    save_model(tmp_path, student, tokenizer, 32)
    first, again = (load_classifier(tmp_path, HEAD, seed=3) for _ in range(2))
    other = load_classifier(tmp_path, HEAD, seed=4)
    assert same(first.base_model.state_dict(), student.state_dict())
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_the_baseline_has_the_students_sizes_and_random_weights(checkpoint):
    folder = checkpoint(teacher_with_real_norms())
    baseline = random_classifier(folder, settings(), HEAD, seed=0)
    assert baseline.config.hidden_size == 4 and baseline.config.num_hidden_layers == 1
    assert baseline.config.id2label == {0: "no", 1: "yes"}
    norm = baseline.base_model.embeddings.LayerNorm
    assert torch.equal(norm.weight, torch.ones(4))  # not the teacher's


def test_a_checkpoint_that_lacks_weights_is_an_error_that_lists_them(checkpoint, tmp_path):
    folder = checkpoint(BertModel(tiny_config()))
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks: encoder.layer.1.output.dense.weight"):
        load_encoder(folder)


def test_a_classifier_loads_with_plain_transformers(checkpoint):
    folder = checkpoint(BertModel(tiny_config()))
    model = load_classifier(folder, HEAD, seed=0)
    save_model(folder / "out", model, AutoTokenizer.from_pretrained(folder), 32)
    loaded = AutoModelForSequenceClassification.from_pretrained(folder / "out")
    assert loaded.config.id2label == {0: "no", 1: "yes"}


@pytest.mark.parametrize("head", [HEAD, {"num_labels": 1, "problem_type": "regression"}])
def test_a_pretrained_model_with_a_head_for_another_task_gets_a_new_one(checkpoint, head):
    """Only its encoder is used; sentence models often have a head for three labels."""
    source = AutoModelForSequenceClassification.from_config(tiny_config(num_labels=3))
    folder = checkpoint(source)
    model, again = (load_classifier(folder, head, seed=0) for _ in range(2))
    other = load_classifier(folder, head, seed=1)
    assert same(model.state_dict(), again.state_dict())
    assert not torch.equal(model.classifier.weight, other.classifier.weight)
    assert same(model.base_model.state_dict(), source.base_model.state_dict())
    assert model.classifier.weight.shape == (model.config.num_labels, 8)
    assert model.config.num_labels == len(head.get("id2label", "1"))


@pytest.mark.parametrize(
    ("family", "init"),
    [
        *((family, "random") for family in FAMILIES),
        *((family, "projection") for family in FAMILIES if family != "modernbert"),
    ],
)
def test_every_family_is_fetched_distilled_and_saved(checkpoint, tmp_path, family, init):
    folder = checkpoint(AutoModelForMaskedLM.from_config(config_of(family)))
    source = Pretrained(model=str(folder), revision=None, sha256=None)
    pretrained.fetch(source, tmp_path / "pretrained", {"encode.max_length": 32})
    teacher = pretrained.load(AutoModel, tmp_path / "pretrained")
    tokenizer = load_tokenizer(tmp_path / "pretrained")
    rows = some_rows(tokenizer)
    student, projection = create_student(
        teacher, settings(init=init), layers("per_layer"), rows, seed=0
    )
    assert type(student) is type(teacher)
    assert student.get_input_embeddings().weight.shape == (teacher.config.vocab_size, 4)
    loss = LayerLoss(student, teacher, projection, "uniform").train()
    loss(rows.batch([0, 1, 2]))["loss"].backward()
    for name, parameter in student.named_parameters():
        if not name.startswith("pooler."):  # the loss does not depend on it
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name

    save_model(tmp_path / "general", student, tokenizer, 32)
    projection.save(tmp_path / "general")
    general = load_encoder(tmp_path / "general")
    assert same(general.state_dict(), student.state_dict())
    classifier = load_classifier(tmp_path / "general", HEAD, seed=0)
    encoder = classifier.base_model.state_dict()
    assert len(encoder) > 7 and all(
        torch.equal(tensor, student.state_dict()[name]) for name, tensor in encoder.items()
    )
    save_model(tmp_path / "student", classifier, tokenizer, 32)
    reloaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student")
    assert same(reloaded.state_dict(), classifier.state_dict())
    inputs = AutoTokenizer.from_pretrained(tmp_path / "student")("good", return_tensors="pt")
    assert reloaded(**inputs).logits.shape == (1, 2)


@pytest.mark.parametrize(("init", "epochs"), [("random", 0), ("random", 1), ("projection", 0)])
def test_random_weights_that_stay_are_warned_about(tmp_path, capsys, sample, init, epochs):
    values = params.load(path=edited(tmp_path, ("l:\n  epochs: 1", f"l:\n  epochs: {epochs}")))
    values = values.model_copy(
        update={"student": settings(init=init), "layer_loss": layers("shared")}
    )
    general_student(teacher_with_real_norms(), values, sample, seed=0)
    warned = "general.epochs is 0" in capsys.readouterr().out
    assert warned == (init == "random" and epochs == 0)
