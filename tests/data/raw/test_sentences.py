"""The labels of words: those of train, of params.yaml and of a given teacher."""

from pathlib import Path

import pytest
from raw_tasks import column, notices, prepare
from tiny import tiny_config, tiny_tokenizer
from transformers import BertForTokenClassification

from tinybert.pipeline.task_data import TaskData
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


def characters(*sentences: str) -> str:
    """A word to each part between spaces, the first of each sentence a name."""
    rows = [sentence.split(" ") for sentence in sentences]
    return "\n".join("".join(f"{w} {'O' if i else 'B-X'}\n" for i, w in enumerate(r)) for r in rows)


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("在 2 0 2 0 年", "'2 0 2 0', there '2020'"),
        ("我 用 i P h o n e", "'i P h o', there 'iPhone'"),
        ("北京 大学", "'北京 大学', there '北'"),
        ("在 2020 年 ， 很 好 3 . 5", None),
        ("我 用 iPhone X 和 3 G", "'3 G', there '3G'"),
        ("我 用 iPhone X 和 Mac OS", None),
    ],
)
def test_words_that_a_text_would_not_have_are_said(tmp_path, sentence, found):
    text = characters("他 去 了", sentence)
    lines = notices(tmp_path, TOKENS, train__bio=text, dev__bio=text)
    if found is None:
        assert "other_words" not in lines
    else:
        assert "1 sentence has other words than predict" in lines["other_words"]
        assert f"train.bio, line 5, {found}" in lines["other_words"]


def test_few_sentences_with_other_words_are_not_worth_a_line(tmp_path):
    names = [f"{a} {b} 去 了" for a in "天地人日月" for b in "山水火木金"]
    text = characters("在 2 0 年", *names)
    assert "other_words" not in notices(tmp_path, TOKENS, train__bio=text, dev__bio=text)


def test_in_other_languages_words_are_what_the_file_says(tmp_path):
    text = characters("A B is one", "U.S. it is")
    assert "other_words" not in notices(tmp_path, TOKENS, train__bio=text, dev__bio=text)
