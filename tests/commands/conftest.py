"""A project for `tinybert init`."""

import io
import shutil
from pathlib import Path

import pytest
from tiny import tiny_config
from transformers import BertModel

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch, checkpoint) -> Path:
    """The current directory, with the project's params.yaml, its recipes, and a tiny model."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "data/models").mkdir(parents=True)
    checkpoint(BertModel(tiny_config()), "data/models/tiny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # no terminal
    return tmp_path
