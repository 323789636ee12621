"""Texts with spans of characters: what annotation tools and data sets of the hub write."""

import json

import pyarrow as pa
import pytest
from raw_tasks import column, notices, prepare, refused
from tagged_files import TOKENS, json_rows

from tinybert.tasks.task import load_task

# Two texts, and the tags of their words: Ada Lovelace met Bo; Rome is big.
TEXTS = ["Ada Lovelace met Bo", "Rome is big"]
SPANS = [[(0, 12, "PER"), (17, 19, "PER")], [(0, 4, "LOC")]]
NAMES = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
NUMBERS = [[3, 4, 0, 3], [1, 0, 0]]
PRODIGY_TOKENS = [{"text": "Ada", "start": 0, "end": 3, "id": 0, "ws": True}]


def doccano(start: int, end: int, label: str) -> dict:
    return {"id": 7, "label": label, "start_offset": start, "end_offset": end}


def prodigy(start: int, end: int, label: str) -> dict:
    return {"start": start, "end": end, "label": label, "token_start": 0, "token_end": 1}


def exported(**columns: object) -> list[dict]:
    """A row for each text; the columns are values, or functions of a text's spans."""
    return [
        {"id": n, "text": text, **{k: v(spans) if callable(v) else v for k, v in columns.items()}}
        for n, (text, spans) in enumerate(zip(TEXTS, SPANS, strict=True))
    ]


