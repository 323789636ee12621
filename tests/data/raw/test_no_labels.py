"""Raw folders without a train file, for a teacher that is already fine-tuned."""

import json

import pyarrow.parquet as pq
import pytest
from raw_tasks import TRAIN, column, prepare, refused
from teachers import fine_tuned
from tiny import tiny_config
from transformers import AutoModelForSequenceClassification

from tinybert.data.raw.describe import describe_answers, summary

TEXTS = [f"text number {i}" for i in range(40)]
UNLABELED = "".join(f"{text}\n" for text in TEXTS)
GOLD = "text\tlabel\na good film\tpos\na bad film\tneg\n"


@pytest.fixture
def given(checkpoint):
    """The section `data` with a teacher whose outputs have these names."""

    def section(names=("NEG", "POS"), **changes) -> dict:
        return {"teacher": str(checkpoint(fine_tuned("bert", list(names)), "teacher")), **changes}

    return section


def test_texts_are_enough_and_a_tenth_is_held_out(tmp_path, given):
    task, statistics = prepare(tmp_path, given(), unlabeled__txt=UNLABELED)
    assert (task.kind, task.labels, task.pair) == ("classification", ["NEG", "POS"], False)
    assert (task.splits, task.answered) == (["dev", "unlabeled"], ["dev"])
    assert (task.has_labels, task.metrics_of("dev")) == (False, ["agreement"])
    dev, rest = (column(tmp_path, split, "text_a") for split in ("dev", "unlabeled"))
    assert len(dev) == 4 and sorted(dev + rest) == sorted(TEXTS)
    assert pq.read_table(tmp_path / "out/dev.parquet").column_names == ["text_a", "text_b"]
    assert statistics["dev"]["taken_from_unlabeled"] == 4
    assert "no labels to train on: the teacher's answers decide" in summary(task, statistics)


def test_the_held_out_rows_are_always_the_same_and_no_copies_of_others(tmp_path, given):
    twice = "".join(f"{text}\n{text.upper()}\n" for text in TEXTS)
    splits = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        prepare(tmp_path / name, given(), unlabeled__txt=twice)
        splits.append([column(tmp_path / name, split, "text_a") for split in ("dev", "unlabeled")])
    assert splits[0] == splits[1]
    dev, rest = ({text.casefold() for text in texts} for texts in splits[0])
    assert len(dev) == 4 and not dev & rest


@pytest.mark.parametrize("name", ["pos", "POS", "Pos"])
def test_a_labelled_test_file_may_write_the_teachers_labels_in_another_way(tmp_path, given, name):
    files = {"unlabeled__txt": UNLABELED, "test__tsv": GOLD.replace("pos", name)}
    task, _ = prepare(tmp_path, given(), **files)
    assert (task.labels, task.test_split, task.answered) == (["NEG", "POS"], "test", ["dev"])
    assert task.metrics_of("test") == ["accuracy", "f1_macro"]
    assert column(tmp_path, "test", "label") == [1, 0]


def test_a_labelled_dev_file_chooses_the_epoch_by_its_labels(tmp_path, given):
    task, _ = prepare(tmp_path, given(), unlabeled__txt=UNLABELED, dev__tsv=GOLD)
    assert (task.splits, task.answered) == (["dev", "unlabeled"], [])
    assert task.metrics_of("dev") == ["accuracy", "f1_macro"]
    assert column(tmp_path, "unlabeled", "text_a") == TEXTS


def test_pairs_are_found_without_labels(tmp_path, given):
    header = "premise\thypothesis\n" + "".join(f"{text}\tthe end\n" for text in TEXTS)
    for name, text in (("header", header), ("none", header.split("\n", 1)[1])):
        (tmp_path / name).mkdir()
        task, _ = prepare(tmp_path / name, given(), unlabeled__tsv=text)
        assert task.pair and set(column(tmp_path / name, "unlabeled", "text_b")) == {"the end"}


def test_columns_may_name_the_text_alone(tmp_path, given):
    section = given(columns={"text": "body"})
    text = "id\tbody\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(TEXTS))
    prepare(tmp_path, section, unlabeled__tsv=text)
    assert set(column(tmp_path, "unlabeled", "text_a")) < set(TEXTS)
    (tmp_path / "dev").mkdir()
    message = "dev.tsv needs labels: add label to columns"
    refused(tmp_path / "dev", message, section, unlabeled__tsv=text, dev__tsv=text)


@pytest.mark.parametrize(
    ("config", "changes", "kind", "labels"),
    [
        ({"num_labels": 1}, {}, "regression", []),
        ({"problem_type": "multi_label_classification"}, {}, "multi_label", ["LABEL_0", "LABEL_1"]),
        ({}, {"teacher_labels": ["no", "yes"]}, "classification", ["no", "yes"]),
        ({}, {"labels": ["yes", "no"], "teacher_labels": ["no", "yes"]}, None, ["yes", "no"]),
    ],
)
def test_the_teacher_says_kind_and_labels(tmp_path, checkpoint, config, changes, kind, labels):
    model = AutoModelForSequenceClassification.from_config(tiny_config(**config))
    section = {"teacher": str(checkpoint(model, "teacher")), **changes}
    task, _ = prepare(tmp_path, section, unlabeled__txt=UNLABELED)
    assert (task.kind, task.labels) == (kind or "classification", labels)


def test_without_labels_and_without_a_teacher_the_fix_is_named(tmp_path, given):
    message = "no train file .*set teacher: MODEL, .* fine-tuned"
    refused(tmp_path, message, unlabeled__txt=UNLABELED)
    (tmp_path / "named").mkdir()
    message = "no train file .*name the file with the texts unlabeled"
    refused(tmp_path / "named", message, given(), texts__txt=UNLABELED)


def test_other_labels_than_the_teachers_are_an_error(tmp_path, given):
    message = r"test.tsv, line 2: label 'pos' is not a label of the teacher.* NO, YES"
    files = {"unlabeled__txt": UNLABELED, "test__tsv": TRAIN}
    refused(tmp_path, message, given(["NO", "YES"]), **files)


def test_a_single_text_is_too_few(tmp_path, given):
    refused(tmp_path, "unlabeled.txt has too few texts", given(), unlabeled__txt="one\n")


def test_texts_of_test_are_not_trained_on_with_drop_overlap(tmp_path, given):
    files = {"unlabeled__txt": UNLABELED + "A  good film\n", "test__tsv": GOLD}
    _, statistics = prepare(tmp_path, given(drop_overlap=True), **files)
    assert statistics["unlabeled"]["overlap_dropped"] == 1
    assert set(column(tmp_path, "unlabeled", "text_a")) < set(TEXTS)
    (tmp_path / "all").mkdir()
    files = {"unlabeled__txt": "a good film\na bad film\n", "dev__tsv": GOLD}
    refused(tmp_path / "all", "drop_overlap removes all rows", given(drop_overlap=True), **files)


def test_one_answer_for_all_texts_is_said(tmp_path, given):
    task, statistics = prepare(tmp_path, given(), unlabeled__txt=UNLABELED)
    describe_answers(statistics, {"dev": {"labels": {"NEG": 3, "POS": 1}}})
    assert "warning: the teacher gives" not in summary(task, statistics)
    describe_answers(statistics, {"dev": {"labels": {"NEG": 0, "POS": 4}}})
    assert "warning: the teacher gives POS to all of 4 texts" in summary(task, statistics)
    assert json.dumps(statistics)
