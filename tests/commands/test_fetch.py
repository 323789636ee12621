"""Hub data sets as raw files. A folder replaces the hub: `datasets` reads both."""

import errno
import re

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from datasets.exceptions import DatasetGenerationError
from ruamel.yaml import YAML

from tinybert.commands import fetch
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import errors
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Columns, Task, TaskData

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


def proposal(report: str) -> dict:
    """The lines to write into params.yaml, parsed; the task's section is valid."""
    [lines] = re.findall(r"write into params\.yaml\n(.*)\nand run\n", report, re.DOTALL)
    content = YAML(typ="safe", pure=True).load(lines)
    Task.model_validate(content["task"]["mine"])
    return content


def test_splits_and_labels_are_renamed(tmp_path):
    source = source_of(
        tmp_path, ClassLabel(names=NAMES), train=[0, 1, 1], validation=[1, 0], test=[-1, -1]
    )
    report = fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    raw = tmp_path / "raw/mine"
    assert {file.name for file in raw.iterdir()} == {"train.parquet", "dev.parquet"}
    assert pq.read_table(raw / "train.parquet")["label"].to_pylist() == [
        "negative", "positive", "positive"
    ]  # fmt: skip
    assert "test: 2 rows skipped, without a label" in report
    assert f"dvc add {raw}\n" in report
    assert proposal(report) == {
        "tasks": ["mine"],
        "task": {"mine": {"data": {}, "augment": {}, "intermediate": {}, "prediction": {}}},
    }
    prepared, _ = prepare_task(raw, tmp_path / "out", TaskData())
    assert (prepared.kind, prepared.labels) == ("classification", NAMES)


def test_some_rows_without_a_label_are_kept_and_become_unlabeled(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), train=[0, 1, -1, 1, 0], validation=[1, 0])
    report = fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    assert "train: 5 rows, 1 of them without a label -> " in report
    prepared, statistics = prepare_task(tmp_path / "raw/mine", tmp_path / "out", TaskData())
    assert prepared.splits == ["train", "dev", "unlabeled"]
    assert (statistics["train"]["rows"], statistics["train"]["without_label"]) == (4, 1)
    texts = pq.read_table(tmp_path / "out/unlabeled.parquet")["text_a"].to_pylist()
    assert texts == ["train row 2"]


def test_multi_label_rows_get_label_names(tmp_path):
    source = source_of(tmp_path, Sequence(ClassLabel(names=NAMES)), train=[[0], [0, 1], []])
    fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    labels = pq.read_table(tmp_path / "raw/mine/train.parquet")["label"].to_pylist()
    assert labels == [["negative"], ["negative", "positive"], []]


def test_the_next_steps_contain_placeholders_for_unknown_columns(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), text="body", train=[0, 1] * 10)
    report = fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    assert "columns: body, idx, label\n" in report
    assert proposal(report)["task"]["mine"]["data"] == {"columns": {"text": "...", "label": "..."}}
    section = TaskData(columns=Columns(text="body", label="label"))
    assert prepare_task(tmp_path / "raw/mine", tmp_path / "out", section)[0].labels == NAMES


def test_tags_of_words_keep_their_names(tmp_path):
    folder, names = tmp_path / "source", ["O", "B-PER", "I-PER"]
    folder.mkdir()
    features = Features({
        "tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=names)),
    })  # fmt: skip
    rows = {"tokens": [["Ada", "met", "Bo"]] * 2, "ner_tags": [[1, 0, 1]] * 2}
    for split in ("train", "validation"):
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    report = fetch.fetch(str(folder), "mine", tmp_path / "raw", None, None)
    section = TaskData(**proposal(report)["task"]["mine"]["data"])
    task, statistics = prepare_task(tmp_path / "raw/mine", tmp_path / "out", section)
    assert (task.kind, task.labels) == ("tokens", names)
    assert statistics["train"]["labels"] == {"PER": 2}


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "raw/mine").mkdir(parents=True)
    (tmp_path / "raw/mine/train.tsv").write_text("mine")
    with pytest.raises(ValueError, match="holds files already"):
        fetch.fetch("anything", "mine", tmp_path / "raw", None, None)


@pytest.mark.parametrize("name", ["../x", "a b", "x;rm", "", "a" * 65])
def test_an_invalid_task_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="the task's name"):
        fetch.fetch("anything", name, tmp_path / "raw", None, None)


def test_a_missing_data_set_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="nobody/nothing cannot be loaded; check its name"):
        fetch.fetch("nobody/nothing", "mine", tmp_path / "raw", None, None)
    assert not (tmp_path / "raw/mine").exists()


def test_a_full_disk_leaves_no_half_data_set(tmp_path, monkeypatch):
    """Its folder would be taken for a whole one."""
    source = source_of(tmp_path, ClassLabel(names=NAMES), train=[0, 1], validation=[1, 0])
    write = Dataset.to_parquet

    def refuse(self, file, **options):
        if file.name == "dev.parquet":
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        return write(self, file, **options)

    monkeypatch.setattr(Dataset, "to_parquet", refuse)
    with pytest.raises(SystemExit, match=r"dev\.parquet: the disk is full; free some space"):
        errors.run(fetch.fetch, source, "mine", tmp_path / "raw", None, None)
    assert list((tmp_path / "raw").iterdir()) == []
    monkeypatch.setattr(Dataset, "to_parquet", write)
    fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    assert len(list((tmp_path / "raw/mine").iterdir())) == 2


def test_a_full_disk_while_datasets_prepares_its_cache_is_not_blamed_on_the_name(
    tmp_path, monkeypatch
):
    def load(*arguments, **options):
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "cache/x.arrow")
        except OSError as error:
            raise DatasetGenerationError("An error occurred") from error

    monkeypatch.setattr(fetch, "load_dataset", load)
    with pytest.raises(SystemExit, match=r"cache/x\.arrow: the disk is full"):
        errors.run(fetch.fetch, "someone/some", "mine", tmp_path / "raw", None, None)


def test_a_data_set_without_a_split_to_use_is_an_error(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), test=[-1, -1])
    with pytest.raises(InputError, match=r"no split that can be used:\n  test: 2 rows skipped"):
        fetch.fetch(source, "mine", tmp_path / "raw", None, None)
    assert not (tmp_path / "raw/mine").exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "train.parquet"), (b"PAR1half", "train.parquet"), (b'{"text": "a', "train.jsonl")],
)
def test_a_damaged_data_set_is_one_message(tmp_path, content, name):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_bytes(content)
    with pytest.raises(InputError, match="source cannot be loaded"):
        fetch.fetch(str(tmp_path / "source"), "mine", tmp_path / "raw", None, None)
    assert not (tmp_path / "raw/mine").exists()
