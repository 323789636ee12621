"""Rows that repeat: within a split, in train and dev or test, in unlabeled."""

import pytest
from raw_tasks import column, notices, prepare, refused, write

from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.task_data import TaskData


def tsv(rows: list[tuple], header: str = "text label") -> str:
    return "\n".join("\t".join(map(str, row)) for row in [header.split(), *rows])


TRAIN = tsv([("a", 0), ("b", 1), ("a", 0), ("a", 1), ("c", 1), ("d", 0)])
DEV = tsv([("c", 1), ("c", 1), ("e", 0)])
TEST = tsv([("d", 1), ("f", 0), ("c", 0)])
FILES = {"train__tsv": TRAIN, "dev__tsv": DEV, "test__tsv": TEST}


def counted(statistics: dict, split: str) -> dict:
    names = ("duplicates", "differently_labelled", "also_in_train", "also_in_dev_or_test")
    return {name: statistics[split][name] for name in names if name in statistics[split]}


def test_duplicates_and_rows_also_in_train_are_counted(tmp_path):
    files = {**FILES, "unlabeled__tsv": "text\na\na\nz\n"}
    _, found = prepare(tmp_path, **files)
    assert counted(found, "train") == {"duplicates": 2, "differently_labelled": 1}
    dev = {"duplicates": 1, "differently_labelled": 0, "also_in_train": 2}
    assert counted(found, "dev") == dev
    assert counted(found, "test") == {**dev, "duplicates": 0}
    assert counted(found, "unlabeled") == {"duplicates": 1, "also_in_dev_or_test": 0}
    assert column(tmp_path, "train", "text_a") == ["a", "b", "a", "a", "c", "d"]


RESPELLED = {
    "spaces": "good  film, again", "case": "GOOD film, again",
    "zero width": "good\u200b film, again", "full width": "good film\uff0c again",
    "no-break space": "good\u00a0film, again", "soft hyphen": "go\u00adod film, again",
    "byte order mark": "\ufeffgood film, again",
    "ends": " good film, again ", "ligature": "good \ufb01lm, again",
    "variation selector": "good film\U000e0100, again", "filler": "good fi\u3164lm, again",
    "control character": "good \u0007film, again",
}  # fmt: skip


@pytest.mark.parametrize("text", RESPELLED.values(), ids=RESPELLED)
def test_rows_in_another_spelling_are_the_same(tmp_path, text):
    train = tsv([("good film, again", 1), ("b", 0), (text, 0), ("c", 1)])
    test = tsv([(text, 1), ("e", 0)])
    dev = tsv([("f", 1)])
    _, found = prepare(tmp_path, train__tsv=train, dev__tsv=dev, test__tsv=test)
    assert (found["train"]["duplicates"], found["train"]["near_duplicates"]) == (1, 1)
    assert found["train"]["differently_labelled"] == 1
    assert found["test"]["also_in_train"] == 1
    assert (
        prepare(
            tmp_path,
            {"drop_overlap": True},
            train__tsv=train,
            dev__tsv=dev,
            test__tsv=test,
        )[1]["train"]["overlap_dropped"]
        == 2
    )
    assert column(tmp_path, "train", "text_a") == ["b", "c"]


def test_rows_of_equal_tokens_are_the_same_unless_a_token_is_unknown(tmp_path, tokenizer):
    """The tokenizer strips accents, which no spelling in NFKC does."""
    train = tsv([("m\u00f3vie", 1), ("bad movie", 0), ("good \u5c4f", 1)])
    files = {"train__tsv": train, "dev__tsv": tsv([("movie", 1), ("good \u7535", 0), ("great", 0)])}
    assert marked(tmp_path, tokenizer, **files)["dev"]["also_in_train"] == 1
    assert marked(tmp_path, None, **files)["dev"]["also_in_train"] == 0


def marked(folder, tokenizer, max_length: int = 16, **files) -> dict:
    raw = write(folder / "raw", files)
    return prepare_task(raw, folder / "out", TaskData(), tokenizer, max_length)[1]


def test_a_repeated_row_is_named_with_both_places(tmp_path):
    rows = tsv([("a", 0), ("b", 1), ("A ", 1)])
    files = {"train__tsv": rows, "dev__tsv": tsv([("c", 0), ("B", 1)])}
    assert notices(tmp_path, **files)["duplicates"] == (
        "1 row repeats an earlier row's texts, 1 of them in another spelling: train.tsv, line 4 is "
        "train.tsv, line 2"
    )
    assert notices(tmp_path, **files)["differently_labelled"] == (
        "1 text is repeated with another label: train.tsv, line 4 and train.tsv, line 2; correct "
        "the file"
    )
    assert notices(tmp_path, split="dev", **files)["also_in_train"] == (
        "1 row is also in train, 1 of them in another spelling: dev.tsv, line 3 is train.tsv, "
        "line 3; drop_overlap: true under the task's data in params.yaml removes them from train"
    )


def test_a_row_of_test_that_is_also_in_dev_is_named(tmp_path):
    line = notices(tmp_path, split="test", **FILES)["also_in_dev"]
    assert line == (
        "1 row is also in dev: test.tsv, line 4 is dev.tsv, line 2; dev chooses the epoch; "
        "remove them from one of the files"
    )


