"""Shards are joined, and sheets that are named after splits are these."""

import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_files import ROWS, request, rows_of

from tinybert.commands import init, raw_files
from tinybert.pipeline.errors import InputError

HEADER = ("text", "label")


def shards(count: int, suffix: str, hashes: str = "") -> list[Path]:
    """ROWS in files of the current folder, as the hub names them."""
    files = []
    for i in range(count):
        rows = [dict(zip(HEADER, row, strict=True)) for row in ROWS[i * 40 : i * 40 + 40]]
        file = Path(f"train-{i:05d}-of-{count:05d}{hashes}{suffix}")
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=25)
        else:
            file.write_text("\n".join(map(json.dumps, rows)))  # no line end after the last one
        files.append(file)
    return files


def book(name: str, sheets: dict[str, list]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(name)
    return Path(name)


def splits(*files: Path) -> dict[str, str]:
    return {split: str(source) for split, source in raw_files.splits_of(list(files)).items()}


@pytest.mark.parametrize("hashes", ["", "-b42a775f407cee45"])
def test_shards_of_parquet_become_one_file_in_their_order(project, capsys, hashes):
    files = shards(3, ".parquet", hashes)
    init.init(request(files[2], files[0], files[1], test_share=0))
    assert f"{files[0]} to {files[2]} -> data/raw/mine/train.parquet" in capsys.readouterr().out
    joined = pq.read_table("data/raw/mine/train.parquet").to_pylist()
    assert [(row["text"], row["label"]) for row in joined] == ROWS


def test_shards_of_json_lines_become_one_file(project):
    init.init(request(*shards(3, ".jsonl"), test_share=0))
    joined = map(json.loads, Path("data/raw/mine/train.jsonl").read_text().splitlines())
    assert [(row["text"], row["label"]) for row in joined] == ROWS


def test_rows_of_shards_become_test(project):
    init.init(request(*shards(3, ".parquet"), test_share=0.25))
    parts = [pq.read_table(f"data/raw/mine/{split}.parquet") for split in ("train", "test")]
    assert [len(part) for part in parts] == [90, 30]
    assert sorted(text for part in parts for text in part["text"].to_pylist()) == sorted(
        text for text, _ in ROWS
    )


def test_a_missing_shard_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = shards(3, ".parquet")
    with pytest.raises(InputError, match=r"of 3 shards, and train-00001-of-00003\.parquet is miss"):
        raw_files.splits_of([files[0], files[2]])
    with pytest.raises(InputError, match=r"train-00001-of-00003\.parquet \(and 1 more\) is miss"):
        raw_files.splits_of([files[0]])
    assert splits(files[0].rename("train.parquet")) == {"train": "train.parquet"}
    single = Path("test-00000-of-00001.parquet")
    single.touch()
    assert splits(Path("train.parquet"), single)["test"] == str(single)


def test_shards_that_do_not_fit_are_named(project):
    files = shards(2, ".parquet")
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), files[1])
    with pytest.raises(InputError, match=rf"{files[1]} has other columns than {files[0]}, or of"):
        init.init(request(*files))
    files[1].write_bytes(files[0].read_bytes()[:50])
    with pytest.raises(InputError, match=f"{files[1]} cannot be read as Parquet"):
        init.init(request(*files))
    with pytest.raises(InputError, match=r"train-00000-of-00002\.csv is one of 2 .* one header"):
        raw_files.splits_of(shards(2, ".csv"))
    assert not Path("data/raw").exists()


def test_sheets_named_after_splits_are_these(project, capsys):
    sheets = {
        "Notes": [["x"]],
        "Train": [HEADER, *ROWS[:80]],
        "VALIDATION": [HEADER, *ROWS[80:100]],
        "test ": [HEADER, (None, None), *ROWS[100:]],
    }
    init.init(request(book("tickets.xlsx", sheets)))
    output = capsys.readouterr().out
    assert "tickets.xlsx: 3 sheets are read, Train, VALIDATION, test ; not Notes" in output
    assert "tickets.xlsx (sheet test ): 1 empty row is left out" in output
    for split, rows in (("train", ROWS[:80]), ("dev", ROWS[80:100]), ("test", ROWS[100:])):
        assert list(map(tuple, rows_of(f"data/raw/mine/{split}.csv"))) == rows


def test_a_mistake_in_a_sheet_names_it(project):
    sheets = {"train": [HEADER, *ROWS], "test": [HEADER, ("a", "pos"), (None, None), ("b", "odd")]}
    with pytest.raises(InputError, match=r"^tickets\.xlsx \(sheet test\), row 4"):
        init.init(request(book("tickets.xlsx", sheets)))
    with pytest.raises(InputError, match=r"tickets\.xlsx: the sheet test is empty; fill it"):
        init.init(request(book("tickets.xlsx", sheets | {"test": []})))


@pytest.mark.parametrize(
    ("name", "titles", "expected"),
    [
        ("a.xlsx", ["Data", "Test"], {"train": "Data", "test": "Test"}),
        ("a.xlsx", ["Data", "Other"], {"train": ""}),
        ("a.xlsx", ["test"], {"train": ""}),
        ("train.xlsx", ["Data", "dev", "train"], {"train": "train", "dev": "dev"}),
        ("train.xlsx", ["Data", "dev"], {"train": "Data", "dev": "dev"}),
    ],
)
def test_other_sheets_are_as_they_were(tmp_path, monkeypatch, name, titles, expected):
    monkeypatch.chdir(tmp_path)
    file = book(name, {title: [["a"]] for title in titles})
    found = {
        split: f"{file} (sheet {sheet})" if sheet else name for split, sheet in expected.items()
    }
    assert splits(file) == found


def test_two_sheets_of_a_split_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = book("a.xlsx", {title: [["a"]] for title in ("train", "dev", "Valid")})
    with pytest.raises(InputError, match=r"a\.xlsx: the sheets dev and Valid are both dev; rename"):
        raw_files.splits_of([file])
