"""Scores of entities against seqeval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentences import LABELS, task
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tinybert.models.rows import Rows, Words
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS, compared
from tinybert.tasks.task import Task
from tinybert.tasks.word_scores import confusion, type_scores

LETTERS = ["A", "B", "C", "D", "E"]
ROW = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7)


def types(logits: np.ndarray, table: Rows, of: Task) -> dict:
    return type_scores(table.columns["tags"], logits.argmax(axis=1), table.words.starts, of)


def scored(rows: list[list[tuple[int, int]]], of: Task):
    """Rows with these pairs of target and prediction, the logits, and both as names."""
    target, predicted = np.array([pair for row in rows for pair in row]).T
    starts = np.cumsum([0, *map(len, rows)])
    words = Words(np.ones(len(target), bool), np.arange(len(target)), starts, starts)
    table = Rows(np.zeros(len(target)), starts, 0, columns={"tags": target}, words=words)
    names = [[[of.labels[pair[i]] for pair in row] for row in rows] for i in (0, 1)]
    return table, 3 * np.eye(len(of.labels))[predicted] - 1, *names


@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_entity_scores_are_those_of_seqeval(rows):
    """Also of predictions such as I after O."""
    table, logits, target, predicted = scored(rows, task())
    pair = compared(logits, table, task())
    for name, function in {
        "entity_f1": f1_score, "entity_precision": precision_score, "entity_recall": recall_score,
    }.items():  # fmt: skip
        assert METRICS[name](*pair) == pytest.approx(function(target, predicted, zero_division=0))
    report = classification_report(target, predicted, output_dict=True, zero_division=0)
    for kind, values in types(logits, table, task()).items():
        expected = report.get(
            kind, dict.fromkeys(("precision", "recall", "f1-score", "support"), 0)
        )
        assert [*values.values()] == pytest.approx([*expected.values()], abs=1e-4)


@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_agreement_is_the_share_of_words_with_the_same_label(rows):
    table, logits, *_ = scored(rows, task())
    equal = [target == predicted for row in rows for target, predicted in row]
    pair = compared(logits, table, task())
    assert METRICS["agreement"](*pair) == pytest.approx(sum(equal) / len(equal))


def test_parts_of_speech_have_an_accuracy_alone():
    words = Task("tokens", LABELS[1:], False, ["word_accuracy"], [])
    table, logits, *_ = scored([[(0, 0), (1, 2)], [(3, 3)]], words)
    assert METRICS["word_accuracy"](*compared(logits, table, words)) == pytest.approx(2 / 3)


@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_scores_of_parts_of_speech_are_those_of_scikit_learn(rows):
    words = Task("tokens", LETTERS, False, ["word_accuracy"], [])
    table, logits, target, predicted = scored(rows, words)
    target, predicted = (np.concatenate(names) for names in (target, predicted))
    expected = precision_recall_fscore_support(target, predicted, labels=LETTERS, zero_division=0)
    found = [[*values.values()] for values in types(logits, table, words).values()]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-4)


@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_confusion_counts_words_by_type_as_scikit_learn(rows):
    for of in (task(), Task("tokens", LETTERS, False, ["word_accuracy"], [])):
        table, logits, target, predicted = scored(rows, of)
        names = [
            [name.split("-")[-1] for row in sentences for name in row]
            for sentences in (target, predicted)
        ]
        pairs = confusion(table.columns["tags"], logits.argmax(axis=1), of)
        labels = sorted({label.split("-")[-1] for label in of.labels})
        found = np.zeros((len(labels), len(labels)), int)
        for actual, guess, count in pairs:
            found[labels.index(actual), labels.index(guess)] = count
        np.testing.assert_array_equal(found, confusion_matrix(*names, labels=labels))
        assert [count for *_, count in pairs] == sorted((c for *_, c in pairs), reverse=True)


def test_intervals_resample_sentences():
    """Of sentences that are right or wrong as a whole, F1 is a mean over sentences."""
    random = np.random.default_rng(0)
    rows = [[(1, 1 if right else 3)] * 1 for right in random.random(400) < 0.7]
    table, logits, *_ = scored(rows, task())
    low, high = interval(*compared(logits, table, task()), METRICS["entity_f1"])
    share = np.mean([row[0][1] == 1 for row in rows])
    half = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert [low, high] == [
        pytest.approx(share - half, abs=0.01),
        pytest.approx(share + half, abs=0.01),
    ]
