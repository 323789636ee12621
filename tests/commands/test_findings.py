"""What `tinybert init` shows of a user's files, and the test that it takes from them."""

import re
from pathlib import Path

import pytest
from own_files import ROWS, request, rows_of, write_csv
from tiny import WORDS

from tinybert.commands import init
from tinybert.pipeline.errors import InputError

TWENTY = [f"kind {i}" for i in range(20)]


def shown(capsys, *files: Path, **options) -> dict[str, list[str]]:
    """The cells of each line that init prints, by the first one."""
    init.init(request(*files, **options))
    lines = capsys.readouterr().out.splitlines()
    return {cells[0]: cells[1:] for line in lines if (cells := re.split(r"  +", line.strip()))}


def test_lengths_cut_rows_and_unknown_tokens_are_counted(project, capsys):
    train = [("good film", "pos"), ("good zzz film", "neg"), ("bad " * 70, "neg")]
    dev = [("good zzz", "pos"), ("zzz zzz", "neg")]
    files = write_csv("train.csv", train), write_csv("dev.csv", dev)
    table = shown(capsys, *files, test_share=0)
    assert table["split"] == ["rows", "median tokens", "longest", "cut", "unknown tokens"]
    # [CLS] and [SEP] count for the lengths; the model reads 64 tokens.
    assert table["train"] == ["3", "5", "72", "1", f"{100 / 75:.1f} %"]
    assert table["dev"] == ["2", "4", "4", "0", "75.0 %"]


def test_labels_are_counted_in_each_split(project, capsys):
    train = [(text, "pos" if i < 80 else "neg") for i, (text, _) in enumerate(ROWS[:100])]
    files = [write_csv("train.csv", train), write_csv("dev.csv", ROWS[100:107])]
    files.append(write_csv("test.csv", ROWS[107:]))
    table = shown(capsys, *files)
    assert table["label"] == ["train", "dev", "test"]
    assert table["pos"] == ["80", "4", "6"] and table["neg"] == ["20", "3", "7"]


@pytest.mark.parametrize(("others", "more"), [(0, None), (3, "... 3 more")])
def test_the_twenty_most_frequent_labels_are_shown(project, capsys, others, more):
    labels = [*(label for label in TWENTY for _ in range(3)), *(f"rare {i}" for i in range(others))]
    rows = [(f"{WORDS[i % 30]} {WORDS[i // 30]}", label) for i, label in enumerate(labels)]
    files = write_csv("train.csv", rows), write_csv("dev.csv", rows[:5])
    table = shown(capsys, *files, test_share=0)
    assert all(table[label][0] == "3" for label in TWENTY)
    assert "rare 0" not in table and [key for key in table if "more" in key] == [more] * bool(more)


def test_the_spread_of_scores_is_shown(project, capsys):
    train = [(text, i / 4) for i, (text, _) in enumerate(ROWS[:100])]
    files = [write_csv("train.csv", train, "text,score")]
    files.append(write_csv("dev.csv", [("good", -1.5), ("bad", 2), ("dull", 9)], "text,score"))
    table = shown(capsys, *files, test_share=0)
    assert table["score"] == ["minimum", "median", "maximum"]
    assert table["train"] == ["0", "12.375", "24.75"] and table["dev"] == ["-1.5", "2", "9"]


@pytest.mark.parametrize(("each", "count"), [(2, 100), (3, 150)])
def test_many_labels_leave_rows_to_train_and_dev(project, capsys, each, count):
    rows = [(f"{WORDS[i % 30]} {WORDS[i // 30]} {i * 7919**3}", f"label {i}") for i in range(500)]
    ends = [" ".join(WORDS[part : part + 7 : 3]) for part in range(each)]  # not nearly alike
    rows = [(f"{text} {end}", label) for text, label in rows for end in ends]
    init.init(request(write_csv("tickets.csv", rows)))
    shown = capsys.readouterr().out
    lacking = f"{500 - count} of 500 have too few different rows to be in it"
    assert f"test: {count} rows of train (10.0 %), spread over the labels; {lacking}" in shown
    assert len(rows_of("data/raw/mine/test.csv")) == count
    train = rows_of("data/raw/mine/train.csv")
    assert len({label for _, label in train}) == 500
    dev = re.search(r"^dev \(from train\) +(\d+)", shown, re.MULTILINE)[1]
    assert int(dev) == round(0.1 * len(train))


def test_many_sets_of_labels_leave_rows_to_train(project, capsys):
    sets = [f"a{i % 21},b{i // 21}" for i in range(430)]
    rows = [(f"{WORDS[i % 30]} {WORDS[i // 30]} {i}", sets[i % 430]) for i in range(1000)]
    init.init(request(write_csv("tickets.csv", rows, header="text,labels")))
    assert "test: 100 rows of train (10.0 %)" in capsys.readouterr().out


def test_where_no_rows_are_left_for_dev_the_way_out_is_named(project):
    rows = [(f"{WORDS[i]} film", f"label {i // 2}") for i in range(10)]
    with pytest.raises(InputError, match=r"too few rows to take dev .*--test-share 0 takes no"):
        init.init(request(write_csv("tickets.csv", rows)))
    init.init(request(Path("tickets.csv"), test_share=0))


@pytest.mark.parametrize(
    ("split", "share", "way_out"),
    [
        ("test", 0.1, "leave it out: init takes a test from train, or name it unlabeled"),
        ("test", 0, "leave it out: the scores are then those of dev, or name it unlabeled"),
        ("dev", 0.1, "leave it out: dev is then taken from train, or name it unlabeled"),
    ],
)
def test_a_file_without_labels_may_be_left_out(project, split, share, way_out):
    train = write_csv("train.csv", ROWS)
    texts = [(text,) for text, _ in ROWS[:20]]
    other = write_csv(f"{split}.csv", texts, "text")
    with pytest.raises(InputError, match=rf"^{split}\.csv has no column label.*{way_out}$"):
        init.init(request(train, other, test_share=share))
    columns = {"text": "text", "label": "kind"}
    renamed = write_csv("train.csv", ROWS, "text,kind")
    with pytest.raises(InputError, match=rf"^{split}\.csv has no column kind.*{way_out}$"):
        init.init(request(renamed, other, test_share=share, columns=columns))
    Path("train.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in ROWS))
    Path(f"{split}.tsv").write_text("".join(f"{text}\n" for (text,) in texts))
    with pytest.raises(InputError, match=rf"^{split}\.tsv has 1 columns.*{way_out}$"):
        init.init(request(Path("train.tsv"), Path(f"{split}.tsv"), test_share=share))
    write_csv("train.csv", ROWS)
    init.init(request(train, other.rename("unlabeled.csv"), test_share=share))


def test_a_file_without_texts_is_not_taken_for_one_without_labels(project):
    files = write_csv("train.csv", ROWS), write_csv("test.csv", [("good", "pos")], "words,label")
    with pytest.raises(InputError, match="test.csv has no column text") as caught:
        init.init(request(*files))
    assert "leave it out" not in str(caught.value)
