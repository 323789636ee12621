"""Pieces of text files and of data sets."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.corpus import sources

TEXTS = ["good film\nwith a plot", "bad film", "第一行没有\n结束", "e\u0301tude"]
CLEAN = ["good film with a plot", "bad film", "第一行没有结束", "étude"]
LINES = st.sampled_from(["good film", "", "  ", "bad\r", "第一行", "\x00", "e\u0301 plot. Dull!"])


def read(folder):
    return [text for piece in sources.pieces(folder) for text in sources.texts(piece)]


@given(lines=st.lists(LINES, max_size=40), piece=st.integers(1, 60), block=st.integers(1, 60))
def test_pieces_of_a_file_hold_the_paragraphs_of_the_file(tmp_path_factory, lines, piece, block):
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_bytes("\n".join(lines).encode())
    with pytest.MonkeyPatch.context() as patch:
        whole = read(folder)
        patch.setattr(sources, "PIECE", piece)
        patch.setattr(sources, "BLOCK", block)
        sources._is_by_line.cache_clear()
        size = (folder / "a.txt").stat().st_size
        assert len(sources.pieces(folder)) == max(1, -(-size // piece))
        assert read(folder) == whole


def test_each_file_format_gives_its_texts(tmp_path):
    text = "\n\n".join(TEXTS)
    (tmp_path / "a.md").write_text(text)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    lines = "\n".join(json.dumps({"text": one, "n": 1}) for one in TEXTS)
    (tmp_path / "c.jsonl").write_text(lines)
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "e.parquet")
    (tmp_path / "f.zip").write_bytes(b"PK")
    assert read(tmp_path) == 5 * CLEAN


def test_lines_of_a_compressed_file_without_blank_lines_are_paragraphs(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"good film\nbad film\n", mtime=0))
    assert read(tmp_path) == ["good film", "bad film"]


def test_a_data_set_is_streamed_in_its_shards(tmp_path):
    files = [tmp_path / f"part{i}.parquet" for i in range(3)]
    for i, file in enumerate(files):
        pq.write_table(pa.table({"body": [f"text {i} {j}" for j in range(4)]}), file)
    folder = tmp_path / "corpus"
    folder.mkdir()
    names = json.dumps([str(file) for file in files])
    (folder / "my.stream.yaml").write_text(f"path: parquet\ncolumn: body\ndata_files: {names}\n")
    shards = [list(sources.texts(piece)) for piece in sources.pieces(folder)]
    assert shards == [[f"text {i} {j}" for j in range(4)] for i in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"body": "x"}\n', r"a\.jsonl: a row has no text in the column text"),
        ("a.jsonl", b'{"text": "x"\n[[', r"a\.jsonl: cannot read the data set"),
        ("a.parquet", b"nothing", r"a\.parquet: cannot read the data set"),
        ("a.txt.gz", b"nothing", r"a\.txt\.gz: cannot read the data set"),
        (
            "a.txt.gz",
            gzip.compress(b"caf\xe9", mtime=0),
            r"a\.txt\.gz: cannot read the data set",
        ),
        (
            "a.stream.yaml",
            b"pfad: x\n",
            r"a\.stream\.yaml is invalid; its keys may be path, name, split",
        ),
        ("a.stream.yaml", b"path: [\n", r"a\.stream\.yaml is invalid; its keys may be"),
        (
            "a.stream.yaml",
            b"path: parquet\ndata_files: /none/x.parquet\n",
            r"a\.stream\.yaml: cannot read the data set",
        ),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said: "No!" Then left… Really?!', ['He said: "No!"', "Then left…", "Really?!"]),
        ("2.13不错。“真的吗？”他说……好", ["2.13不错。", "“真的吗？”", "他说……", "好"]),
        ("हिन्दी है। दूसरा वाक्य।", ["हिन्दी है।", "दूसरा वाक्य।"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("torch 2.13.0 is out", ["torch 2.13.0 is out"]),
        ("Ｆｕｌｌ！ 👩‍👩‍👧 ok? e\u0301", ["Ｆｕｌｌ！", "👩‍👩‍👧 ok?", "e\u0301"]),
    ],
)  # fmt: skip
def test_sentences_end_in_any_script(text, expected):
    sentences = sources.sentences(text)
    assert [sentence.strip() for sentence in sentences] == expected
    assert "".join(sentences) == text


@given(st.text(max_size=200))
def test_sentences_together_are_the_text(text):
    assert "".join(sources.sentences(text)) == text


def test_wrapped_chinese_lines_join_without_a_space_and_english_ones_with_one(tmp_path):
    file = tmp_path / "wrapped.txt"
    file.write_text(
        "第一行没有\n结束，第二行\nabc word\nwraps here。\n\nلا \u200fبأس 👩‍👩‍👧 ＡＢＣ e\u0327\n"
    )
    assert list(sources.paragraphs(file)) == [
        "第一行没有结束，第二行 abc word wraps here。",
        "لا \u200fبأس 👩‍👩‍👧 ＡＢＣ \u0229",
    ]


def test_without_blank_lines_each_line_is_a_paragraph(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("\ufeffone  two\r\nthree\x00 \u0065\u0301\n", encoding="utf-8")
    assert list(sources.paragraphs(file)) == ["one two", "three \u00e9"]
