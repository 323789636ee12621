"""A value of params.yaml that looks like a path is a path, and not a hub id."""

from pathlib import Path

import pytest

from tinybert.models.source import locate
from tinybert.pipeline.errors import InputError

PATHS = (
    "./models_of_mine/typo", "~/bert", "../bert", "/models/bert", "data/models/typo",
    "C:\\models\\bert", ".", "data/models/typo/",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_without_a_folder_is_an_error_that_names_it(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if path == ".":
        assert locate(path, None, "key") == (".", {})
        return
    with pytest.raises(InputError, match=r"^key: .*there is no folder ") as caught:
        locate(path, "v1", "key")
    text = str(caught.value)
    assert f"there is no folder {path}" in text and "copy the model to data/models/NAME" in text
    assert ("~ is not expanded" in text) == path.startswith("~")


def test_a_file_is_not_a_folder(tmp_path):
    file = Path(tmp_path / "model.safetensors")
    file.touch()
    with pytest.raises(InputError, match="there is no folder"):
        locate(str(file), None, "key")


@pytest.mark.parametrize("model", ["gpt2", "google-bert/bert-base-uncased"])
def test_other_names_are_hub_ids_with_their_revision(model):
    assert locate(model, "v1", "key") == (model, {"revision": "v1"})
    assert locate(model, None, "key") == (model, {})
