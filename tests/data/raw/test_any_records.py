"""Any texts, labels and JSON values: read unchanged, or refused."""

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_tasks import CHANGES, HEAD, TRAIN, column, json_lines, labels, prepare, quoted, spoiled

from tinybert.data.raw.spelling import normalised
from tinybert.pipeline.errors import InputError

ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(normalised)
SCRIPTS = [
    "👩\u200d👩\u200d👧🏽 family",
    "שלום \u202eעולם\u202c مرحبا",
    "e\u0301a\u0308 Zalgo\u0335\u0322",
    "ＦＵＬＬ　ｗｉｄｔｈ。",
    "\ufeffmark",
    "a\u2028b\x85c\x0bd\x1ce",
    "a\r",
    " '\"`,;|\\N ",
    "NULL",
]


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet"])
@settings(max_examples=100, deadline=None)
@given(texts=st.lists(ANY, min_size=2, max_size=6))
@example(texts=SCRIPTS)
def test_any_text_is_read_unchanged(tmp_path_factory, ending, texts):
    if ending == "tsv":  # the format cannot hold these
        texts = [re.sub("[\t\n]", "x", text) for text in texts]
    names = ["pos", "neg"]
    rows = [(text, names[i % 2]) for i, text in enumerate(texts)]
    content = {
        "tsv": lambda: "\n".join("\t".join(row) for row in HEAD + rows),
        "csv": lambda: quoted(HEAD + rows),
        "jsonl": lambda: json_lines(rows, ensure_ascii=len(texts) % 2 == 0),
        "parquet": lambda: pa.table({"text": texts, "label": [row[1] for row in rows]}),
    }[ending]()
    folder = tmp_path_factory.mktemp("any")
    prepare(folder, **{f"train__{ending}": content}, dev__tsv=TRAIN)
    assert column(folder, "train", "text_a") == texts
    assert labels(folder, "train") == [row[1] for row in rows]


FIELD = st.sampled_from(
    ["a", "b c", "好", "", " ", '"a"', '"b, c"', "a\r", "\ufeff", "1.5", "text"]
)
LABEL = st.sampled_from(["pos", "neg", "other"])


def count_rows(file: Path, delimiter: str | None) -> int:
    """Rows below the header, counted by Python's readers, without blank lines at the end."""
    quoted = delimiter is not None
    with file.open(encoding="utf-8", newline="" if quoted else "\n") as lines:
        rows = list(csv.reader(lines, delimiter=delimiter) if quoted else lines)
    while not rows[-1] or (not quoted and not rows[-1].strip("\r\n")):
        rows.pop()
    return len(rows) - 1


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(FIELD, LABEL), max_size=8),
    changes=st.just([]) | CHANGES,
    section=st.sampled_from(
        [
            {},
            {"quoted": True},
            {"quoted": False},
            {"drop_broken": True},
            {"drop_broken": True, "labels": ["pos", "neg"]},
            {"kind": "multi_label"},
        ]
    ),
)
def test_every_row_is_written_or_counted_as_broken(
    tmp_path_factory, ending, rows, changes, section
):
    separator = "," if ending == "csv" else "\t"
    rows = [(f"text {i}", ("pos", "neg")[i % 2]) for i in range(4)] + rows
    if ending == "jsonl":
        header, body = json_lines([("first", "pos")]), json_lines(rows)
    else:
        header, *lines = [separator.join(row) for row in HEAD + rows]
        body = "\n".join(lines)
    folder = tmp_path_factory.mktemp("any")
    try:
        content = f"{header}\n{spoiled(body, changes)}"
        prepared, notices = prepare(folder, section, **{f"train__{ending}": content})
    except InputError:
        assert not (folder / "out").exists()
        return
    quoted = section.get("quoted", ending == "csv") and ending != "jsonl"
    count = count_rows(folder / f"raw/train.{ending}", separator if quoted else None)
    written = sum(len(column(folder, split, "text_a")) for split in prepared.splits)
    dropped = notices["train"].get("broken_left_out", 0)
    assert written + dropped == count + (ending == "jsonl")  # which has no header


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
TEXT = st.sampled_from(["a", "b", 1, 2.5, ""]) | VALUES
TARGETS = {"label": st.sampled_from(["a", "b", 1]) | VALUES, "labels": st.lists(VALUES) | VALUES}
TARGETS |= {"score": st.floats(-9, 9) | VALUES}


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_json_value_is_read_or_refused(tmp_path_factory, target, data):
    row = st.fixed_dictionaries({"text": TEXT, target: TARGETS[target]})
    rows = data.draw(st.lists(row, min_size=1, max_size=3))
    sound = {"label": ["a", "b"], "labels": [["a"], ["b"]], "score": [1, 2]}[target]
    rows += [{"text": f"{value} {i}", target: value} for value in sound for i in range(2)]
    folder = tmp_path_factory.mktemp("any")
    try:
        prepared, _ = prepare(folder, train__jsonl="\n".join(map(json.dumps, rows)))
    except InputError:
        assert not (folder / "out").exists()
    else:
        written = [column(folder, split, "text_a") for split in prepared.splits]
        assert sum(map(len, written)) == len(rows)
