"""Packages, directories and hub ids; safetensors only."""

import json
import sys

import pytest
import torch
from conftest import tiny_config
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, BertModel

from tinybert import pretrained


@pytest.fixture
def package(tmp_path, checkpoint, monkeypatch):
    """An installed Python package with a model inside, which raises if it is imported."""
    folder = checkpoint(BertModel(tiny_config()), "site/carries_a_bert/model")
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield folder
    sys.modules.pop("carries_a_bert", None)


def test_a_package_is_found_checked_and_not_imported(package, tmp_path):
    sha256 = pretrained.file_sha256(package / "model.safetensors")
    pretrained.fetch("package:carries_a_bert", None, sha256, tmp_path / "out")
    loaded, source = AutoModel.from_pretrained(tmp_path / "out"), AutoModel.from_pretrained(package)
    weights = source.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in loaded.state_dict().items())
    assert AutoTokenizer.from_pretrained(tmp_path / "out").vocab_size > 0
    origin = json.loads((tmp_path / "out/source.json").read_text())
    assert origin == {"model": "package:carries_a_bert", "revision": None, "sha256": sha256}


def test_another_sha256_is_an_error_and_nothing_is_written(package, tmp_path):
    with pytest.raises(ValueError, match="pretrained.sha256.*do not use it"):
        pretrained.fetch("package:carries_a_bert", None, "0" * 64, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_directory_keeps_its_masked_language_head(checkpoint, tmp_path):
    source = BertForMaskedLM(tiny_config())
    folder = checkpoint(source)
    pretrained.fetch(str(folder), None, None, tmp_path / "out")
    loaded = pretrained.load(AutoModelForMaskedLM, tmp_path / "out", new=())
    weights = source.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in loaded.state_dict().items())


def test_pickled_weights_alone_are_refused(checkpoint, tmp_path):
    folder = checkpoint(BertModel(tiny_config()))
    weights = (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert weights.exists()
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        pretrained.fetch(str(folder), None, None, tmp_path / "out")


@pytest.mark.parametrize("name", ["package:not_there", "package:os;rm", "package:json"])
def test_packages_without_a_model_are_errors(name, tmp_path):
    with pytest.raises(ValueError, match=r"pretrained\.model"):
        pretrained.fetch(name, None, None, tmp_path / "out")


def test_a_hub_model_is_asked_for_with_its_revision(monkeypatch, tmp_path, checkpoint):
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
    pretrained.fetch("someone/some-bert", "v2", None, tmp_path / "out")
    assert json.loads((tmp_path / "out/source.json").read_text())["revision"] == "v2"
    with pytest.raises(ValueError, match=r"pretrained\.model: someone/some-bert"):
        pretrained.fetch("someone/some-bert", "v3", None, tmp_path / "out2")


def test_loading_is_in_float32(checkpoint):
    folder = checkpoint(BertModel(tiny_config()).to(torch.bfloat16))
    assert pretrained.load(AutoModel, folder).dtype == torch.float32
