"""Hub data sets as raw files. A folder replaces the hub: `datasets` reads both."""

import errno
import shlex
import shutil
from glob import glob

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from datasets.exceptions import DatasetGenerationError
from tiny import WORDS

from tinybert.commands import cli, fetch
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import errors, params, paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import Columns, TaskData

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


def command(report: str) -> list[str]:
    """The words of the command that the report ends with, as a shell reads them."""
    words = shlex.split(report.rpartition("tinybert ")[2])
    return [file for word in words for file in (sorted(glob(word)) or [word])]


def test_splits_and_labels_are_renamed(tmp_path):
    source = source_of(
        tmp_path, ClassLabel(names=NAMES), train=[0, 1, 1], validation=[1, 0], test=[-1, -1]
    )
    report = fetch.fetch(source, "mine", tmp_path, None, None, False)
    raw = tmp_path / "fetched/mine"
    assert {file.name for file in raw.iterdir()} == {"train.parquet", "dev.parquet"}
    assert pq.read_table(raw / "train.parquet")["label"].to_pylist() == [
        "negative", "positive", "positive"
    ]  # fmt: skip
    assert "test: 2 rows skipped, without a label" in report
    assert report.endswith(f"next: tinybert init {raw}/*.parquet --name mine")
    prepared, _ = prepare_task(raw, tmp_path / "out", TaskData())
    assert (prepared.kind, prepared.labels) == ("classification", NAMES)


def test_some_rows_without_a_label_are_kept_and_become_unlabeled(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), train=[0, 1, -1, 1, 0], validation=[1, 0])
    report = fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert "train: 5 rows, 1 of them without a label -> " in report
    prepared, statistics = prepare_task(tmp_path / "fetched/mine", tmp_path / "out", TaskData())
    assert prepared.splits == ["train", "dev", "unlabeled"]
    assert (statistics["train"]["rows"], statistics["train"]["without_label"]) == (4, 1)
    texts = pq.read_table(tmp_path / "out/unlabeled.parquet")["text_a"].to_pylist()
    assert texts == ["train row 2"]


def test_multi_label_rows_get_label_names(tmp_path):
    source = source_of(tmp_path, Sequence(ClassLabel(names=NAMES)), train=[[0], [0, 1], []])
    fetch.fetch(source, "mine", tmp_path, None, None, False)
    labels = pq.read_table(tmp_path / "fetched/mine/train.parquet")["label"].to_pylist()
    assert labels == [["negative"], ["negative", "positive"], []]


def test_the_next_steps_contain_placeholders_for_unknown_columns(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), text="body", train=[0, 1] * 10)
    report = fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert "columns: body, idx, label\n" in report
    assert report.endswith(" --name mine --columns text=... label=...")
    section = TaskData(columns=Columns(text="body", label="label"))
    assert prepare_task(tmp_path / "fetched/mine", tmp_path / "out", section)[0].labels == NAMES


@pytest.fixture
def initialised(project, capsys, monkeypatch):
    """Fetches a data set in a project, and runs the command that is printed; returns the prepared
    task and its statistics."""

    def run(source) -> tuple:
        monkeypatch.setattr("sys.argv", ["tinybert", "fetch", str(source), "mine"])
        cli.main()
        words = command(capsys.readouterr().out)
        monkeypatch.setattr("sys.argv", ["tinybert", *words, "--model", "data/models/tiny"])
        cli.main()
        return prepare_task(paths.raw("mine"), project / "out", params.load().task["mine"].data)

    return run


def test_the_command_that_is_printed_makes_the_task(tmp_path, initialised):
    source = source_of(
        tmp_path, ClassLabel(names=NAMES), train=[0, 1] * 30, validation=[1, 0] * 5, test=[-1] * 4
    )
    task, statistics = initialised(source)
    assert (task.kind, task.labels) == ("classification", NAMES)
    rows = {split: counts["rows"] for split, counts in statistics.items()}
    assert rows["dev"] == 10 and rows["train"] + rows["test"] == 60


