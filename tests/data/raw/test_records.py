"""Raw files, good and broken, to rows of fields."""

import csv
import datetime
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tasks import HEAD, TRAIN, column, json_lines, labels, prepare, quoted, refused

from tinybert.pipeline.errors import InputError

ROWS = [('say "so" now, he; she\tsaid', "pos"), ("bad film", "neg")]


PLAIN = [('say "so", he; she', "pos"), ('"bad film', "neg")]
TABLE = pa.table({"text": [row[0] for row in ROWS], "label": [row[1] for row in ROWS]})
BUFFER = io.BytesIO()
pq.write_table(TABLE, BUFFER)
PARQUET = BUFFER.getvalue()


@pytest.mark.parametrize(
    ("ending", "content", "section", "rows"),
    [
        ("tsv", "\n".join("\t".join(row) for row in HEAD + PLAIN), {}, PLAIN),
        ("txt", "\n".join("\t".join(row) for row in HEAD + PLAIN), {}, PLAIN),
        ("tsv", quoted(HEAD + ROWS, delimiter="\t"), {"quoted": True}, ROWS),
        ("csv", quoted(HEAD + ROWS), {}, ROWS),
        ("csv", quoted(HEAD + ROWS, delimiter=";"), {}, ROWS),
        ("csv", quoted(HEAD + ROWS, quoting=csv.QUOTE_ALL, delimiter=";"), {}, ROWS),
        ("csv", 'text,label\n"a,pos\nb",neg\n', {"quoted": False}, [('"a', "pos"), ('b"', "neg")]),
        ("jsonl", json_lines(ROWS), {}, ROWS),
        ("parquet", TABLE, {}, ROWS),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path, ending, content, section, rows):
    prepare(tmp_path, section, **{f"train__{ending}": content, f"dev__{ending}": content})
    for split in ("train", "dev"):
        assert column(tmp_path, split, "text_a") == [text for text, _ in rows]
        assert labels(tmp_path, split) == [label for _, label in rows]


def test_formats_may_be_mixed(tmp_path):
    prepare(tmp_path, train__tsv=TRAIN, dev__jsonl=json_lines(ROWS), test__parquet=TABLE)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert column(tmp_path, "dev", "text_a") == [ROWS[0][0], "bad film"]
    assert labels(tmp_path, "test") == ["pos", "neg"]


def test_a_quoted_field_may_hold_line_ends(tmp_path):
    rows = [("one\ntwo\r\nthree\n\n", "pos"), ("\nx\r", "neg")]
    prepare(tmp_path, train__csv=quoted(HEAD + rows), dev__tsv=TRAIN)
    assert column(tmp_path, "train", "text_a") == [row[0] for row in rows]


@pytest.mark.parametrize("name", ["train__tsv", "train__csv", "train__jsonl"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("final", ["", "\n", "\r\n\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_marks_and_windows_line_ends_are_accepted(tmp_path, name, line_end, final, mark):
    content = {
        "train__tsv": TRAIN.rstrip("\n"),
        "train__csv": TRAIN.rstrip("\n").replace("\t", ","),
        "train__jsonl": json_lines([("good film", "pos"), ("bad film", "neg")]),
    }[name]
    content = mark + content.replace("\n", line_end) + final
    prepared, _ = prepare(tmp_path, **{name: content}, dev__tsv=TRAIN)
    assert prepared.labels == ["neg", "pos"]
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert column(tmp_path, "train", "label") == [1, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "utf_8", "utf-8-sig"])
def test_a_byte_order_mark_is_not_text_however_utf_8_is_spelled(tmp_path, encoding):
    files = {"train__tsv": "\ufeff" + TRAIN, "dev__tsv": TRAIN}
    prepare(tmp_path, {"encoding": encoding}, **files)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]


@pytest.mark.parametrize("content", ["", "\n", " \r\n\n", "\ufeff"])
@pytest.mark.parametrize("name", ["train.tsv", "train.txt", "train.csv", "train.jsonl", "dev.tsv"])
def test_an_empty_file_is_refused(tmp_path, name, content):
    files = {"train__tsv": TRAIN} if name == "dev.tsv" else {"dev__tsv": TRAIN}
    files[name.replace(".", "__")] = content
    refused(tmp_path, rf"{re.escape(name)} is empty\. docs/data\.md", **files)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train__tsv": TRAIN + "one field\n"},
            r"train\.tsv, line 4: 1 field, .* 2 \(text, label\)",
        ),
        ({"train__tsv": TRAIN + "a\tpos\tx\n"}, r"train\.tsv, line 4: 3 fields.* one tab"),
        ({"train__csv": "text,label\na,b,x\n"}, r"train\.csv, line 2: 3 fields.* one comma"),
        ({"train__csv": "text;label\na;b;x\n"}, r"train\.csv, line 2: 3 fields.* one semicolon"),
        ({"train__csv": 'text,label\n"a\nb",x\nc\n'}, r"train\.csv, line 4: 1 field, "),
        ({"train__tsv": "a\t0\nb\t1\nc\n"}, r"train\.tsv, line 3: 1 field, the first line has 2"),
        ({"dev__tsv": "text\tlabel\n\na\tpos\n"}, r"dev\.tsv, line 2: is empty; remove it"),
        ({"dev__csv": "text,label\na,pos\n\nb,pos\n"}, r"dev\.csv, line 3: is empty; remove it"),
        ({"dev__jsonl": '{"text": "a"}\n\n{"text": "b"}'}, r"dev\.jsonl, line 2: empty line"),
        ({"train__tsv": "\na\t0\nb\t1\n"}, r"train\.tsv, line 1: is empty; remove it"),
        ({"train__tsv": "text\tlabel\n"}, r"train\.tsv has a header and no rows"),
        ({"train__jsonl": "{"}, r"train\.jsonl, line 1: not valid JSON"),
        ({"train__jsonl": '{"text": "a"}\n{"text": "b"'}, r"train\.jsonl, line 2: not valid JSON"),
        ({"train__jsonl": '{"text": "a"}\n[1]'}, r"train\.jsonl, line 2: must be an object"),
        ({"train__jsonl": "null"}, r"train\.jsonl, line 1: must be an object"),
        ({"train__jsonl": '"text"'}, r"train\.jsonl, line 1: must be an object"),
        ({"train__jsonl": "[" * 100_000}, r"train\.jsonl, line 1: not valid JSON"),
        ({"train__jsonl": f'{{"text": {"1" * 5000}}}'}, r"train\.jsonl, line 1: "),
        ({"train__tsv": TRAIN + "x" * 1_000_001 + "\tpos\n"}, "line 4: text_a has 1,000,001 char"),
        ({"train__tsv": TRAIN + "a\0b\tpos\n"}, r"train\.tsv, line 4: .*NUL"),
        ({"train__csv": "text,label\na,b\0\n"}, r"train\.csv, line 2: .*NUL"),
        ({"dev__jsonl": '{"text": "a\\u0000", "label": "pos"}'}, r"dev\.jsonl, line 1: .*NUL"),
        ({"dev__jsonl": '{"text": "a", "label": "pos\\u0000"}'}, r"dev\.jsonl, line 1: .*NUL"),
        (
            {"train__tsv": TRAIN.encode("utf-16-le")},
            r"train\.tsv, line 1: .*NUL.* Save it as UTF-8",
        ),
        (
            {"dev__jsonl": '{"text": "\\ud800", "label": "pos"}'},
            r"dev\.jsonl, line 1: text_a: .*ud8",
        ),
        (
            {"dev__jsonl": '{"text": "a", "label": "\\udfff"}'},
            r"dev\.jsonl, line 1: label: .*udfff",
        ),
        ({"train__csv": 'text,label\na,pos\n"b,neg\n'}, r"train\.csv, line 3: .* quoted: false"),
        ({"train__csv": 'text,label\n"b" x,neg\n'}, r"train\.csv, line 2: .* quoted: false"),
    ],
)
def test_broken_files_are_refused_with_file_and_line(tmp_path, files, message):
    [name] = files
    sound = {"train__tsv": TRAIN} if name.startswith("dev") else {"dev__tsv": TRAIN}
    refused(tmp_path, message, **files, **sound)