def test_unlabeled_text_of_dev_or_test_is_counted_and_removed(tmp_path):
    unlabeled = {"unlabeled__txt": "text\nE\nz\n f\ny\n"}
    line = notices(tmp_path, split="unlabeled", **FILES, **unlabeled)["also_in_dev_or_test"]
    assert line == (
        "2 rows are also in dev or test, and would be trained on: unlabeled.txt, line 2 is "
        "dev.tsv, line 4; drop_overlap: true under the task's data in params.yaml removes them "
        "from unlabeled"
    )
    _, found = prepare(tmp_path, {"drop_overlap": True}, **FILES, **unlabeled)
    assert found["unlabeled"]["overlap_dropped"] == 2
    assert column(tmp_path, "unlabeled", "text_a") == ["z", "y"]


def test_unlabeled_text_that_is_all_of_dev_and_test_is_left_out(tmp_path):
    unlabeled = {"unlabeled__txt": "text\nc\ne\nd\nf\n"}
    prepared, found = prepare(tmp_path, {"drop_overlap": True}, **FILES, **unlabeled)
    assert prepared.splits == ["train", "dev", "test"]
    assert found["unlabeled"]["rows"] == 0
    assert "4 rows are removed" in found["unlabeled"]["notices"]["overlap_dropped"]
    assert not (tmp_path / "out/unlabeled.parquet").exists()


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        ("good \U0001f44d", "good \U0001f44e", "because of unknown tokens; another pretrained"),
        ("good film good bad", "good film good great", "as far as encode.max_length"),
    ],
)
def test_rows_of_another_label_with_the_same_tokens_are_counted(
    tmp_path, tokenizer, first, second, cause
):
    files = {
        "train__tsv": tsv([(first, 1), (second, 0), ("bad film", 0)]),
        "dev__tsv": tsv([("e", 1)]),
    }
    train = marked(tmp_path, tokenizer, max_length=5, **files)["train"]
    assert (train["same_tokens"], train["differently_labelled"]) == (2, 0)
    line = train["notices"]["same_tokens"]
    assert "train.tsv, line 2 and " in line and "train.tsv, line 3, " in line and cause in line


def test_drop_overlap_takes_the_rows_of_dev_and_test_out_of_train(tmp_path):
    _, found = prepare(tmp_path, {"drop_overlap": True}, **FILES)
    assert column(tmp_path, "train", "text_a") == ["a", "b", "a", "a"]
    assert column(tmp_path, "train", "label") == [0, 1, 0, 1]
    assert column(tmp_path, "dev", "text_a") == ["c", "c", "e"]
    assert found["train"]["overlap_dropped"] == 2
    assert found["dev"]["also_in_train"] == found["test"]["also_in_train"] == 2


def test_pairs_overlap_only_if_both_texts_are_the_same(tmp_path):
    train = tsv([("a", "b", 0), ("b", "a", 1), ("a", "c", 0)], "text_a text_b label")
    dev = tsv([("a", "b", 0), ("c", "a", 0)], "text_a text_b label")
    _, found = prepare(tmp_path, {"drop_overlap": True}, train__tsv=train, dev__tsv=dev)
    assert found["dev"]["also_in_train"] == 1
    assert column(tmp_path, "train", "text_a") == ["b", "a"]
    assert column(tmp_path, "train", "text_b") == ["a", "c"]
    assert found["dev"]["notices"]["exchanged_in_train"].replace(f"{tmp_path}/raw/", "") == (
        "1 row is also in train with text_a and text_b exchanged: dev.tsv, line 3 is train.tsv, "
        "line 4; if their order means nothing, remove them from one of the files"
    )


def test_rows_that_differ_after_max_length_are_named(tmp_path, tokenizer):
    train = tsv([("good film good film bad", 1), ("bad film", 0), ("good", 1)])
    files = {"train__tsv": train, "dev__tsv": tsv([("good film good film the", 1), ("great", 0)])}
    dev = marked(tmp_path, tokenizer, max_length=5, **files)["dev"]
    assert (dev["also_in_train"], dev["cut_in_train"]) == (0, 1)
    line = dev["notices"]["cut_in_train"]
    assert line.startswith("1 row is also in train as far as encode.max_length in params.yaml: ")
    assert line.endswith(
        "drop_overlap: true under the task's data in params.yaml removes them from train"
    )
    assert marked(tmp_path, tokenizer, max_length=16, **files)["dev"]["cut_in_train"] == 0
    section = TaskData(drop_overlap=True)
    _, found = prepare_task(tmp_path / "raw", tmp_path / "out", section, tokenizer, 5)
    assert (found["train"]["rows"], found["train"]["overlap_dropped"]) == (2, 1)


def test_typographic_and_plain_marks_are_the_same(tmp_path):
    train = tsv([('it\'s "good" - really', 1), ("b", 0)])
    dev = tsv([("it\u2019s \u201cgood\u201d \u2013 really", 1)])
    assert prepare(tmp_path, train__tsv=train, dev__tsv=dev)[1]["dev"]["nearly_in_train"] == 1


def test_a_few_repeated_rows_get_no_line(tmp_path):
    train = tsv([("a", 0), *((f"text {i}", i % 2) for i in range(60)), ("a", 0)])
    _, found = prepare(tmp_path, train__tsv=train, dev__tsv=tsv([("b", 0)] * 60))
    assert (found["train"]["duplicates"], found["train"]["notices"]) == (1, {})
    assert "59 rows repeat" in found["dev"]["notices"]["duplicates"]


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