FORMS = {
    "doccano, label": exported(label=lambda spans: list(map(list, spans)), Comments=[]),
    "doccano, labels": exported(labels=lambda spans: list(map(list, spans))),
    "doccano, entities": exported(
        entities=lambda spans: [doccano(*span) for span in spans], relations=[], Comments=[]
    ),
    "Prodigy": exported(
        spans=lambda spans: [prodigy(*span) for span in spans], tokens=PRODIGY_TOKENS,
        _input_hash=1, _view_id="ner_manual", answer="accept", label="PER",
    ),
    "words without tags": exported(
        spans=lambda spans: [prodigy(*span) for span in spans], tokens=["Ada", "Lovelace"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_exports_of_annotation_tools_are_read(tmp_path, form):
    rows = FORMS[form]
    texts = json_rows([{**row, "label": []} for row in rows])
    dev = {"dev__jsonl": json_rows(rows)}
    if "spans" in rows[0] or "entities" in rows[0]:  # objects, which Parquet can hold
        dev = {"dev__parquet": pa.Table.from_pylist(rows)}
    prepare(tmp_path, TOKENS, train__jsonl=json_rows(rows), unlabeled__jsonl=texts, **dev)
    assert load_task(tmp_path / "out").labels == NAMES
    for split in ("train", "dev"):
        assert column(tmp_path, split, "words") == [text.split() for text in TEXTS]
        assert column(tmp_path, split, "tags") == NUMBERS
    if "words" not in form:
        assert column(tmp_path, "unlabeled", "text_a") == TEXTS


def test_words_with_tags_win_over_the_text_and_its_spans(tmp_path):
    tags = {"tokens": ["Ada", "met"], "tags": ["B-PER", "O"], "labels": "news"}
    rows = json_rows([{**row, **tags} for row in FORMS["words without tags"]])
    prepare(tmp_path, TOKENS, train__jsonl=rows, dev__jsonl=rows)
    assert column(tmp_path, "train", "words") == [["Ada", "met"]] * 2


def test_a_file_without_any_span_is_texts_of_no_entity(tmp_path):
    empty = json_rows([{**row, "spans": []} for row in FORMS["Prodigy"]])
    prepare(tmp_path, TOKENS, train__jsonl=json_rows(FORMS["Prodigy"]), dev__jsonl=empty)
    assert column(tmp_path, "dev", "tags") == [[0] * 4, [0] * 3]


def test_texts_that_the_annotator_has_not_accepted_are_left_out(tmp_path):
    rows = FORMS["Prodigy"]
    wrong = [{**rows[0], "answer": "reject"}, {**rows[0], "answer": "ignore", "spans": None}]
    files = {"train__jsonl": json_rows([*rows, *wrong]), "dev__jsonl": json_rows(rows)}
    lines = notices(tmp_path, TOKENS, **files)
    assert lines["not_accepted"] == (
        "2 lines left out, whose answer is not accept: train.jsonl, line 3, reject"
    )
    assert column(tmp_path, "train", "text_a") == TEXTS


def numbered(split: bool = False) -> list[dict]:
    """Labels as numbers: PER is 1, LOC 0. split: as a struct of lists."""
    rows = exported(spans=lambda spans: [[a, b, int(n == "PER")] for a, b, n in spans])
    for row in rows:
        spans = [dict(zip(("start", "end", "label"), span, strict=True)) for span in row["spans"]]
        row["spans"] = spans
        if split:
            row["spans"] = {key: [span[key] for span in spans] for key in spans[0]}
    return rows


@pytest.mark.parametrize("form", ["List", "list", "struct of lists"])
def test_numbers_in_spans_of_a_data_set_of_the_hub_have_names(tmp_path, form):
    """As versions of the library datasets write them."""
    integer, names = {"dtype": "int32", "_type": "Value"}, {"names": ["LOC", "PER"]}
    names["_type"] = "ClassLabel"
    struct = {"start": integer, "end": integer, "label": names}
    feature = {
        "List": {"feature": struct, "_type": "List"},
        "list": [struct],
        "struct of lists": {k: {"feature": v, "_type": "List"} for k, v in struct.items()},
    }[form]
    metadata = {"huggingface": json.dumps({"info": {"features": {"spans": feature}}})}
    table = pa.Table.from_pylist(numbered(form == "struct of lists"))
    table = table.replace_schema_metadata(metadata)
    prepare(tmp_path, TOKENS, train__parquet=table, dev__parquet=table)
    assert load_task(tmp_path / "out").labels == NAMES
    assert column(tmp_path, "train", "tags") == NUMBERS


def test_numbers_in_spans_need_names(tmp_path):
    rows = json_rows(numbered())
    message = (
        r"line 1: the label of the span 0 to 12 is the number 1, which has no name; set labels:"
    )
    refused(tmp_path, message, TOKENS, train__jsonl=rows)
    section = TOKENS | {"labels": ["LOC"]}
    refused(tmp_path, "is the number 1", section, train__jsonl=rows)
    section = TOKENS | {"labels": ["LOC", "PER"]}
    prepare(tmp_path, section, train__jsonl=rows, dev__jsonl=rows)
    assert column(tmp_path, "train", "tags") == NUMBERS


def test_repeated_spans_count_once_and_are_named(tmp_path):
    rows = FORMS["doccano, label"]
    twice = [{**rows[0], "label": rows[0]["label"] + rows[0]["label"][:1]}, rows[1]]
    files = {"train__jsonl": json_rows(twice), "dev__jsonl": json_rows(rows)}
    lines = notices(tmp_path, TOKENS, **files)
    assert lines == {
        "repeated_spans": (
            "1 span repeats another and is left out: train.jsonl, line 1, 'Ada Lovelace'"
        )
    }
    assert column(tmp_path, "train", "tags") == NUMBERS


@pytest.mark.parametrize("other", [(0, 3, "PER"), (4, 16, "ORG"), (0, 12, "ORG")])
def test_rows_with_spans_that_overlap_are_counted(tmp_path, other):
    """A nested one, one that begins inside of another, and a second label."""
    rows = FORMS["doccano, label"]
    bad = {**rows[0], "label": [*rows[0]["label"], list(other)]}
    text = refused(tmp_path, "", TOKENS, train__jsonl=json_rows([rows[1], bad, rows[0], bad]))
    assert "train.jsonl, line 2: the span " in text and "shares words with another" in text
    assert text.endswith("2 lines have such spans")


@pytest.mark.parametrize("triples", [False, True])
def test_spans_of_characters_become_tags(tmp_path, triples):
    spans = [
        [{"start": 14, "end": 18, "label": "PER"}, {"start": 0, "end": 13, "label": "PER"}],
        [{"start": 0, "end": 4, "label": "LOC"}],
    ]
    if triples:
        spans = [[[s["start"], s["end"], s["label"]] for s in row] for row in spans]
    texts = ["Ada  Lovelace Bo 7", "Rome is #1"]
    rows = [{"text": t, "spans": s} for t, s in zip(texts, spans, strict=True)]
    found = notices(tmp_path, TOKENS, train__jsonl=json_rows(rows), dev__jsonl=json_rows(rows))
    assert found == {}
    names = load_task(tmp_path / "out").labels
    assert column(tmp_path, "train", "words") == [
        ["Ada", "Lovelace", "Bo", "7"],
        ["Rome", "is", "#", "1"],
    ]
    assert [[names[i] for i in row] for row in column(tmp_path, "train", "tags")] == [
        ["B-PER", "I-PER", "B-PER", "I-PER"],
        ["B-LOC", "O", "O", "O"],
    ]
    assert column(tmp_path, "train", "text_a") == texts  # as a reader will ask the model


def test_spans_may_be_lists_or_missing(tmp_path):
    """As data sets of the hub have them: JSON Lines, and a struct of lists in Parquet."""
    lists = {"start": [9, 0], "end": [11, 3], "label": ["PER", "LOC"]}
    rows = [{"text": "Rom calls Bo", "entities": lists}, {"text": "met", "entities": None}]
    rows[0]["entities"] = {**lists, "start": [10, 0], "end": [12, 3]}
    files = {"train__jsonl": json_rows(rows), "dev__parquet": pa.Table.from_pylist(rows)}
    prepare(tmp_path, TOKENS, **files)
    for split in ("train", "dev"):
        assert column(tmp_path, split, "tags") == [[1, 0, 3], [0]]


@pytest.mark.parametrize("end", [[3], 3, None])
def test_spans_of_unequal_lists_are_named(tmp_path, end):
    spans = {"start": [0, 4], "end": end, "label": ["PER", "PER"]}
    rows = json_rows([{"text": "Ada met Bo", "entities": spans}])
    refused(tmp_path, r"train\.jsonl, line 1: .* lists of one length", TOKENS, train__jsonl=rows)


def test_spans_inside_words_are_extended_and_named(tmp_path):
    rows = json_rows([{"text": "Romes walls", "spans": [{"start": 0, "end": 4, "label": "LOC"}]}])
    lines = notices(tmp_path, TOKENS, train__jsonl=rows, dev__jsonl=rows)
    assert (
        "1 span begins" in lines["cut_words"]
        and "train.jsonl, line 1, 'Rome'" in lines["cut_words"]
    )


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ([0, 40, "X"], r"line 2: the span 0 to 40 \(X\) lies outside"),
        ([3, 3, "X"], "lies outside"),
        ([3, 4, "X"], "has no word"),
        ([2, 5, "X"], r"shares words with another \(LOC\)"),
        ([0, 2], "must be"),
        ([5, 7, ""], "no label"),
    ],
)
def test_wrong_spans_are_named(tmp_path, span, message):
    good = {"text": "Rom is", "spans": [[0, 3, "LOC"]]}
    rows = json_rows([good, {"text": "Rom is big", "spans": [[0, 3, "LOC"], span]}])
    refused(
        tmp_path,
        rf"train\.jsonl, line 2: .*{message.partition('line 2: ')[2] or message}",
        TOKENS,
        train__jsonl=rows,
    )
