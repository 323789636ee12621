"""Packages, directories and hub ids; safetensors only."""

import json
import pickle
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import FAMILIES, config_of, tiny_config
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    ModernBertForMaskedLM,
    MPNetConfig,
)

from tinybert.models import pretrained
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256
from tinybert.pipeline.schema import Pretrained, Student


def rewrite(folder: Path, add: dict[str, Tensor] | None = None, drop: tuple[str, ...] = ()) -> None:
    """Changes a checkpoint's weights."""
    weights = {**load_file(folder / "model.safetensors"), **(add or {})}
    weights = {name: tensor for name, tensor in weights.items() if name not in drop}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def same(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Whether all of these weights, of which there are some, are as expected."""
    return bool(weights) and all(torch.equal(w, expected[name]) for name, w in weights.items())


def fetch(model: str | Path, out: Path, length: int = 32, **options) -> None:
    settings = {"model": str(model), "revision": None, "sha256": None, **options}
    pretrained.fetch(Pretrained(**settings), out, {"encode.max_length": length})


def fetch_student(settings: Student, base: Path, out: Path) -> None:
    pretrained.fetch_student(settings, base, out, {"encode.max_length": 32})


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


def test_pickled_weights_alone_are_refused(checkpoint, tmp_path):
    folder = checkpoint(BertModel(tiny_config()))
    weights = (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert weights.exists()
    with pytest.raises(ValueError, match=r"model\.safetensors.*save_pretrained"):
        fetch(folder, tmp_path / "out")


class Planted:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("has_safetensors", [True, False])
def test_a_planted_pickle_is_never_opened(checkpoint, tmp_path, has_safetensors):
    """Whatever its name, with and without safetensors in the same folder."""
    folder, mark = checkpoint(BertModel(tiny_config())), tmp_path / "mark"
    names = ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "model.pkl", "tf_model.h5")
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Planted(mark)))
    if has_safetensors:
        fetch(folder, tmp_path / "out")
        assert not set(names) & {file.name for file in (tmp_path / "out").iterdir()}
    else:
        (folder / "model.safetensors").unlink()
        with pytest.raises(ValueError, match="Pickled weights"):
            fetch(folder, tmp_path / "out")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Planted(mark)))
    assert mark.exists()  # it would have run


def test_a_models_own_code_is_not_run(checkpoint, tmp_path):
    folder, mark = checkpoint(BertModel(tiny_config())), tmp_path / "mark"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "new", "auto_map": {"AutoConfig": "new.Config", "AutoModel": "new.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "new.py").write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(ValueError, match=r"pretrained\.model: .* cannot be loaded"):
        fetch(folder, tmp_path / "out")
    assert not mark.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 10**12},
        {"vocab_size": 10**8},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**6},
        {"hidden_size": 2**27},
        {"intermediate_size": 10**8},
        {"max_position_embeddings": 10**8},
    ],
)
def test_a_config_that_would_fill_the_memory_is_refused(checkpoint, tmp_path, change):
    folder = checkpoint(BertModel(tiny_config()))
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"config\.json describes a model with "):
        fetch(folder, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 10**8
    tracemalloc.stop()


def header_of(size: int, shape: list[int], end: int) -> bytes:
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    text = json.dumps({"bert.embeddings.word_embeddings.weight": tensor}).encode()
    return struct.pack("<Q", size or len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        header_of(2**60, [4], 16),  # a header of 2^60 bytes
        header_of(0, [2**40, 2**20], 2**62),  # a tensor of 2^62 bytes
        header_of(0, [2**40], 16) + bytes(16),  # sizes that contradict each other
        b"",
    ],
)
def test_a_safetensors_header_that_would_fill_the_memory_is_refused(checkpoint, tmp_path, data):
    folder = checkpoint(BertModel(tiny_config()))
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        fetch(folder, tmp_path / "out")


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


def published(model: str | Path, **sizes) -> Student:
    """Settings for a student of the tiny config's sizes, except for those given."""
    values = {size: getattr(tiny_config(), size) for size in pretrained.SIZES}
    return Student(init=str(model), revision=None, **{**values, **sizes})


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


@pytest.mark.parametrize("size", pretrained.SIZES)
def test_a_published_student_of_another_size_is_an_error_that_names_it(checkpoint, tmp_path, size):
    folder = checkpoint(BertModel(tiny_config()))
    actual = getattr(tiny_config(), size)
    settings = published(folder, **{size: 2 * actual})
    with pytest.raises(InputError, match=rf"has {size} {actual} \(not {2 * actual}\)\. Set the"):
        fetch_student(settings, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
