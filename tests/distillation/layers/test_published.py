"""A published general TinyBERT as the general student."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from students import layers, same, settings
from tiny import VOCABULARY, tiny_config
from torch import Tensor
from transformers import (
    BertForPreTraining,
    BertModel,
)

from stages import fetch_pretrained
from tinybert.distillation.layers.projection import Projection, load_projection
from tinybert.distillation.layers.published import load_published, read_maps
from tinybert.models import pretrained
from tinybert.models.folder import load_encoder, save_model
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Pretrained

# Published general TinyBERTs have the weights of a BertForPreTraining, the linear maps of their
# loss, and keys in the config that no class of transformers has.
EXTRA_KEYS = {"cell": {}, "structure": [], "pre_trained": "", "emb_size": 4}
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
    """Writes a general TinyBERT in the published format; returns its folder and weights."""

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
        (folder / "config.json").write_text(json.dumps({**config, **EXTRA_KEYS}))
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
        return folder, weights

    return write


def fetch_and_load(folder: Path, tokenizer, kind: str, width: int = 8, **changes):
    """As the stages fetch_pretrained and distill_general do."""
    teacher = BertModel(tiny_config(hidden_size=width))
    save_model(folder.parent / "pretrained", teacher, tokenizer, 32)
    student = settings(**{"init": str(folder), "num_hidden_layers": LAYERS, **changes})
    fetched = folder.parent / "published_student"
    lengths = {"corpus.max_length": 32}
    pretrained.fetch_student(student, folder.parent / "pretrained", fetched, lengths)
    return load_published(student, fetched, teacher, layers(kind), seed=0)


@pytest.mark.parametrize("kind", ["shared", "per_layer"])
def test_a_published_student_is_loaded_with_its_maps(publish, tokenizer, tmp_path, capsys, kind):
    maps = maps_of(kind)
    folder, weights = publish(maps)
    student, projection = fetch_and_load(folder, tokenizer, kind)
    expected = {k.removeprefix("bert."): v for k, v in weights.items() if k.startswith("bert.")}
    assert same(student.state_dict(), expected)
    states = torch.randn(2, 3, 4)
    for layer in range(LAYERS + 1):
        name = "fit_dense" if kind == "shared" else f"fit_denses.{layer}"
        mapped = states.numpy() @ maps[f"{name}.weight"].numpy().T + maps[f"{name}.bias"].numpy()
        projected = projection(states, layer).detach().numpy()
        np.testing.assert_allclose(projected, mapped, rtol=1e-5, atol=1e-5)
    assert "warning" not in "".join(capsys.readouterr())
    save_model(tmp_path / "general", student, tokenizer, 32)
    projection.save(tmp_path / "general")
    assert same(load_encoder(tmp_path / "general").state_dict(), expected)
    assert same(load_projection(tmp_path / "general").state_dict(), projection.state_dict())


@pytest.mark.parametrize(("kind", "other"), [("shared", "per_layer"), ("per_layer", "shared")])
def test_maps_of_the_other_kind_are_an_error_that_names_the_setting(
    publish, tokenizer, kind, other
):
    folder, _ = publish(maps_of(kind))
    with pytest.raises(InputError, match=f"Set layer_loss.projection: {kind}"):
        fetch_and_load(folder, tokenizer, other)


def test_maps_to_a_width_that_is_not_the_teachers_are_an_error(publish, tokenizer):
    folder, _ = publish(maps_of("shared"))
    with pytest.raises(InputError, match=r"width 8\b.*the teacher's width 16\b"):
        fetch_and_load(folder, tokenizer, "shared", width=16)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("fit_dense.bias", None), ("fit_dense.weight", (8, 5)), ("fit_dense.bias", (7,)),
     ("fit_denses.7.weight", (8, 4))],
)  # fmt: skip
def test_maps_that_do_not_fit_are_refused_before_any_training(publish, tokenizer, name, shape):
    maps = maps_of("shared")
    maps = {key: weight for key, weight in maps.items() if key != name}
    if shape:
        maps[name] = torch.ones(shape)
    folder, _ = publish(maps)
    student = settings(init=str(folder), num_hidden_layers=LAYERS)
    with pytest.raises(InputError, match=r"student\.init: .* linear maps .*A published student"):
        read_maps(student, folder, 8, layers("shared"))


def test_the_stage_that_fetches_the_student_refuses_its_maps(
    publish, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folder, _ = publish(maps_of("per_layer"))
    save_model(tmp_path / "bert", BertModel(tiny_config()), tokenizer, 32)
    values = SimpleNamespace(
        pretrained=Pretrained(model=str(tmp_path / "bert"), revision=None, sha256=None),
        student=settings(init=str(folder), num_hidden_layers=LAYERS),
        layer_loss=layers("shared"),
        corpus=SimpleNamespace(max_length=32),
        encode=SimpleNamespace(max_length=32),
    )
    monkeypatch.setattr(params, "load", lambda: values)
    with pytest.raises(InputError, match="Set layer_loss.projection: per_layer"):
        fetch_pretrained.main()


def test_too_few_maps_for_any_kind_are_an_error_that_counts_them(publish, tokenizer):
    maps = {name: m for name, m in maps_of("per_layer").items() if "denses.2" not in name}
    folder, _ = publish(maps)
    with pytest.raises(InputError, match=r"has 2 linear maps") as caught:
        fetch_and_load(folder, tokenizer, "per_layer")
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
        fetch_and_load(folder, tokenizer, "shared", **changes)
    right = set(pretrained.SIZES) - set(changes)
    assert not any(f" {size} " in str(caught.value).split(". Set")[0] for size in right)


def test_a_published_student_of_another_vocabulary_is_an_error(publish, tokenizer):
    folder, _ = publish(maps_of("shared"), words=[*VOCABULARY[:-1], "another"])
    with pytest.raises(InputError, match="another vocabulary"):
        fetch_and_load(folder, tokenizer, "shared")


def test_a_published_student_without_maps_gets_random_ones_and_a_warning(
    publish, tokenizer, capsys
):
    folder, weights = publish({})
    student, projection = fetch_and_load(folder, tokenizer, "per_layer")
    assert torch.equal(
        student.embeddings.word_embeddings.weight, weights["bert.embeddings.word_embeddings.weight"]
    )
    torch.manual_seed(0)
    new = Projection("per_layer", LAYERS, 4, 8)
    assert same(projection.state_dict(), new.state_dict())
    assert "warning" in "".join(capsys.readouterr())


def test_a_published_student_with_unexpected_weights_is_an_error(publish, tokenizer):
    folder, _ = publish({**maps_of("shared"), "bert.encoder.extra.weight": torch.ones(2)})
    with pytest.raises(InputError, match=r"unexpected: [a-z.]*encoder\.extra\.weight$"):
        fetch_and_load(folder, tokenizer, "shared")