def test_tags_of_words_keep_their_names(tmp_path, initialised):
    folder, names = tmp_path / "source", ["O", "B-PER", "I-PER"]
    folder.mkdir()
    features = Features({
        "tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=names)),
    })  # fmt: skip
    for split, start, stop in (("train", 0, 50), ("validation", 50, 60)):
        pairs = [(WORDS[i % 15], ["Ada", "Bob", "Cyd", "Dee"][i // 15]) for i in range(start, stop)]
        rows = {
            "tokens": [["the", word, "is", name] for word, name in pairs],
            "ner_tags": [[0, 0, 0, 1]] * len(pairs),
        }
        rows["tokens"][0], rows["ner_tags"][0] = ["of", "the", "Lee", "Day"], [0, 0, 1, 2]
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    task, statistics = initialised(folder)
    assert (task.kind, task.labels) == ("tokens", names)
    assert statistics["dev"]["labels"].keys() == {"PER"}


@pytest.mark.parametrize("hidden", [[-1, -1], None])
def test_hidden_tags_leave_their_split_out(tmp_path, hidden):
    source = source_of(
        tmp_path,
        Sequence(ClassLabel(names=NAMES)),
        train=[[0, 1]] * 3 + [hidden],
        test=[hidden] * 2,
    )
    report = fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert "test: 2 rows skipped, without a label" in report
    assert "train: 4 rows, 1 of them without a label -> " in report
    labels = pq.read_table(tmp_path / "fetched/mine/train.parquet")["label"].to_pylist()
    assert labels == [NAMES, NAMES, NAMES, None]


@pytest.mark.parametrize("as_lists", [False, True])
def test_spans_keep_their_names(tmp_path, as_lists):
    """A list of structs, and a struct of lists."""
    span = {"start": Value("int32"), "end": Value("int32"), "label": ClassLabel(names=NAMES)}
    rows = [[{"start": 0, "end": 5, "label": 1}], [], [{"start": 0, "end": 5, "label": -1}]]
    named = [[{"start": 0, "end": 5, "label": "positive"}], [], None]
    if as_lists:
        rows, named = (
            [row and {k: [one[k] for one in row] for k in span} for row in some]
            for some in ([*rows[:1], *rows[2:]], [*named[:1], *named[2:]])
        )
    feature = Sequence(span) if as_lists else [span]
    source = source_of(tmp_path, feature, train=rows, test=rows[-1:])
    report = fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert "test: 1 row skipped, without a label" in report
    labels = pq.read_table(tmp_path / "fetched/mine/train.parquet")["label"].to_pylist()
    assert labels == named


def test_files_of_a_task_that_params_yaml_has_are_its_raw_files(project, capsys, monkeypatch):
    """Such as that of a recipe, whose section init would not replace."""
    source = source_of(project, ClassLabel(names=NAMES), train=[0, 1], validation=[1, 0])
    [name] = params.load().task
    monkeypatch.setattr("sys.argv", ["tinybert", "fetch", source, name])
    cli.main()
    out = capsys.readouterr().out
    assert out.endswith(f"params.yaml has task.{name}; next: tinybert plan, then dvc repro\n")
    files = {file.name for file in paths.raw(name).iterdir()}
    assert files == {"train.parquet", "dev.parquet"}


def test_existing_files_are_not_overwritten(tmp_path):
    """Nor are those of data/raw, which init would refuse."""
    for place, known in (("fetched", False), ("raw", True), ("raw", False)):
        file = tmp_path / place / "mine/train.tsv"
        file.parent.mkdir(parents=True)
        file.write_text("mine")
        with pytest.raises(InputError, match=f"{place}/mine holds files already"):
            fetch.fetch("anything", "mine", tmp_path, None, None, known)
        shutil.rmtree(tmp_path / place)


@pytest.mark.parametrize("name", ["../x", "a b", "x;rm", "", "a" * 65])
def test_an_invalid_task_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="the task's name"):
        fetch.fetch("anything", name, tmp_path, None, None, False)


def test_a_missing_data_set_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="nobody/nothing cannot be loaded; check its name"):
        fetch.fetch("nobody/nothing", "mine", tmp_path, None, None, False)
    assert not (tmp_path / "fetched/mine").exists()


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
        errors.run(fetch.fetch, source, "mine", tmp_path, None, None, False)
    assert list((tmp_path / "fetched").iterdir()) == []
    monkeypatch.setattr(Dataset, "to_parquet", write)
    fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert len(list((tmp_path / "fetched/mine").iterdir())) == 2


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
        errors.run(fetch.fetch, "someone/some", "mine", tmp_path, None, None, False)


def test_a_data_set_without_a_split_to_use_is_an_error(tmp_path):
    source = source_of(tmp_path, ClassLabel(names=NAMES), test=[-1, -1])
    with pytest.raises(InputError, match=r"no split that can be used:\n  test: 2 rows skipped"):
        fetch.fetch(source, "mine", tmp_path, None, None, False)
    assert not (tmp_path / "fetched/mine").exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "train.parquet"), (b"PAR1half", "train.parquet"), (b'{"text": "a', "train.jsonl")],
)
def test_a_damaged_data_set_is_one_message(tmp_path, content, name):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_bytes(content)
    with pytest.raises(InputError, match="source cannot be loaded"):
        fetch.fetch(str(tmp_path / "source"), "mine", tmp_path, None, None, False)
    assert not (tmp_path / "fetched/mine").exists()
