"""Which weights a checkpoint must have, may lack and may have beside them."""

from functools import partial
from pathlib import Path

import pytest
import torch
from checkpoints import fetch, rewrite, same
from damaged_models import DAMAGES
from tiny import FAMILIES, config_of, tiny_config
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    ModernBertForMaskedLM,
)

from tinybert.models import pretrained
from tinybert.models.checks import load_config
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.errors import InputError


def test_loading_is_in_float32(checkpoint):
    folder = checkpoint(BertModel(tiny_config()).to(torch.bfloat16))
    assert pretrained.load(AutoModel, folder).dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_weight_is_an_error_that_lists_it(checkpoint, tmp_path, family):
    folder = checkpoint(AutoModel.from_config(config_of(family)))
    missing = ("encoder.layer.1.output.dense.weight", "embeddings.LayerNorm.bias")
    if family == "modernbert":
        missing = ("layers.1.mlp.Wo.weight", "embeddings.norm.weight")
    rewrite(folder, drop=missing)
    for attempt in (
        lambda: pretrained.load(AutoModel, folder),
        lambda: fetch(folder, tmp_path / "out"),
    ):
        with pytest.raises(InputError, match="lacks") as caught:
            attempt()
        assert all(name in str(caught.value) for name in missing)
        assert "layer.0" not in str(caught.value) and "layers.0" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["head.dense.weight", "decoder.bias"])
def test_half_a_masked_language_head_is_an_error(checkpoint, tmp_path, missing):
    """ModernBERT's classifiers have a part of that name too, which may be new."""
    folder = checkpoint(ModernBertForMaskedLM(config_of("modernbert")))
    rewrite(folder, drop=(missing,))
    with pytest.raises(InputError, match=rf"lacks: {missing}$"):
        fetch(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("family", "expected"),
    [("bert", True), ("albert", True), ("ernie", True), ("mobilebert", True), ("electra", False)],
)
def test_a_masked_language_head_next_to_another_is_recognised(checkpoint, family, expected):
    """A checkpoint has one if transformers' own masked-language model finds all its weights."""
    sizes = {k: v for k, v in tiny_config().to_diff_dict().items() if k != "model_type"}
    narrow = {"embedding_size": 4, "true_hidden_size": 8, "intra_bottleneck_size": 8}
    config = AutoConfig.for_model(family, **sizes, **narrow)
    folder = checkpoint(AutoModelForPreTraining.from_config(config))
    assert pretrained.has_masked_head(AutoConfig.from_pretrained(folder)) == expected
    if expected:
        pretrained.load(AutoModelForMaskedLM, folder, allow_missing=())
    else:
        with pytest.raises(InputError, match="lacks"):
            pretrained.load(AutoModelForMaskedLM, folder, allow_missing=())


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_an_unexpected_weight_is_an_error_that_lists_it(checkpoint, tmp_path, prefix):
    folder = checkpoint((BertForMaskedLM if prefix else BertModel)(tiny_config()))
    rewrite(folder, add={f"{prefix}encoder.extra.weight": torch.ones(8, 8)})
    for attempt in (
        lambda: pretrained.load(AutoModel, folder),
        lambda: fetch(folder, tmp_path / "out"),
    ):
        with pytest.raises(InputError, match=r"unexpected: [a-z.]*encoder\.extra\.weight$"):
            attempt()
    assert not (tmp_path / "out").exists()


def test_a_weight_of_another_shape_is_an_error_that_lists_it(checkpoint, tmp_path):
    folder = checkpoint(BertModel(tiny_config()))
    rewrite(folder, add={"encoder.layer.1.output.dense.bias": torch.ones(9)})
    for attempt in (
        lambda: pretrained.load(AutoModel, folder),
        lambda: fetch(folder, tmp_path / "out"),
    ):
        with pytest.raises(InputError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
            attempt()
    assert not (tmp_path / "out").exists()


def test_nan_in_a_part_that_is_not_loaded_is_an_error(checkpoint, tmp_path):
    """A pooler beside a masked-language head is loaded in fine-tuning only."""
    folder = checkpoint(BertForMaskedLM(tiny_config()))
    pooler = {"bert.pooler.dense.weight": torch.full((8, 8), torch.nan)}
    rewrite(folder, add={**pooler, "bert.pooler.dense.bias": torch.zeros(8)})
    with pytest.raises(InputError, match=r"1 of its weights .* NaN .*bert\.pooler\.dense\.weight"):
        fetch(folder, tmp_path / "out")


@pytest.mark.parametrize("folder", ["models/pretrained", "models/mine/teacher"])
def test_a_missing_folder_of_the_pipeline_is_not_taken_for_a_hub_id(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    for load in (partial(pretrained.load, AutoModel), load_tokenizer, load_config):
        with pytest.raises(InputError, match=f"^{folder} is missing; dvc repro writes it"):
            load(Path(folder))


@pytest.mark.parametrize("damage", ["no config.json", "half config.json", "half of the weights"])
def test_a_stage_that_loads_a_damaged_model_names_the_file(checkpoint, damage):
    folder = checkpoint(BertModel(tiny_config()))
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=message) as caught:
        pretrained.load(AutoModel, folder)
    assert str(folder) in str(caught.value)


def test_a_file_that_holds_no_weights_is_an_error(checkpoint, tmp_path):
    """The pointer that a git clone without LFS has for a large file."""
    folder = checkpoint(BertModel(tiny_config()))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (folder / "model.safetensors").write_text(pointer)
    with pytest.raises(InputError, match=r"model\.safetensors"):
        fetch(folder, tmp_path / "out")


@pytest.mark.parametrize(
    "head",
    [
        "pooler.dense.weight",
        "classifier.out_proj.weight",
        "cls.predictions.transform.dense.weight",
        "lm_head.layer_norm.bias",
        "discriminator_predictions.dense.weight",
        "generator_predictions.dense.weight",
    ],
)
def test_unused_heads_are_ignored(checkpoint, head):
    source = BertModel(tiny_config(), add_pooling_layer=False)
    folder = checkpoint(source)
    rewrite(folder, add={head: torch.ones(8, 8)})
    loaded = pretrained.load(AutoModel, folder, add_pooling_layer=False)
    assert same(loaded.state_dict(), source.state_dict())


def test_a_head_may_be_missing_unless_it_is_required(checkpoint):
    folder = checkpoint(BertModel(tiny_config()))
    pretrained.load(AutoModelForSequenceClassification, folder)
    with pytest.raises(InputError, match=r"lacks: classifier\.bias, classifier\.weight$"):
        pretrained.load(AutoModelForSequenceClassification, folder, allow_missing=())


def test_a_head_of_another_shape_is_replaced_unless_it_is_required(checkpoint):
    source = BertForSequenceClassification(tiny_config(num_labels=3))
    folder = checkpoint(source)
    loaded = pretrained.load(AutoModelForSequenceClassification, folder, num_labels=2)
    assert loaded.classifier.weight.shape == (2, 8)
    assert same(loaded.bert.state_dict(), source.bert.state_dict())
    with pytest.raises(InputError, match=r"classifier\.bias \(3,\) \(not \(2,\)\)"):
        pretrained.load(AutoModelForSequenceClassification, folder, allow_missing=(), num_labels=2)
