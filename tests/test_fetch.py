"""Hub data sets as raw files. A folder stands in for the hub: `datasets` itself reads both."""

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from tinybert import fetch, task
from tinybert.schema import Columns
from tinybert.schema import Task as Section

NAMES = ["negative", "positive"]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def source_of(tmp_path, label, text: str = "sentence", **splits):
    folder = tmp_path / "source"
    folder.mkdir()
    features = Features({text: Value("string"), "label": label, "idx": Value("int32")})
    for name, labels in splits.items():
        rows = {
            text: [f"{name} row {i}" for i in range(len(labels))],
            "label": labels,
            "idx": list(range(len(labels))),
        }
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{name}.parquet")
    return str(folder)


def test_splits_get_our_names_and_labels_theirs(tmp_path):
    source = source_of(
        tmp_path, ClassLabel(names=NAMES), train=[0, 1, 1], validation=[1, 0], test=[-1, -1]
    )
    said = fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    raw = tmp_path / "raw/mine"
    assert {file.name for file in raw.iterdir()} == {"train.parquet", "dev.parquet"}
    assert pq.read_table(raw / "train.parquet")["label"].to_pylist() == [
        "negative", "positive", "positive"
    ]  # fmt: skip
    assert "test: 2 rows left out, they have no labels" in said
    assert "tasks: [mine]" in said and "mine: {}" in said and f"dvc add {raw}" in said
    prepared, _ = task.prepare(raw, tmp_path / "out", Section())
    assert (prepared.kind, prepared.labels) == ("classification", NAMES)


def test_several_labels_a_row_keep_their_names(tmp_path):
    source = source_of(tmp_path, Sequence(ClassLabel(names=NAMES)), train=[[0], [0, 1], []])
    fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    labels = pq.read_table(tmp_path / "raw/mine/train.parquet")["label"].to_pylist()
    assert labels == [["negative"], ["negative", "positive"], []]


def test_unknown_columns_are_asked_for(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), text="body", train=[0, 1] * 10)
    said = fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    assert "mine: {columns: {text: ..., label: ...}}" in said
    assert "body" in said
    section = Section(columns=Columns(text="body", label="label"))
    assert task.prepare(tmp_path / "raw/mine", tmp_path / "out", section)[0].labels == NAMES


def test_files_that_are_there_are_kept(tmp_path):
    (tmp_path / "raw/mine").mkdir(parents=True)
    (tmp_path / "raw/mine/train.tsv").write_text("mine")
    with pytest.raises(ValueError, match="holds files already"):
        fetch.fetch("anything", "mine", tmp_path / "raw", None, None)


@pytest.mark.parametrize("name", ["../x", "a b", "x;rm", "", "a" * 65])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="the task's name"):
        fetch.fetch("anything", name, tmp_path / "raw", None, None)


def test_a_data_set_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="nobody/nothing cannot be loaded"):
        fetch.fetch("nobody/nothing", "mine", tmp_path / "raw", None, None)
    assert not (tmp_path / "raw/mine").exists()
