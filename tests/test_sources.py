"""Pieces of text files and of data sets."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert import sources

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


def test_each_form_of_file_gives_its_texts(tmp_path):
    text = "\n\n".join(TEXTS)
    (tmp_path / "a.md").write_text(text)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    lines = "\n".join(json.dumps({"text": one, "n": 1}) for one in TEXTS)
    (tmp_path / "c.jsonl").write_text(lines)
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "e.parquet")
    (tmp_path / "f.zip").write_bytes(b"PK")
    assert read(tmp_path) == 5 * CLEAN


def test_lines_of_a_packed_file_without_blank_lines_are_paragraphs(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"good film\nbad film\n", mtime=0))
    assert read(tmp_path) == ["good film", "bad film"]


def test_a_data_set_is_streamed_by_its_own_shards(tmp_path):
    files = [tmp_path / f"part{i}.parquet" for i in range(3)]
    for i, file in enumerate(files):
        pq.write_table(pa.table({"body": [f"text {i} {j}" for j in range(4)]}), file)
    folder = tmp_path / "corpus"
    folder.mkdir()
    names = json.dumps([str(file) for file in files])
    (folder / "my.stream.yaml").write_text(f"path: parquet\ncolumn: body\ndata_files: {names}\n")
    found = [list(sources.texts(piece)) for piece in sources.pieces(folder)]
    assert found == [[f"text {i} {j}" for j in range(4)] for i in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"body": "x"}\n', r"a\.jsonl: a row has no text in the column text"),
        ("a.jsonl", b'{"text": "x"\n[[', r"a\.jsonl: the data set cannot be read"),
        ("a.parquet", b"nothing", r"a\.parquet: the data set cannot be read"),
        ("a.txt.gz", b"nothing", r"a\.txt\.gz: the data set cannot be read"),
        (
            "a.txt.gz",
            gzip.compress(b"caf\xe9", mtime=0),
            r"a\.txt\.gz: the data set cannot be read",
        ),
        ("a.stream.yaml", b"pfad: x\n", r"a\.stream\.yaml: its keys are path, name, split"),
        ("a.stream.yaml", b"path: [\n", r"a\.stream\.yaml: its keys are"),
        (
            "a.stream.yaml",
            b"path: parquet\ndata_files: /none/x.parquet\n",
            r"a\.stream\.yaml: the data set cannot be read",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)
