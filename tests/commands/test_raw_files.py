"""Which split a file is, and rows that move from one file to another."""

import csv
from pathlib import Path

import pytest

from tinybert.commands import raw_files
from tinybert.commands.sources import Source
from tinybert.data.raw import records
from tinybert.data.raw.columns import header_test
from tinybert.data.raw.records import Options
from tinybert.pipeline.errors import InputError


def options(**changes) -> Options:
    return Options(header_test(None, None), **changes)


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["tickets.csv"], {"train": "tickets.csv"}),
        (["tickets.csv", "test.tsv"], {"train": "tickets.csv", "test": "test.tsv"}),
        (["Train.csv", "VAL.csv"], {"train": "Train.csv", "dev": "VAL.csv"}),
        (["a_train.csv", "a-test.csv"], {"train": "a_train.csv", "test": "a-test.csv"}),
        (["test_of_train.csv"], {"train": "test_of_train.csv"}),
    ],
)
def test_names_say_which_split_a_file_is(tmp_path, names, splits):
    found = raw_files.splits_of(files(tmp_path, *names))
    assert {split: source.files[0].name for split, source in found.items()} == splits


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.csv", "b.csv"], "name each file after its split"),
        (["a.csv", "train.csv"], "name each file after its split"),
        (["dev.csv", "valid.csv", "train.csv"], "are both dev; give one"),
        (["test.csv"], "none is train; give a train file"),
    ],
)
def test_unclear_names_are_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        raw_files.splits_of(files(tmp_path, *names))


QUOTED = 'sep=;\r\ntext;label\r\n"two\r\nlines";a\r\n"a ""b""; c";b\r\nlast;a'


def test_rows_of_several_lines_move_as_a_whole(tmp_path):
    file, other = tmp_path / "train.csv", tmp_path / "test.csv"
    file.write_bytes(QUOTED.encode("utf-16"))
    form = options(encoding="utf-16")
    rows = records.read(file, form).rows
    numbers = records.read(file, form).numbers
    raw_files.divide(file, form, [numbers[0]], other)
    assert records.read(file, form).rows == rows[1:]
    assert records.read(other, form).rows == rows[:1] == [["two\r\nlines", "a"]]
    assert other.read_bytes().decode("utf-16").startswith("sep=;\r\ntext;label\r\n")


@pytest.mark.parametrize("text", ["a b\tx\r\nc d\ty\r\ne f\tx\r\n", 'say "a\tx\nb"\ty\nc\tx'])
def test_other_rows_stay_byte_for_byte(tmp_path, text):
    file, other = tmp_path / "train.tsv", tmp_path / "test.tsv"
    file.write_text(text, newline="")
    lines = text.splitlines(keepends=True)
    raw_files.divide(file, options(), [2], other)
    assert file.read_bytes().decode() == lines[0] + lines[2].rstrip("\r\n") + lines[0][-1:].replace(
        "\n", "\r\n" if "\r\n" in text else "\n"
    )
    assert other.read_bytes().decode() == lines[1]


def test_a_divided_link_leaves_the_users_file_alone(tmp_path):
    users = tmp_path / "mine.csv"
    users.write_text("text,label\na,x\nb,y\n")
    staged, _ = raw_files.stage({"train": Source((users,))}, tmp_path / "staged")
    [train] = staged
    raw_files.divide(train, options(), [3], train.with_stem("test"))
    assert users.read_text() == "text,label\na,x\nb,y\n"
    assert list(csv.reader(train.open())) == [["text", "label"], ["a", "x"]]
