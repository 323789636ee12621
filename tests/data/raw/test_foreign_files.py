"""Files that are not what their name says are refused with what they are."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_tasks import TRAIN, column, labels, prepare, refused


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def parquet(table: dict) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(table), file)
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
FOREIGN = {
    "gzip; unpack it": gzip.compress(TRAIN.encode()),
    "bzip2; unpack it": bz2.compress(TRAIN.encode()),
    "xz; unpack it": lzma.compress(TRAIN.encode()),
    r"a spreadsheet \(\.xlsx\); unpack it": zipped(),
    r"a spreadsheet \(\.xls\); save it as \.csv": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "Git LFS; get the file with git lfs pull": LFS,
}
PARQUET = parquet({"text": ["good", "bad"], "label": ["pos", "neg"]})


@pytest.mark.parametrize("ending", ["tsv", "csv", "txt", "jsonl", "parquet"])
@pytest.mark.parametrize("message", FOREIGN)
def test_a_file_of_another_kind_is_named(tmp_path, ending, message):
    refused(tmp_path, rf"train\.{ending} is .*{message}", **{f"train__{ending}": FOREIGN[message]})


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_parquet_under_another_name_is_named(tmp_path, ending):
    refused(tmp_path, r"is Parquet; rename it to \.parquet", **{f"train__{ending}": PARQUET})


@pytest.mark.parametrize("ending", ["tsv", "txt", "jsonl"])
def test_a_file_whose_lines_all_end_in_carriage_returns_is_refused(tmp_path, ending):
    rows = '{"text": "a", "label": "pos"}\n{"text": "b", "label": "neg"}\n'
    content = (rows if ending == "jsonl" else TRAIN).replace("\n", "\r")
    for end in ("", "\r"):
        files = {f"train__{ending}": content.rstrip("\r") + end}
        refused(tmp_path, rf"train\.{ending}: there is no line end but \\r", **files)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030", "utf-8", "utf-32-le"]
)
def test_a_byte_order_mark_is_no_text_in_any_encoding(tmp_path, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    for content in (TRAIN, TRAIN.partition("\n")[2]):
        files = {f"{split}__tsv": (mark + content).encode(encoding) for split in ("train", "dev")}
        prepare(tmp_path, {"encoding": encoding, "header": content == TRAIN}, **files)
        assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]


def test_utf_16_without_its_mark_is_refused_with_the_encoding_that_needs_none(tmp_path):
    files = {f"{split}__tsv": TRAIN.encode("utf-16-le") for split in ("train", "dev")}
    message = "has no byte order mark, which UTF-16 needs; set encoding: utf-16-le under"
    refused(tmp_path, message, {"encoding": "utf-16"}, **files)
    prepare(tmp_path, {"encoding": "utf-16-le"}, **files)


@pytest.mark.parametrize(
    "header",
    ["text\u200b\tlabel", "\ufeff\ufefftext\tlabel", "ｔｅｘｔ\tＬａｂｅｌ", '"text"\t"label"'],
)
def test_names_of_columns_are_known_however_they_are_spelled(tmp_path, header):
    files = {"train__tsv": TRAIN.replace("text\tlabel", header), "dev__tsv": TRAIN}
    prepare(tmp_path, **files)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert labels(tmp_path, "train") == ["pos", "neg"]


ROWS = [{"text": "a", "label": "pos"}, {"text": "b", "label": "neg"}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=1),
        "[" + ",\n".join(map(json.dumps, ROWS)) + "]",
        json.dumps({"data": ROWS}, indent=2),
    ],
)
def test_json_that_is_one_value_is_refused_with_a_way_to_lines(tmp_path, content):
    message = r"train\.jsonl, line 1: .*write each row in one line, as jq .*lines=True"
    refused(tmp_path, message, train__jsonl=content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "label": "pos", "text": "b"}', "the key 'text' occurs twice"),
        ('{"text": "a", "label": "pos", "label": "pos"}', "the key 'label' occurs twice"),
        ('{"text": "a", "label": Infinity}', "label must be a name or a number, not inf"),
        ('{"text": "a", "label": 1e999}', "label must be a name or a number, not inf"),
        ('{"text": -Infinity, "label": "pos"}', "text_a must be a text, not -inf"),
        ('{"text": "a", "label": "pos"},', "line 3: not valid JSON: Extra data, at character 30"),
    ],
)
def test_json_that_is_not_one_row_of_finite_values_is_refused(tmp_path, line, message):
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    refused(tmp_path, rf"train\.jsonl, line 3: .*{message.removeprefix('line 3: ')}",
            train__jsonl=rows + line + "\n", dev__tsv=TRAIN)  # fmt: skip


def test_a_column_of_decimals_has_the_labels_of_whole_numbers(tmp_path):
    table = {"text": ["a", "b"], "label": pa.array([1, 0], pa.decimal128(5, 2))}
    prepare(tmp_path, train__parquet=parquet(table), dev__parquet=parquet(table))
    assert labels(tmp_path, "train") == ["1", "0"]
