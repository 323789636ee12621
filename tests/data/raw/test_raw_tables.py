"""Raw folders: the files of the splits and the columns' roles."""

import pytest
from raw_tasks import TRAIN, column, labels, prepare, refused

from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.task_data import TaskData


def test_a_missing_folder_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is missing: put train\.tsv"):
        prepare_task(tmp_path / "nowhere", tmp_path / "out", TaskData())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"raw has no train file \(train\.tsv or .*\); it holds nothing"),
        ({"dev__tsv": TRAIN, "notes__md": "x"}, r"no train file .*it holds dev\.tsv, notes\.md"),
        ({"train__TSV": TRAIN}, r"no train file .*it holds train\.TSV"),
        (
            {"train__tsv": TRAIN, "train__csv": TRAIN},
            r"raw has train\.tsv and train\.csv: keep one",
        ),
        (
            {"train__tsv": TRAIN, "dev__tsv": TRAIN, "val__tsv": TRAIN},
            r"dev\.tsv and val\.tsv: keep",
        ),
    ],
)
def test_folders_without_exactly_one_file_per_split_are_refused(tmp_path, files, message):
    refused(tmp_path, message, **files)


def test_a_missing_file_of_a_benchmark_is_named(tmp_path):
    message = r"no train file \(TREC\.train or train_5500\.label\); it holds train\.tsv"
    refused(tmp_path, message, {"benchmark": "trec"}, train__tsv=TRAIN)


@pytest.mark.parametrize("name", ["dev", "eval", "valid", "validation", "val"])
@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_the_dev_file_has_many_names(tmp_path, name, ending):
    prepared, notices = prepare(tmp_path, train__tsv=TRAIN, **{f"{name}__{ending}": TRAIN})
    assert prepared.splits == ["train", "dev"]
    assert "taken_from_train" not in notices["dev"] and len(column(tmp_path, "dev", "label")) == 2


@pytest.mark.parametrize("name", ["unlabeled", "unlabelled"])
def test_unlabeled_rows_need_only_the_text(tmp_path, name):
    files = {"train__tsv": "text\tlabel\na\t0\nb\t1\n", f"{name}__txt": "one\ntwo\nthree\n"}
    prepare(tmp_path, dev__tsv=files["train__tsv"], **files)
    assert column(tmp_path, "unlabeled", "text_a") == ["one", "two", "three"]


HEADERLESS = [
    ("a\t0\nb\t1\n", ["a", "b"], [None, None]),
    ("a\tb\t0\nc\td\t1\n", ["a", "c"], ["b", "d"]),
]


@pytest.mark.parametrize(("content", "first", "second"), HEADERLESS)
@pytest.mark.parametrize(("ending", "separator"), [("tsv", "\t"), ("txt", "\t"), ("csv", ",")])
def test_without_a_header_the_texts_come_first(tmp_path, ending, separator, content, first, second):
    content = content.replace("\t", separator)
    dev = content.splitlines()[1] + "\n"
    prepared, _ = prepare(tmp_path, **{f"train__{ending}": content, f"dev__{ending}": dev})
    assert prepared.pair == (second != [None, None])
    assert column(tmp_path, "train", "text_a") == first
    assert column(tmp_path, "train", "text_b") == second
    assert labels(tmp_path, "train") == ["0", "1"]
    assert labels(tmp_path, "dev") == ["1"]


@pytest.mark.parametrize("content", ["a\nb\n", "a\tb\tc\t0\nd\te\tf\t1\n"])
def test_other_numbers_of_columns_need_a_header(tmp_path, content):
    message = r"train\.tsv has \d columns and no header.*columns: \{text: 1, label: 2\}"
    refused(tmp_path, message, train__tsv=content)


@pytest.mark.parametrize(
    ("header", "pair"),
    [
        ("text label", False),
        ("sentence label", False),
        ("content label", False),
        ("review label", False),
        ("TEXT Label", False),
        ("text_a text_b label", True),
        ("sentence1 sentence2 label", True),
        ("premise hypothesis label", True),
        ("question1 question2 label", True),
        ("question sentence label", True),
        ("Premise Hypothesis LABEL", True),
    ],
)
def test_usual_column_names_are_known_in_any_order(tmp_path, header, pair):
    names = header.split()
    rows = [["a", "b", "0"], ["c", "d", "1"]]
    rows = rows if pair else [[row[0], row[2]] for row in rows]
    files = {}
    for split, order in (("train", 1), ("dev", -1)):
        files[f"{split}__tsv"] = "\n".join("\t".join(row[::order]) for row in [names, *rows])
    files["test__tsv"] = "\n".join("\t".join(["x", *row, "y"]) for row in [names, *rows])
    assert prepare(tmp_path, **files)[0].pair == pair
    for split in ("train", "dev", "test"):
        assert column(tmp_path, split, "text_a") == ["a", "c"]
        assert column(tmp_path, split, "text_b") == (["b", "d"] if pair else [None, None])
        assert labels(tmp_path, split) == ["0", "1"]


