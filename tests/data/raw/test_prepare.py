"""Raw folders to canonical tables: what is written, counted, reported and refused."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tasks import CHANGES, PIECES, TRAIN, column, labels, prepare, refused, spoiled

from tinybert.data.corpus import sources
from tinybert.data.raw.prepare import write_texts
from tinybert.models.batches import training_batches
from tinybert.models.encode import read_rows
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import load_task


def test_tables_and_task_are_written_and_can_be_loaded(tmp_path):
    prepared, _ = prepare(tmp_path, train__tsv=TRAIN, dev__tsv=TRAIN, test__tsv=TRAIN)
    assert prepared == load_task(tmp_path / "out")
    assert (prepared.kind, prepared.pair) == ("classification", False)
    assert (prepared.splits, prepared.test_split) == (["train", "dev", "test"], "test")
    table = pq.read_table(tmp_path / "out/train.parquet")
    assert table.to_pydict() == {
        "text_a": ["good film", "bad film"],
        "text_b": [None, None],
        "label": [1, 0],
    }
    assert prepared.head()["id2label"] == {0: "neg", 1: "pos"}
    assert prepared.head()["problem_type"] == "single_label_classification"


def test_scores_are_those_of_dev_where_test_is_missing(tmp_path):
    assert prepare(tmp_path, train__tsv=TRAIN, dev__tsv=TRAIN)[0].test_split == "dev"


def test_unlabeled_rows_have_no_label_column(tmp_path):
    files = {"train__tsv": TRAIN, "dev__tsv": TRAIN, "unlabeled__tsv": "text\nmore\nand more\n"}
    assert prepare(tmp_path, **files)[0].splits == ["train", "dev", "unlabeled"]
    table = pq.read_table(tmp_path / "out/unlabeled.parquet")
    assert table.column_names == ["text_a", "text_b"] and len(table) == 2


def test_fewer_rows_than_a_batch_are_enough(tmp_path, tokenizer):
    prepare(tmp_path, train__tsv=TRAIN, dev__tsv=TRAIN)
    rows = read_rows(tmp_path / "out/train.parquet", tokenizer, max_length=16)
    loader, _ = training_batches(rows, batch_size=32, seed=0)
    assert [sorted(batch["label"].tolist()) for batch in loader] == [[0, 1]]


@pytest.mark.parametrize(
    ("section", "head", "metrics"),
    [
        ({}, "text\tlabel\na\t0\nb\t1\n", ["accuracy", "f1_macro"]),
        ({"metric": "f1"}, "text\tlabel\na\t0\nb\t1\n", ["f1", "accuracy", "f1_macro"]),
        ({"metric": "f1_macro"}, "text\tlabel\na\t0\nb\t1\n", ["f1_macro", "accuracy"]),
        (
            {"metric": "matthews"},
            "text\tlabel\na\t0\nb\t1\nc\t2\n",
            ["matthews", "accuracy", "f1_macro"],
        ),
        ({}, "text\tscore\na\t0\nb\t1\n", ["pearson", "spearman"]),
        ({"metric": "spearman"}, "text\tscore\na\t0\nb\t1\n", ["spearman", "pearson"]),
        ({}, "text\tlabels\na\t0,1\nb\t1\n", ["f1_micro", "f1_macro", "accuracy"]),
    ],
)
def test_the_metric_that_chooses_the_epoch_comes_first(tmp_path, section, head, metrics):
    prepared, _ = prepare(tmp_path, section, train__tsv=head, dev__tsv=head)
    assert (prepared.metrics, prepared.metric) == (metrics, metrics[0])


@pytest.mark.parametrize(
    ("metric", "file", "message"),
    [
        ("pearson", "text\tlabel\na\t0\nb\t1\n", "pearson .*classification.* accuracy, f1_macro"),
        ("f1_micro", "text\tlabel\na\t0\nb\t1\n", "f1_micro .*classification"),
        ("accuracy", "text\tscore\na\t0\nb\t1\n", "accuracy .*regression.*pearson"),
        ("f1", "text\tlabels\na\t0,1\nb\t1\n", "f1 .*multi_label.*f1_micro"),
        ("matthews", "text\tlabels\na\t0,1\nb\t1\n", "matthews .*multi_label.*f1_micro"),
        ("f1", "text\tlabel\na\t0\nb\t1\nc\t2\n", "f1 .*two classes, here are 3; use f1_macro"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(tmp_path, metric, file, message):
    text = refused(tmp_path, message, {"metric": metric}, train__tsv=file, dev__tsv=file)
    assert text.startswith("params.yaml: ") and "metric" in text


def test_empty_texts_are_kept_and_counted(tmp_path):
    files = {"train__tsv": TRAIN + "\tpos\n  \tneg\n", "dev__tsv": TRAIN}
    _, notices = prepare(tmp_path, **files)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film", "", "  "]
    assert notices["train"]["empty_texts"] == 2 and "empty_texts" not in notices["dev"]


def test_an_empty_second_text_is_counted_too(tmp_path):
    pairs = "text_a\ttext_b\tlabel\na\tb\t0\nc\t\t1\n\td\t1\n"
    _, notices = prepare(tmp_path, train__tsv=pairs, dev__tsv=pairs)
    assert column(tmp_path, "train", "text_b") == ["b", "", "d"]
    assert notices["train"]["empty_texts"] == 2


def test_drop_broken_removes_and_counts_broken_rows(tmp_path):
    broken = "one field\nthree\tpos\tfields\n\tpos\nfilm\tmaybe\n"
    section = {"drop_broken": True, "labels": ["pos", "neg"]}
    files = {"train__tsv": TRAIN + broken, "dev__tsv": TRAIN + broken + "great\tpos\n"}
    _, notices = prepare(tmp_path, section, **files)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert column(tmp_path, "dev", "text_a") == ["good film", "bad film", "great"]
    assert labels(tmp_path, "dev") == ["pos", "neg", "pos"]
    for split in ("train", "dev"):
        assert notices[split]["broken_left_out"] == 4
        assert "empty_texts" not in notices[split]


def test_drop_broken_does_not_hide_a_label_that_train_lacks(tmp_path):
    files = {"train__tsv": TRAIN, "dev__tsv": TRAIN + "film\tmaybe\n"}
    refused(tmp_path, r"dev\.tsv, line 4: label 'maybe'", {"drop_broken": True}, **files)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_drop_broken_that_empties_a_split_is_refused(tmp_path, split):
    section = {"drop_broken": True, "labels": ["a", "b"]}
    rows = '{"text": "x", "labels": ["a"]}\n{"text": "y", "labels": ["b"]}\n'
    files = {"train__jsonl": rows, "dev__jsonl": rows, "test__jsonl": rows}
    files[f"{split}__jsonl"] = rows.replace('"]', '", "unlisted"]')
    refused(tmp_path, rf"{split}\.jsonl", section, **files)


@pytest.mark.parametrize(
    ("role", "value", "message"),
    [
        ("text_a", None, "text_a is missing; fill it or remove the line"),
        ("text_b", None, "text_b is missing"),
        ("text_a", float("nan"), "text_a is missing"),
        ("text_a", ["a"], "text_a must be a text"),
        ("text_b", {"a": 1}, "text_b must be a text"),
    ],
)
def test_a_missing_or_structured_text_is_refused(tmp_path, role, value, message):
    sound = {"text_a": "a", "text_b": "b", "label": 0}
    lines = [sound, {**sound, "label": 1}, {**sound, role: value}]
    text = "\n".join(map(json.dumps, lines))
    refused(tmp_path, rf"train\.jsonl, line 3: {message}", train__jsonl=text)


def test_numbers_as_texts_become_texts(tmp_path):
    rows = '{"text": 1, "label": 0}\n{"text": 2.5, "label": 1}\n'
    prepare(tmp_path, train__jsonl=rows, dev__jsonl=rows)
    assert column(tmp_path, "train", "text_a") == ["1", "2.5"]


def test_text_that_looks_like_a_missing_value_is_text(tmp_path):
    files = {"train__csv": "text,label\nNA,null\nnan,1\n", "dev__csv": "text,label\nNone,1\n"}
    prepared, _ = prepare(tmp_path, {"missing_labels": []}, **files)
    assert prepared.labels == ["1", "null"]
    assert column(tmp_path, "train", "text_a") == ["NA", "nan"]
    assert column(tmp_path, "dev", "text_a") == ["None"]


def test_a_column_without_any_text_is_refused(tmp_path):
    refused(tmp_path, r"train\.tsv: no row has a text", train__tsv="text\tlabel\n\ta\n\tb\n")


def test_rare_labels_are_named_with_their_line(tmp_path):
    _, notices = prepare(tmp_path, train__tsv=TRAIN + "great film\tpos\n", dev__tsv=TRAIN)
    line = notices["train"]["notices"]["labels_of_one_row"]
    assert line.startswith("1 of 2 labels has a single row: 'neg' in ")
    assert "train.tsv, line 3;" in line


SOUND = {
    "tsv": [
        "text\tlabel\n" + "".join(f"text {i}\t{i % 2}\n" for i in range(8)),
        "text_a\ttext_b\tlabel\n" + "".join(f"text {i}\tb\t{i % 2}\n" for i in range(8)),
        "text\tscore\n" + "".join(f"text {i}\t{i / 2}\n" for i in range(8)),
        "text\tlabels\n" + "".join(f"text {i}\ta,{i % 2}\n" for i in range(8)),
        "".join(f"text {i}\t{i % 2}\n" for i in range(8)),
    ],
    "jsonl": [
        "".join(json.dumps({"text": f"text {i}", "label": f"{i % 2}"}) + "\n" for i in range(8)),
        "".join(json.dumps({"text": f"text {i}", "labels": ["a", i % 3]}) + "\n" for i in range(8)),
        "".join(json.dumps({"text": f"text {i}", "score": i / 2}) + "\n" for i in range(8)),
    ],
}
SOUND["txt"] = SOUND["tsv"]
SOUND["csv"] = [
    *(file.replace("\t", ";") for file in SOUND["tsv"]),
    *(file.replace(",", " ").replace("\t", ",") for file in SOUND["tsv"]),
]
SOUND["parquet"] = ["PAR1 PAR1"]
SECTIONS = [
    {},
    {"quoted": True},
    {"quoted": False},
    {"header": True},
    {"header": False},
    {"drop_broken": True, "drop_overlap": True},
    {"drop_broken": True, "labels": ["a", "0", "1"]},
    {"kind": "regression"},
    {"kind": "multi_label"},
    {"columns": {"text": 1, "label": 2}},
    {"columns": {"text": "text", "labels": ["label", "score"]}},
    {"benchmark": "trec"},
    {"encoding": "utf-16"},
    {"encoding": "gb18030"},
    {"encoding": "latin-1"},
]


@pytest.mark.parametrize("ending", SOUND)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_file_is_read_or_refused(tmp_path_factory, ending, data):
    """No exception but InputError is raised, and what is written can be loaded and has rows."""
    section = data.draw(st.just({}) | st.sampled_from(SECTIONS))
    pieces = st.lists(st.sampled_from(PIECES)).map("".join)
    texts = st.builds(spoiled, st.sampled_from(SOUND[ending]), CHANGES) | pieces
    encoded = texts.map(lambda text: text.encode(section.get("encoding", "utf-8"), "replace"))
    files = {f"train__{ending}": data.draw(encoded | st.binary())}
    if data.draw(st.booleans()):
        files[f"dev__{ending}"] = data.draw(encoded | st.binary())
    folder = tmp_path_factory.mktemp("any")
    try:
        prepared, notices = prepare(folder, section, **files)
    except InputError:
        assert not (folder / "out").exists()
    else:
        assert prepared == load_task(folder / "out")
        assert list(notices) == prepared.splits
        assert prepared.splits[:2] == ["train", "dev"]
        assert column(folder, "train", "text_a") and column(folder, "dev", "text_a")


def test_the_texts_of_train_and_unlabeled_are_general_text(tmp_path):
    """Not those of dev and test. Each text is one paragraph for prepare_corpus."""
    pairs = "text_a\ttext_b\tlabel\n{0} a\t{0}  b \tyes\n{0} c\t{0} d\tno\n"
    files = {f"{split}__tsv": pairs.format(split) for split in ("train", "dev", "test")}
    prepare(tmp_path, **files, unlabeled__tsv="text_a\ttext_b\nraw a\traw b\n")
    write_texts(tmp_path / "out", tmp_path / "texts")
    assert list(sources.paragraphs(tmp_path / "texts/texts.txt")) == [
        "train a", "train b", "train c", "train d", "raw a", "raw b",
    ]  # fmt: skip


def test_with_other_general_text_the_folder_is_empty(tmp_path):
    """So a new task changes nothing for the general student."""
    write_texts(None, tmp_path / "texts")
    assert list((tmp_path / "texts").iterdir()) == []


def test_many_labels_are_written_in_parts(tmp_path, monkeypatch):
    """All at once, 50,000 rows of 5,000 labels would take gigabytes."""
    rows = "".join(f"text {i}\tl{i % 5},l{(i + 1) % 5}\n" for i in range(23))
    files = {f"{split}__tsv": f"text\tlabels\n{rows}" for split in ("train", "dev")}
    prepare(tmp_path, **files)
    whole = pq.read_table(tmp_path / "out/train.parquet")
    monkeypatch.setattr("tinybert.data.raw.prepare.VALUES", 20)  # four rows of five labels
    prepare(tmp_path, **files)
    written = pq.ParquetFile(tmp_path / "out/train.parquet")
    assert written.metadata.num_row_groups == 6 and written.read().equals(whole)
