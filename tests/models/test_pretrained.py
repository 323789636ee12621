"""Packages, directories and hub ids; published students."""

import json
import sys
import weakref

import pytest
import torch
from checkpoints import fetch, fetch_student, published, rewrite, same
from safetensors.torch import load_file, save_file
from tiny import FAMILIES, config_of, tiny_config
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    DebertaV2Config,
    MPNetConfig,
)

from tinybert.models import pretrained
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256


@pytest.fixture
def package(tmp_path, checkpoint, monkeypatch):
    """An installed Python package with a model inside, which raises if it is imported."""
    folder = checkpoint(BertModel(tiny_config()), "site/carries_a_bert/model")
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield folder
    sys.modules.pop("carries_a_bert", None)


def test_a_package_is_found_checked_and_not_imported(package, tmp_path):
    sha256 = file_sha256(package / "model.safetensors")
    fetch("package:carries_a_bert", tmp_path / "out", sha256=sha256)
    loaded, source = AutoModel.from_pretrained(tmp_path / "out"), AutoModel.from_pretrained(package)
    assert same(loaded.state_dict(), source.state_dict())
    assert AutoTokenizer.from_pretrained(tmp_path / "out").vocab_size > 0
    origin = json.loads((tmp_path / "out/source.json").read_text())
    assert origin == {"model": "package:carries_a_bert", "revision": None, "sha256": sha256}


def test_another_sha256_is_an_error_and_nothing_is_written(package, tmp_path):
    with pytest.raises(ValueError, match="pretrained.sha256.*do not use it"):
        fetch("package:carries_a_bert", tmp_path / "out", sha256="0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_directory_keeps_its_masked_language_head(checkpoint, tmp_path):
    source = BertForMaskedLM(tiny_config())
    folder = checkpoint(source)
    fetch(folder, tmp_path / "out")
    loaded = pretrained.load(AutoModelForMaskedLM, tmp_path / "out", allow_missing=())
    assert same(loaded.state_dict(), source.state_dict())


KINDS = (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *((family, kind) for family in FAMILIES for kind in KINDS),
        # transformers has no such class of ModernBERT.
        *((family, AutoModelForPreTraining) for family in FAMILIES if family != "modernbert"),
    ],
)
def test_every_family_is_fetched_with_all_of_its_heads(checkpoint, tmp_path, family, kind):
    source = kind.from_config(config_of(family))
    folder = checkpoint(source)
    fetch(folder, tmp_path / "out")
    weights = load_file(folder / "model.safetensors")
    copied = load_file(tmp_path / "out/model.safetensors")
    assert copied.keys() == weights.keys() and same(copied, weights)
    encoder = source.base_model.state_dict()
    loaded = pretrained.load(AutoModel, tmp_path / "out").state_dict()
    pooler = {name for name in loaded if name.startswith("pooler.")}  # new where there was none
    assert loaded.keys() - pooler == encoder.keys() - pooler
    assert same({name: loaded[name] for name in encoder}, encoder)
    tokenizers = [AutoTokenizer.from_pretrained(place) for place in (folder, tmp_path / "out")]
    before, after = (tokenize("good films", "dulling it").input_ids for tokenize in tokenizers)
    assert before == after and len(before) > 6


@pytest.mark.parametrize("architecture", ["BertForPreTraining", "BertForMaskedLM"])
def test_a_pooler_next_to_a_masked_language_head_is_kept(checkpoint, tmp_path, architecture):
    """Published BERTs hold both, and name either architecture in their config."""
    source = BertForPreTraining(tiny_config())
    folder = checkpoint(source)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}))
    fetch(folder, tmp_path / "out")
    names = load_file(tmp_path / "out/model.safetensors").keys()
    assert {"bert.pooler.dense.weight", "cls.predictions.bias"} <= names
    assert {"cls.predictions.transform.dense.weight", "cls.seq_relationship.bias"} <= names
    for loaded in (
        AutoModel.from_pretrained(tmp_path / "out"),
        pretrained.load(AutoModel, tmp_path / "out", allow_missing=()),
    ):
        assert torch.equal(loaded.pooler.dense.weight, source.bert.pooler.dense.weight)
        assert same(loaded.state_dict(), source.bert.state_dict())
    masked = pretrained.load(AutoModelForMaskedLM, tmp_path / "out", allow_missing=())
    assert same(masked.cls.predictions.state_dict(), source.cls.predictions.state_dict())