@pytest.mark.parametrize(
    "files",
    [
        {"train__csv": "text,text,label\na,b,pos\nc,d,neg\n"},
        {"train__csv": "Text,text,label\na,b,pos\nc,d,neg\n"},
        {"train__tsv": "text\tlabel\tlabel\na\tpos\tneg\nb\tneg\tneg\n"},
        {"train__parquet": pa.table([["a"], ["b"], ["pos"]], names=["text", "text", "label"])},
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path, files):
    [name] = files
    name = name.replace("__", r"\.")
    refused(tmp_path, rf"(?i){name}.*(more than one|multiple).*(text|label)", **files)


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1 nonsense PAR1", b"text\tlabel\n", PARQUET[: len(PARQUET) // 2], PARQUET[:-4]],
    ids=["empty", "nonsense", "TSV", "half", "without its end"],
)
def test_broken_parquet_is_refused(tmp_path, content):
    refused(
        tmp_path,
        r"train\.parquet cannot be read as Parquet",
        train__parquet=content,
        dev__tsv=TRAIN,
    )


def test_parquet_without_rows_is_refused(tmp_path):
    refused(tmp_path, r"train\.parquet.* no row", train__parquet=TABLE[:0], dev__tsv=TRAIN)


def test_rows_of_parquet_are_counted_from_one(tmp_path):
    table = pa.table({"text": ["a", None], "label": ["pos", "neg"]})
    refused(tmp_path, r"train\.parquet, row 2: .*remove the row", train__parquet=table)


@pytest.mark.parametrize(
    "column_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_text_column_is_read(tmp_path, column_type):
    table = TABLE.set_column(0, "text", TABLE["text"].cast(column_type))
    prepare(tmp_path, train__parquet=table, dev__tsv=TRAIN)
    assert column(tmp_path, "train", "text_a") == [row[0] for row in ROWS]


def test_an_unused_column_does_no_harm(tmp_path):
    """Dates that Python cannot hold."""
    far = pa.array([10**9, 1], pa.int32()).cast(pa.date32())
    with pytest.raises(OverflowError):
        far.to_pylist()
    prepare(tmp_path, train__parquet=TABLE.append_column("when", far), dev__tsv=TRAIN)
    assert column(tmp_path, "train", "text_a") == [row[0] for row in ROWS]


def test_a_date_is_not_a_text(tmp_path):
    table = TABLE.set_column(0, "text", pa.array([datetime.date(2020, 1, 1)] * 2))
    refused(tmp_path, r"train\.parquet, row 1: text_a must be a text", train__parquet=table)


def test_parquet_texts_that_are_not_utf_8_are_refused(tmp_path):
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"a\xff")])
    refused(tmp_path, r"train\.parquet", train__parquet=TABLE.set_column(0, "text", broken))


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_parquet_with_a_changed_byte_is_read_or_refused(tmp_path_factory, position, byte):
    folder = tmp_path_factory.mktemp("changed")
    data = bytearray(PARQUET)
    data[position % len(data)] = byte
    try:
        prepare(folder, train__parquet=bytes(data), dev__tsv=TRAIN)
    except InputError:
        assert not (folder / "out").exists()
    else:
        assert len(column(folder, "train", "text_a")) == len(ROWS)
