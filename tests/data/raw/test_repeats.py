"""Rows that repeat: within a split, in train and dev or test, in unlabeled."""

import pytest
from raw_tasks import column, prepare, refused


def tsv(rows: list[tuple], header: str = "text label") -> str:
    return "\n".join("\t".join(map(str, row)) for row in [header.split(), *rows])


TRAIN = tsv([("a", 0), ("b", 1), ("a", 0), ("a", 1), ("c", 1), ("d", 0)])
DEV = tsv([("c", 1), ("c", 1), ("e", 0)])
TEST = tsv([("d", 1), ("f", 0), ("c", 0)])
FILES = {"train__tsv": TRAIN, "dev__tsv": DEV, "test__tsv": TEST}


def test_duplicates_and_rows_also_in_train_are_counted(tmp_path):
    files = {**FILES, "unlabeled__tsv": "text\na\na\nz\n"}
    _, notices = prepare(tmp_path, **files)
    train = {"duplicates": 2, "differently_labelled": 1}
    assert notices["train"] == train
    assert notices["dev"] == {"duplicates": 1, "differently_labelled": 0, "also_in_train": 2}
    assert notices["test"] == {"duplicates": 0, "differently_labelled": 0, "also_in_train": 2}
    assert notices["unlabeled"] == {"duplicates": 1}
    assert column(tmp_path, "train", "text_a") == ["a", "b", "a", "a", "c", "d"]


def test_drop_overlap_takes_the_rows_of_dev_and_test_out_of_train(tmp_path):
    _, notices = prepare(tmp_path, {"drop_overlap": True}, **FILES)
    assert column(tmp_path, "train", "text_a") == ["a", "b", "a", "a"]
    assert column(tmp_path, "train", "label") == [0, 1, 0, 1]
    assert column(tmp_path, "dev", "text_a") == ["c", "c", "e"]
    assert notices["train"]["overlap_dropped"] == 2
    assert notices["dev"]["also_in_train"] == notices["test"]["also_in_train"] == 2


def test_pairs_overlap_only_if_both_texts_are_the_same(tmp_path):
    train = tsv([("a", "b", 0), ("b", "a", 1), ("a", "c", 0)], "text_a text_b label")
    dev = tsv([("a", "b", 0), ("c", "a", 0)], "text_a text_b label")
    _, notices = prepare(tmp_path, {"drop_overlap": True}, train__tsv=train, dev__tsv=dev)
    assert notices["dev"]["also_in_train"] == 1
    assert texts(tmp_path, "train") == [("b", "a"), ("a", "c")]


@pytest.mark.parametrize(
    "dev",
    [
        [("a", 0), ("b", 0), ("c", 1), ("d", 1)],  # no row is left
        [("c", 1), ("d", 1)],  # no row of the second class
    ],
)
def test_drop_overlap_that_leaves_nothing_to_learn_is_refused(tmp_path, dev):
    train = tsv([("a", 0), ("b", 0), ("c", 1), ("d", 1)])
    files = {"train__tsv": train, "dev__tsv": tsv(dev)}
    refused(tmp_path, r"train\.tsv.*(drop_overlap|single class)", {"drop_overlap": True}, **files)