def test_the_names_of_the_first_berts_weights_are_understood(checkpoint, tmp_path):
    """gamma and beta of LayerNorms; the positions' ids, which are not weights."""
    source = BertForPreTraining(tiny_config())
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)  # LayerNorms would be 1 and 0, read or not
    folder = checkpoint(source)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {"bert.embeddings.position_ids": torch.arange(64)[None]}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for new, first in old.items():
            name = name.replace(new, first)
        weights[name] = tensor
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    fetch(folder, tmp_path / "out")
    loaded = pretrained.load(AutoModel, tmp_path / "out", allow_missing=())
    assert same(loaded.state_dict(), source.bert.state_dict())


@pytest.mark.parametrize("name", ["package:not_there", "package:os;rm", "package:json"])
def test_packages_without_a_model_are_errors(name, tmp_path):
    with pytest.raises(ValueError, match=r"pretrained\.model"):
        fetch(name, tmp_path / "out")


def test_a_hub_model_is_requested_with_its_revision(monkeypatch, tmp_path, checkpoint):
    """The hub's cache, filled by hand, stands in for the hub: transformers itself reads it."""
    source = checkpoint(BertModel(tiny_config()))
    commit = "a" * 40
    repo = tmp_path / "hub/models--someone--some-bert"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/v2").write_text(commit)
    (repo / "snapshots").mkdir()
    source.rename(repo / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    fetch("someone/some-bert", tmp_path / "out", revision="v2")
    assert json.loads((tmp_path / "out/source.json").read_text())["revision"] == "v2"
    with pytest.raises(ValueError, match=r"pretrained\.model: someone/some-bert"):
        fetch("someone/some-bert", tmp_path / "out2", revision="v3")


def test_a_hub_that_cannot_be_reached_is_not_taken_for_one_without_the_file(monkeypatch, tmp_path):
    for place in ("huggingface_hub.constants", "transformers.utils.hub.constants"):
        monkeypatch.setattr(f"{place}.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match=r"someone/some-bert cannot be loaded: .*connect"
    ) as caught:
        fetch("someone/some-bert", tmp_path / "out")
    assert "Pickled" not in str(caught.value)


@pytest.mark.parametrize("kind", [MPNetConfig, DebertaV2Config])
@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForMaskedLM])
def test_an_architecture_that_cannot_be_captured_is_refused(checkpoint, tmp_path, kind, auto_class):
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    config = kind(
        **{name: getattr(tiny_config(), name) for name in sizes},
        intermediate_size=16,
        pad_token_id=0,
    )
    folder = checkpoint(auto_class.from_config(config))
    # A weight of the discriminator that DeBERTa-v3 was pretrained with.
    rewrite(folder, add={"mask_predictions.dense.weight": torch.ones(8, 8)})
    with pytest.raises(InputError, match=r"Model has 2 layers, .* cannot be distilled"):
        fetch(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_published_student_is_copied_with_its_source(checkpoint, tmp_path):
    source = BertModel(tiny_config())
    folder = checkpoint(source)
    fetch_student(published(folder), folder, tmp_path / "out")
    assert same(AutoModel.from_pretrained(tmp_path / "out").state_dict(), source.state_dict())
    assert json.loads((tmp_path / "out/source.json").read_text()) == {
        "model": str(folder),
        "revision": None,
    }


@pytest.mark.parametrize("init", ["random", "projection"])
def test_without_a_published_student_its_folder_is_empty(tmp_path, init):
    (tmp_path / "out").mkdir()
    fetch_student(published(init), tmp_path, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["source.json"]
    assert json.loads((tmp_path / "out/source.json").read_text())["model"] is None


@pytest.mark.parametrize("what", ["pretrained", "student"])
def test_a_checked_model_is_freed_before_its_weights_are_copied(
    checkpoint, tmp_path, monkeypatch, what
):
    """Else the weights of shards would be twice in memory."""
    folder = checkpoint(BertModel(tiny_config()))
    load, copy, loaded, alive = pretrained.load, pretrained.copy, [], []

    def remembered(*arguments, **options):
        model = load(*arguments, **options)
        loaded.append(weakref.ref(model.base_model.get_input_embeddings().weight))
        return model

    def observed(*arguments):
        alive.extend(reference() is not None for reference in loaded)
        copy(*arguments)

    monkeypatch.setattr(pretrained, "load", remembered)
    monkeypatch.setattr(pretrained, "copy", observed)
    if what == "pretrained":
        fetch(folder, tmp_path / "out")
    else:
        fetch_student(published(folder), folder, tmp_path / "out")
    assert alive == [False]


@pytest.mark.parametrize("size", pretrained.SIZES)
def test_a_published_student_of_another_size_is_an_error_that_names_it(checkpoint, tmp_path, size):
    folder = checkpoint(BertModel(tiny_config()))
    actual = getattr(tiny_config(), size)
    settings = published(folder, **{size: 2 * actual})
    with pytest.raises(InputError, match=rf"has {size} {actual} \(not {2 * actual}\)\. Set the"):
        fetch_student(settings, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
