"""Labels of words without a train file, for a teacher that is already fine-tuned."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from raw_tasks import column, prepare, refused
from tagged_files import SENTENCES, TOKENS, conll, json_rows
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForTokenClassification

from tinybert.data.raw.describe import describe_answers, summary

TEXTS = [f"text number {i}" for i in range(40)]
LINES = "\n".join(TEXTS)
NAMES = ["I-PER", "O", "B-PER", "B-LOC", "I-LOC"]
TAGGED = {"IOB2": SENTENCES}
TAGGED["IOBES"] = [
    (SENTENCES[0][0], ["B-PER", "E-PER", "O", "S-PER"]),
    (SENTENCES[1][0], ["S-LOC", "O", "O", "O"]),
]
TAGGED["IO"] = [(SENTENCES[0][0], ["PER", "PER", "O", "LOC"])]


@pytest.fixture
def given(tmp_path):
    """The section `data` with a teacher of words whose outputs have these names."""

    def section(names=NAMES, **changes) -> dict:
        config = tiny_config(id2label=dict(enumerate(names)))
        BertForTokenClassification(config).save_pretrained(tmp_path / "teacher")
        tiny_tokenizer().save_pretrained(tmp_path / "teacher")
        return TOKENS | {"teacher": str(tmp_path / "teacher")} | changes

    return section


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unlabeled__txt", LINES),
        ("unlabeled__conll", LINES.replace("\n", "\n\n").replace(" ", "\n")),
        ("unlabeled__jsonl", json_rows([{"tokens": text.split()} for text in TEXTS])),
        ("unlabeled__jsonl", json_rows([{"text": text} for text in TEXTS])),
    ],
)
def test_sentences_or_texts_are_enough_and_a_tenth_is_held_out(tmp_path, given, name, text):
    task, statistics = prepare(tmp_path, given(), **{name: text})
    assert (task.kind, task.splits, task.answered) == ("tokens", ["dev", "unlabeled"], ["dev"])
    assert task.labels == ["O", "I-PER", "B-PER", "B-LOC", "I-LOC"]  # the teacher's, but for O
    assert (task.has_entities, task.has_labels) == (True, False)
    assert (task.metrics_of("dev"), task.metric) == (["agreement"], "entity_f1")
    dev, rest = (column(tmp_path, split, "words") for split in ("dev", "unlabeled"))
    assert len(dev) == 4 == statistics["dev"]["taken_from_unlabeled"]
    assert sorted(dev + rest) == sorted(text.split() for text in TEXTS)
    names = pq.read_table(tmp_path / "out/dev.parquet").column_names
    assert names == ["text_a", "text_b", "words"]
    assert "no labels to train on: the teacher's answers decide" in summary(task, statistics)


@pytest.mark.parametrize("scheme", TAGGED)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_labelled_file_may_have_its_own_scheme_and_write_types_in_another_way(
    tmp_path, given, scheme, split
):
    files = {
        "unlabeled__txt": LINES,
        f"{split}__conll": conll(TAGGED[scheme]).replace("PER", "per"),
    }
    task, statistics = prepare(tmp_path, given(), **files)
    assert task.metrics_of(split)[0] == "entity_f1"
    assert task.answered == ([] if split == "dev" else ["dev"])
    named = [[task.labels[i] for i in row] for row in column(tmp_path, split, "tags")]
    last = "B-LOC" if scheme == "IO" else "B-PER"
    expected = [["B-PER", "I-PER", "O", last], ["B-LOC", "O", "O", "O"]]
    assert named == expected[: len(TAGGED[scheme])]
    assert f"scheme of the files: {scheme}" in summary(task, statistics)


def test_the_kind_is_that_of_the_teacher(tmp_path, given):
    section = given()
    del section["kind"]
    for name in ("unlabeled__txt", "unlabeled__conll"):
        text = LINES.replace(" ", "\n") if name.endswith("conll") else LINES
        task, _ = prepare(make(tmp_path / name), section, **{name: text.replace("\n", "\n\n")})
        assert task.kind == "tokens" and task.has_entities
    files = {"train__tsv": "text\tlabel\ngood\tO\nbad\tB-PER\n", "unlabeled__txt": LINES}
    refused(make(tmp_path / "train"), "look like tags of words. .* kind: tokens", section, **files)


@pytest.mark.parametrize(
    ("names", "changes", "labels"),
    [
        (["VERB", "NOUN", "ADJ"], {}, ["VERB", "NOUN", "ADJ"]),
        (["LABEL_0", "LABEL_1"], {}, ["LABEL_0", "LABEL_1"]),
        (["LABEL_0", "LABEL_1"], {"teacher_labels": ["VERB", "NOUN"]}, ["VERB", "NOUN"]),
        (["O", "B-PER", "I-PER"], {"scheme": "none"}, ["B-PER", "I-PER", "O"]),
        (["O", "S-PER"], {"scheme": "none"}, ["S-PER", "O"]),
    ],
)
def test_labels_that_stand_alone_are_no_entities(tmp_path, given, names, changes, labels):
    task, _ = prepare(tmp_path, given(names, **changes), unlabeled__txt=LINES)
    assert (task.labels, task.has_entities, task.metric) == (labels, False, "word_accuracy")


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        (["b_per", "i_per", "o"], {}),
        (["B-PER", "O", "I-PER"], {"labels": ["PER"]}),
        (["LABEL_0", "LABEL_1", "LABEL_2"], {"teacher_labels": ["B-PER", "O", "I-PER"]}),
    ],
)
def test_types_may_be_written_or_given_in_another_way(tmp_path, given, names, changes):
    task, _ = prepare(tmp_path, given(names, **changes), unlabeled__txt=LINES)
    assert [name.upper() for name in task.labels] == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["O", "B-PER", "I-PER", "S-PER", "E-PER"], "not IOBES: O, B-PER, I-PER, S-PER, E-PER"),
        (["O", "PER", "LOC"], "not IO: O, PER, LOC"),
        (["O", "I-PER", "I-LOC"], "not IO:"),
        (["O", "I-PER", "I-LOC", "B-LOC"], "not IOB1:"),
        (["B-PER", "I-PER"], "of each type: B-PER, I-PER"),
        (["O", "PER-B", "PER-I"], "must come first, as in B-PER"),
        (["O", "B-PER", "X"], "the tags X have no prefix"),
    ],
)
def test_labels_of_other_schemes_are_refused_and_what_works_is_said(
    tmp_path, given, names, message
):
    text = refused(tmp_path, message, given(names), unlabeled__txt=LINES)
    assert text.startswith("params.yaml: the labels of the teacher ")
    assert "set scheme: none under the task's data" in text


def test_a_tag_that_the_teacher_does_not_know_is_named(tmp_path, given):
    files = {"unlabeled__txt": LINES, "test__conll": "Ada\tB-PER\nran\tB-ACT\n"}
    message = r"test\.conll, line 2: the tag 'B-ACT' is not a label of the teacher; .* O, I-PER"
    refused(tmp_path, message, given(), **files)


def test_without_a_teacher_the_fix_is_named(tmp_path, given):
    message = "no train file .*set teacher: MODEL, .* fine-tuned"
    for name in ("unlabeled__conll", "unlabeled__jsonl"):
        refused(make(tmp_path / name), message, TOKENS, **{name: "a\n"})
    message = "no train file .*name the file with the texts unlabeled"
    refused(make(tmp_path / "named"), message, given(), texts__txt=LINES)


def test_a_teacher_that_finds_nothing_is_said(tmp_path, given):
    task, statistics = prepare(tmp_path, given(), unlabeled__txt=LINES)
    describe_answers(statistics, {"dev": {"labels": {"O": 4, "PER": 0, "LOC": 0}}})
    assert "warning: the teacher gives O to all of 4 texts" in summary(task, statistics)