OTHER = "id,what,kind\n7,good film,pos\n8,bad film,neg\n"


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ({"columns": {"text": "what", "label": "kind"}}, OTHER),
        ({"columns": {"text": 2, "label": 3}, "header": True}, OTHER),
        ({"columns": {"text": 2, "label": 3}}, OTHER.split("\n", 1)[1]),
        ({"columns": {"text_a": 2, "text_b": 1, "label": 3}}, OTHER.split("\n", 1)[1]),
        ({"columns": {"text": 4, "label": 2}}, "x,pos,,good film\ny,neg,*,bad film\n"),
        (
            {"columns": {"text": "label", "label": "text"}},
            "label,text\ngood film,pos\nbad film,neg\n",
        ),
    ],
)
def test_columns_are_given_by_name_or_position(tmp_path, section, content):
    prepared, _ = prepare(tmp_path, section, train__csv=content, dev__csv=content)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert labels(tmp_path, "dev") == ["pos", "neg"]
    assert prepared.pair == ("text_b" in section["columns"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"columns": {"text": "what", "label": "nope"}}, "no column nope; it has id, what, kind"),
        ({"columns": {"text": 2, "label": 4}}, "has 3 columns; there is no column 4"),
        (
            {"columns": {"text": "what", "label": "kind"}, "header": False},
            r"no header \(header: false\); give columns as positions",
        ),
        ({"header": True}, r"no column text \(or text_a and text_b\); it has id, what, kind"),
        ({}, r"has 3 columns.*|is the first line a header\? If so, name its columns"),
    ],
)
def test_missing_columns_are_refused(tmp_path, section, message):
    error = refused(tmp_path, message, section, train__csv=OTHER, dev__csv=OTHER)
    assert "train.csv" in error


def test_a_column_without_a_target_or_with_two_is_refused(tmp_path):
    message = (
        r"train\.tsv has no column label or score; it has text, kind; rename one, or set columns"
    )
    refused(tmp_path, message, train__tsv="text\tkind\na\t0\n")
    message = r"train\.tsv has the columns label and score; it has .*; rename one, or set columns"
    refused(tmp_path, message, train__tsv="text\tlabel\tscore\na\t0\t1\n")


def test_dev_must_have_the_columns_that_train_has(tmp_path):
    files = {"train__tsv": "text_a\ttext_b\tlabel\na\tb\t0\nc\td\t1\n", "dev__tsv": TRAIN}
    refused(tmp_path, r"dev\.tsv has no column text_b, as train has.*it has text, label", **files)


UNKNOWN = "what\tkind\n"
ROWS = "".join(f"text {i}\t{i % 2}\n" for i in range(12))


@pytest.mark.parametrize(
    "files",
    [
        {"train__tsv": UNKNOWN + "a\t0\nb\t1\n", "dev__tsv": UNKNOWN + "b\t1\n"},
        {"train__tsv": UNKNOWN + ROWS},
    ],
)
def test_a_header_of_unknown_names_is_not_taken_for_a_row(tmp_path, files):
    message = r"train\.tsv: is the first line a header\?.*columns: .*header: false"
    refused(tmp_path, message, **files)
    columns = {"columns": {"text": "what", "label": "kind"}}
    prepared, _ = prepare(tmp_path, columns, **files)
    assert prepared.labels == ["0", "1"]


def test_a_header_of_unknown_names_in_dev_alone_is_refused(tmp_path):
    message = r"dev\.tsv: is the first line a header"
    refused(tmp_path, message, train__tsv=ROWS, dev__tsv=UNKNOWN + ROWS)


def test_a_first_row_like_no_other_passes_with_header_false(tmp_path):
    content = "a\t2\n" + "b\t0\nc\t1\n" * 6
    refused(tmp_path, "is the first line a header", train__tsv=content, dev__tsv="c\t0\n")
    prepared, _ = prepare(tmp_path, {"header": False}, train__tsv=content, dev__tsv="c\t0\n")
    assert prepared.labels == ["0", "1", "2"]
    assert len(column(tmp_path, "train", "label")) == 13


def test_a_header_inside_a_file_is_refused(tmp_path):
    content = "text,label\na,0\nb,1\ntext,label\nc,0\n"
    refused(tmp_path, r"train\.csv, line 4: is the header once more", train__csv=content)
