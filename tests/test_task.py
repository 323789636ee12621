"""Raw files to canonical tables, and what is wrong with the ones that cannot be."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert import task

TRAIN = "text\tlabel\ngood film\tpos\nbad film\tneg\n"


@pytest.fixture
def raw(tmp_path):
    """A raw folder with the files given by name (double underscore: dot)."""

    def write(**files):
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / name.replace("__", ".")).write_bytes(data)
        return folder

    return write


def column(folder, split: str, name: str) -> list:
    return pq.read_table(folder / f"{split}.parquet")[name].to_pylist()


def test_labels_are_numbered_in_alphabetical_order(raw, tmp_path):
    out = tmp_path / "out"
    prepared = task.prepare(raw(train__tsv=TRAIN, dev__tsv=TRAIN), out)
    assert prepared == task.load(out)
    assert (prepared.kind, prepared.labels, prepared.pair) == (
        "classification",
        ["neg", "pos"],
        False,
    )
    assert (prepared.splits, prepared.test_split) == (["train", "dev"], "dev")
    assert column(out, "train", "text_a") == ["good film", "bad film"]
    assert column(out, "train", "text_b") == [None, None]
    assert column(out, "train", "label") == [1, 0]
    assert prepared.head()["id2label"] == {0: "neg", 1: "pos"}


def test_quotes_in_tsv_are_text_and_in_csv_are_quotes(raw, tmp_path):
    tsv = 'text\tlabel\n"so good" he said\tpos\n"half\tneg\n'
    csv = 'text,label\n"good, very good",pos\n"a ""quoted"" word",neg\n'
    task.prepare(raw(train__tsv=tsv, dev__csv=csv), tmp_path / "out")
    assert column(tmp_path / "out", "train", "text_a") == ['"so good" he said', '"half']
    assert column(tmp_path / "out", "dev", "text_a") == ["good, very good", 'a "quoted" word']


def test_a_bom_windows_line_ends_and_no_final_newline_are_fine(raw, tmp_path):
    windows = "\ufeff" + TRAIN.rstrip("\n").replace("\n", "\r\n")
    task.prepare(raw(train__tsv=windows, dev__tsv=TRAIN), tmp_path / "out")
    assert column(tmp_path / "out", "train", "text_a") == ["good film", "bad film"]
    assert column(tmp_path / "out", "train", "label") == [1, 0]


def test_json_lines_pairs_and_scores(raw, tmp_path):
    lines = [
        {"text_a": "a", "text_b": "b\nc\u2028d", "score": 1.5},
        {"text_a": "d", "text_b": "e", "score": 3},
    ]
    text = "\n".join(map(lambda line: json.dumps(line, ensure_ascii=False), lines))
    prepared = task.prepare(raw(train__jsonl=text, dev__jsonl=text), tmp_path / "out")
    assert (prepared.kind, prepared.pair, prepared.metric) == ("regression", True, "pearson")
    assert column(tmp_path / "out", "train", "text_b") == ["b\nc\u2028d", "e"]
    assert column(tmp_path / "out", "dev", "score") == [1.5, 3.0]
    assert prepared.head() == {"num_labels": 1, "problem_type": "regression"}


def test_unlabeled_rows_have_no_label_column(raw, tmp_path):
    files = raw(train__tsv=TRAIN, dev__tsv=TRAIN, unlabeled__tsv="text\nmore\nand more\n")
    assert task.prepare(files, tmp_path / "out").splits == ["train", "dev", "unlabeled"]
    table = pq.read_table(tmp_path / "out/unlabeled.parquet")
    assert table.column_names == ["text_a", "text_b"] and len(table) == 2


def test_text_that_looks_like_a_missing_value_is_text(raw, tmp_path):
    files = raw(train__csv="text,label\nNA,null\nnan,1\n", dev__csv="text,label\nNone,1\n")
    prepared = task.prepare(files, tmp_path / "out")
    assert prepared.labels == ["1", "null"]
    assert column(tmp_path / "out", "train", "text_a") == ["NA", "nan"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"dev__tsv": TRAIN}, "no train file"),
        ({"train__tsv": TRAIN}, "no dev file"),
        ({"train__tsv": TRAIN, "train__csv": TRAIN, "dev__tsv": TRAIN}, "keep one"),
        ({"train__tsv": "", "dev__tsv": TRAIN}, r"train\.tsv is empty"),
        ({"train__tsv": "text\tlabel\n", "dev__tsv": TRAIN}, "no rows"),
        ({"train__tsv": TRAIN + "one field\n", "dev__tsv": TRAIN}, r"train\.tsv, line 4: 1 fields"),
        ({"train__tsv": TRAIN + "\tpos\n", "dev__tsv": TRAIN}, r"line 4: text_a is empty"),
        ({"train__tsv": TRAIN + "x\t\n", "dev__tsv": TRAIN}, r"line 4: label is empty"),
        (
            {"train__tsv": TRAIN, "dev__tsv": TRAIN + "x\tmaybe\n"},
            r"dev\.tsv, line 4: label 'maybe'",
        ),
        ({"train__tsv": "txt\tlabel\na\tb\n", "dev__tsv": TRAIN}, r"no column text .*it has txt"),
        ({"train__tsv": "text\tlabel\na\tb\n", "dev__tsv": TRAIN}, "single class, 'b'"),
        ({"train__tsv": b"text\tlabel\ncaf\xe9\tb\n", "dev__tsv": TRAIN}, "UTF-8: byte 14 is 0xe9"),
        ({"train__tsv": "text\tscore\na\tbad\n", "dev__tsv": TRAIN}, "dev.tsv has no column score"),
        ({"train__jsonl": "{", "dev__tsv": TRAIN}, r"train\.jsonl, line 1: no valid JSON"),
        ({"train__jsonl": "[1]", "dev__tsv": TRAIN}, r"train\.jsonl, line 1: must be an object"),
    ],
)
def test_bad_files_are_named_with_line_and_remedy(raw, tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        task.prepare(raw(**files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["bad", "nan", "inf", ""])
def test_scores_must_be_finite_numbers(raw, tmp_path, value):
    scores = f"text\tscore\na\t1.0\nb\t{value}\n"
    with pytest.raises(ValueError, match=r"train\.tsv, line 3"):
        task.prepare(raw(train__tsv=scores, dev__tsv="text\tscore\na\t1\n"), tmp_path / "out")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is missing: put train\.tsv"):
        task.prepare(tmp_path / "nowhere", tmp_path / "out")


# No tab, no line end, not blank: what a TSV field can hold.
FIELD = st.text(
    st.characters(
        codec="utf-8", exclude_characters="\t\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff"
    ),
    min_size=1,
).filter(str.strip)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(FIELD, min_size=2, max_size=6))
def test_any_text_passes_through_tsv_unharmed(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("any")
    lines = [f"{text}\t{i % 2}" for i, text in enumerate(texts)]
    for name in ("train.tsv", "dev.tsv"):
        (folder / name).write_text("\n".join(["text\tlabel", *lines]), encoding="utf-8", newline="")
    task.prepare(folder, folder / "out")
    assert column(folder / "out", "train", "text_a") == texts


def test_description_counts_rows_labels_lengths_and_cuts(raw, tmp_path, tokenizer):
    files = raw(train__tsv=TRAIN + "good good good good\tpos\n", dev__tsv=TRAIN)
    out = tmp_path / "out"
    facts = task.describe(out, task.prepare(files, out), tokenizer, max_length=5)
    assert facts["train"]["rows"] == 3
    assert facts["train"]["labels"] == {"neg": 1, "pos": 2}
    assert facts["train"]["tokens"] == {"total": 4 + 4 + 6, "median": 4, "max": 6}
    assert facts["train"]["rows_cut"] == 1 and facts["dev"]["rows_cut"] == 0
