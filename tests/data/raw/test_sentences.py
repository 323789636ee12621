"""The labels of words: those of train, of params.yaml and of a given teacher."""

from pathlib import Path

import pytest
from raw_tasks import column, prepare
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForTokenClassification

from tinybert.pipeline.schema import TaskData
from tinybert.tasks import teacher

TOKENS = {"kind": "tokens"}
TRAIN = "Ada\tB-PER\nLovelace\tI-PER\nmet\tO\n\nRome\tB-LOC\nis\tO\n"
DEV = "Ada\tO\nran\tB-MISC\n"  # has a type that train lacks
SPEECH = "Ada\tNOUN\nmet\tVERB\n"
ALL = ["O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-PER", "I-PER"]


def given(folder: Path, outputs: list[str]) -> dict:
    """Settings of a task with a teacher whose outputs have these names."""
    config = tiny_config(id2label=dict(enumerate(outputs)))
    BertForTokenClassification(config).save_pretrained(folder / "named")
    tiny_tokenizer().save_pretrained(folder / "named")
    return TOKENS | {"teacher": str(folder / "named")}


@pytest.mark.parametrize("listed", [["PER", "LOC", "MISC"], ["O", "B-MISC", "B-PER", "B-LOC"]])
def test_types_that_params_lists_are_labels(tmp_path, listed):
    section = TOKENS | {"labels": listed}
    task, _ = prepare(tmp_path, section, train__conll=TRAIN, dev__conll=DEV)
    assert task.labels == ALL
    assert column(tmp_path, "dev", "tags") == [[0, 3]]


def test_types_of_a_given_teacher_are_labels(tmp_path):
    outputs = ["I-per", "B-per", "O", "B_LOC", "I_LOC", "B-MISC", "I-MISC"]
    section = given(tmp_path, outputs)
    task, _ = prepare(tmp_path, section, train__conll=TRAIN, dev__conll=DEV)
    assert task.labels == ALL
    config = tiny_config(id2label=dict(enumerate(outputs)))
    assert teacher.label_order(config, TaskData(**section), task) == [2, 3, 4, 5, 6, 1, 0]


@pytest.mark.parametrize(
    "outputs",
    [
        ["O", "B-PER", "I-PER", "B-MISC", "I-MISC"],  # without LOC
        ["O", "PER", "LOC", "MISC"],
        [f"LABEL_{i}" for i in range(7)],
    ],
)
def test_a_teacher_that_cannot_fit_adds_no_labels(tmp_path, outputs):
    """Its check shows the task's own beside them."""
    section = given(tmp_path, outputs)
    task, _ = prepare(tmp_path, section, train__conll=TRAIN, dev__conll=TRAIN)
    assert task.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


@pytest.mark.parametrize("by_teacher", [True, False])
def test_parts_of_speech_may_be_more_than_trains(tmp_path, by_teacher):
    names = ["VERB", "INTJ", "NOUN"]
    section = given(tmp_path, names) if by_teacher else TOKENS | {"labels": names}
    task, _ = prepare(tmp_path, section, train__conll=SPEECH, dev__conll=SPEECH)
    assert task.labels == ["INTJ", "NOUN", "VERB"]
