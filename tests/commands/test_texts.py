"""The files of predict and evaluate: the same rows as in training."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_tasks import column, prepare

from tinybert.commands import texts
from tinybert.commands.texts import Form
from tinybert.pipeline.errors import InputError


def read(content: str | bytes, name: str, pair: bool = False, **form) -> tuple[list, list[str]]:
    """The texts and the notices."""
    data = content if isinstance(content, bytes) else content.encode()
    notices: list[str] = []
    rows = texts.read(io.BufferedReader(io.BytesIO(data)), name, pair, Form(**form), notices.append)
    return list(rows), notices


def refused(content: str | bytes, name: str, message: str, pair: bool = False, **form) -> None:
    with pytest.raises(InputError, match=message):
        read(content, name, pair, **form)


PARQUET = io.BytesIO()
pq.write_table(pa.table({"text": ["good\rmovie", "two\nlines"], "label": ["a", "b"]}), PARQUET)
ROWS = ["good\rmovie", "bad, very bad"]
FILES = {
    "a.csv": 'text,label\n"bad, very bad",neg\n"two\nlines",pos\n',
    "b.csv": "text;label\nbad, very bad;neg\ngood;pos\n",
    "c.csv": "sep=;\ntext;label\nbad, very bad;neg\ngood;pos\n",
    "d.csv": "good film,pos\nbad; very bad,neg\nbad; or not,neg\ngood,pos\n",
    "e.csv": "good, film;neg\nbad;pos\nbad;neg\nvery;pos\n",
    "f.csv": "text,label\rgood,pos\rbad,neg\r",
    "g.csv": "text,label\n" + "good " * 40_000 + ",pos\nbad,neg\n",
    "a.tsv": "good\rmovie\t1\nbad\t0\n",
    "b.tsv": '\ufefftext\tlabel\r\nsay "so"\tpos\r\nbad\tneg\r\n\r\n',
    "c.tsv": "id\tlabel\tsentence\n1\tpos\tgood\n2\tneg\tbad\n",
    "a.txt": "text\tlabel\ngood\tpos\nbad\tneg\n",
    "b.txt": "good\tpos\nbad\tneg\nvery bad\tneg\n",
    "a.jsonl": '{"text": "good\\rmovie", "label": "a"}\n{"label": "b", "text": "x", "id": 3}\n',
    "a.parquet": PARQUET.getvalue(),
}

HEADERLESS = ("d.csv", "e.csv", "a.tsv", "b.txt")


@pytest.mark.parametrize("name", FILES)
def test_predict_reads_the_rows_that_training_reads(tmp_path, name):
    ending = name.partition(".")[2]
    # A first row that two files share might be a header of unknown names.
    section = {"header": False} if name in HEADERLESS else {}
    files = {f"train__{ending}": FILES[name], f"dev__{ending}": FILES[name]}
    prepare(tmp_path, section, **files)
    assert read(FILES[name], name)[0] == column(tmp_path, "train", "text_a")


def test_evaluate_reads_the_labels_that_training_reads(tmp_path):
    for name, content in FILES.items():
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        table = texts.labelled(str(file), False, "classification", Form())
        assert len(table) == len(read(content, name)[0]) == len(table.columns["label"])
        assert {"text", "label"}.isdisjoint(table.columns["label"])


def test_lines_are_one_text_each():
    content = "good film\n\n  two  \r\nlast"
    for name in ("stdin", "a.txt"):
        assert read(content, name) == (["good film", "", "  two  ", "last"], [])
    assert read("a\tb\nc\n", "stdin", input_format="text") == (["a\tb", "c"], [])
    assert read("", "stdin") == ([], [])


def test_what_may_be_meant_is_said():
    assert "column 2 is taken for the label" in read("a\tb\nc\td\n", "stdin")[1][0]
    rows, [notice] = read("text\ngood\n", "a.txt")
    assert rows == ["good"] and "'text', is taken for a header" in notice
    assert read("text\ngood\n", "a.txt", input_format="text") == (["text", "good"], [])


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('{"text": "good"}\n{"text": "bad"}\n', "jsonl"),
        ("text,label\ngood,pos\n", "csv"),
        ("id;sentence\n1;good\n", "csv"),
        ("good film, bad text\nbad\n", None),
        ('{"good": 1}\n', None),
        ("{}\n", None),
    ],
)
def test_lines_that_look_like_another_format_are_named(content, shown):
    for name in ("stdin", "a.txt"):
        rows, notices = read(content, name)
        assert rows == content.splitlines()
        assert [f"looks like {shown}" in notice for notice in notices] == [True] * bool(shown)
    assert read(content, "stdin", input_format="text")[1] == []


def test_names_in_quotation_marks_are_named():
    content = '"text"\t"label"\n"a"\t"pos"\n'
    rows, [notice] = read(content, "a.tsv")
    assert rows == ['"a"'] and "give --quoted" in notice
    assert read(content, "a.tsv", quoted=True) == (["a"], [])
    assert read(content.replace("\t", ","), "a.csv") == (["a"], [])


@pytest.mark.parametrize("name", ["stdin", "a.txt", "a.tsv", "a.jsonl"])
def test_a_stream_that_is_no_text_is_named(name):
    refused(PARQUET.getvalue(), name, "is Parquet; .*--format parquet")
    refused(b"\x1f\x8b\x08", name, "compressed with gzip")
    refused("good\rbad\rso so", name, r"no line end but \\r")


def test_a_label_cannot_break_a_line_of_tsv():
    prediction = {"label": "a\tb\nc", "probabilities": {"a\tb\nc": 1.0}}
    assert texts.line(prediction, "tsv") == "a\\tb\\nc\t1.000000"


def test_pairs_have_two_columns_and_perhaps_a_label():
    expected = [("a", "b"), ("c", "d")]
    for content, name in (
        ("a\tb\nc\td\n", "stdin"),
        ("a\tb\t0\nc\td\t1\n", "x.tsv"),
        ("premise,hypothesis,label\na,b,0\nc,d,1\n", "x.csv"),
        ('{"text_b": "b", "text_a": "a"}\n{"text_a": "c", "text_b": "d"}\n', "x.jsonl"),
    ):
        assert read(content, name, pair=True)[0] == expected
    refused("sentence1\tsentence2\na\tb\n", "x.tsv", "one text is expected")
    refused("text\na\n", "x.tsv", "no column text_b", pair=True)


def test_columns_header_quotes_and_encoding_can_be_given():
    columns = texts.parse_columns(["text=comment", "label=2"])
    assert columns == {"text": "comment", "label": 2}
    assert texts.parse_columns(["text=1", "labels=a,b"]) == {"text": 1, "labels": ["a", "b"]}
    assert read("x,comment\n1,good\n", "a.csv", columns={"text": "comment"})[0] == ["good"]
    assert read("x,good\ny,bad\n", "a.csv", columns={"text": 2})[0] == ["good", "bad"]
    assert read('text\tlabel\n"a\nb"\tx\n', "a.tsv", quoted=True)[0] == ["a\nb"]
    assert read("text\tlabel\ngood\tx\n", "a.tsv", header=False)[0] == ["text", "good"]
    for encoding in ("utf-16", "gb18030"):
        assert read("很好\n".encode(encoding), "a.txt", encoding=encoding)[0] == ["很好"]
    for wrong in (["comment"], ["text=0"], ["label=1"], ["other=1"]):
        with pytest.raises(InputError, match="--columns"):
            texts.parse_columns(wrong)
    for wrong in ("utf-9", "base64", "\0"):
        with pytest.raises(InputError, match="no encoding"):
            texts.parse_encoding(wrong)


def test_each_label_of_a_model_needs_its_column():
    for columns in (None, {"text": 1, "label": 2}, {"text": 1, "labels": ["b", "a"]}):
        texts.check_columns(columns, ["a", "b"])
    for names in (["a", "c"], [2, 3]):
        with pytest.raises(InputError, match="there is no column for .*b; give one for each"):
            texts.check_columns({"text": 1, "labels": names}, ["a", "b"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": null}\n', "a.jsonl, line 2: text_a is missing"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ["b"]}\n', "line 2: text_a must be a text"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "line 1: text_a: .*unpaired surrogate"),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000, "a.jsonl, line 1: not valid JSON"),
        ("a.jsonl", b"not json\n", "a.jsonl, line 1: not valid JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl, line 1: must be an object"),
        ("a.csv", b"id,other\n1,x\n", None),
        ("a.csv", b"id,other,more\n1,x,y\n", "a.csv has 3 columns and no header.*--columns text=1"),
        ("a.csv", b'text,label\n"a,x\n', "a.csv, line 2: .*give --no-quoted"),
        ("a.csv", b"text,label\na,b,c\n", "a.csv, line 2: 3 fields"),
        ("a.csv", b"good, film;neg\n", "the semicolon seems to separate the fields"),
        ("a.csv", b"bad; film,neg\n", "the comma seems to separate the fields"),
        ("a.csv", b"sep=;\n", "a.csv has no rows"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.tsv", b"good\0film\tpos\n", "a.tsv, line 1: .*NUL"),
        ("a.txt", b"\xff\xfea\0", "a.txt is not UTF-8: byte 0, in line 1"),
        ("a.txt", b"good\n" * 9 + b"\xe9t\xe9\n", "a.txt is not UTF-8: byte 45, in line 10"),
        ("a.parquet", b"PAR1", "a.parquet cannot be read as Parquet"),
        ("a.txt", b"good\n" + b"x" * 1_000_001, "a.txt, line 2 has 1,000,001 characters"),
        ("a.csv", b"text,label\n" + b"x" * 1_000_001 + b",1\n", "line 2: text_a has 1,000,001"),
        ("a.json", b"{}", "a.json ends in none of .*xlsx; save it as one, .*--format"),
    ],
)  # fmt: skip
def test_broken_input_is_an_error_with_its_line(name, content, message):
    if message is None:
        assert read(content, name)[1]
    else:
        refused(content, name, message)


def test_another_encoding_is_named_with_the_option():
    data = "text\tlabel\n这间酒店环境和服务态度亦算不错\tpos\n".encode("utf-16")
    refused(data, "a.tsv", "looks like utf_16.*give --encoding utf_16")


def test_a_character_may_be_divided_between_two_reads(tmp_path):
    class OneByte(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:
            return super().read(1)

    content = "\ufeff很好\r\n𝒳 good\r\n"
    assert list(texts.read(OneByte(content.encode()), "stdin", False, Form(), print)) == [
        "很好", "𝒳 good",
    ]  # fmt: skip
    rows = texts.read(OneByte(b"text\nab\xe5\xa5"), "a.tsv", False, Form(), print)
    with pytest.raises(InputError, match="byte 7, in line 2"):
        list(rows)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("tinybert.data.raw.decoding.LIMIT", 1000)
    refused("x" * 1001, "stdin", "line 1: has more than 1,000 characters")


def test_a_row_is_read_once_it_has_arrived():
    """Each row is yielded before a later, broken one is seen."""

    class Lines(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:
            return self.readline()

        def seekable(self) -> bool:
            return False

    for input_format, content in {
        "jsonl": json.dumps({"text": "a"}) + "\nbroken\n",
        "csv": "text,label\na,x\nb\n",
        "text": "a\nb\xe9",
    }.items():
        data = content.encode("latin-1")
        rows = texts.read(Lines(data), "stdin", False, Form(input_format), print)
        assert next(rows) == "a"
        with pytest.raises(InputError):
            list(rows)
