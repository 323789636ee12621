"""The linear model of a task."""

import re

import numpy as np
import pandas as pd
import pytest

from tinybert.evaluation import linear
from tinybert.evaluation.linear import fit_linear
from tinybert.tasks.task import Task

TASK = Task("classification", ["a", "b", "c"], False, ["accuracy"], ["train", "dev"])


def table(rows: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text_a", "label"]).assign(text_b=None)


@pytest.mark.parametrize("words", [("good", "bad"), ("很好看", "太差了"), ("👍", "👎")])
def test_it_learns_which_words_mean_which_label(words):
    rows = [(f"{filler} {words[i]} {filler}", i) for filler in "klmnopqr" for i in range(2)]
    logits = fit_linear(table(rows[:8]), table(rows[8:12]), TASK).logits(table(rows[12:]))
    assert logits.shape == (4, 3)
    assert logits.argmax(1).tolist() == [0, 1, 0, 1]
    assert (logits[:, 2] == -np.inf).all()  # train has no row of class c


def test_words_are_characters_where_no_spaces_are_written():
    """A clause of Chinese as one word would occur once, and drown the others."""
    assert linear.WORDS.findall("这间 good_film很好，10%。") == [
        "这", "间", "good_film", "很", "好", "，", "10", "%", "。",
    ]  # fmt: skip
    for text in ("naïve café_1 isn't -- 3.5!", "очень хороший фильм", "영화가 좋다"):
        assert linear.WORDS.findall(text) == re.findall(r"\w+|[^\w\s]", text)


def test_many_labels_leave_few_features(monkeypatch):
    """With 1,000 labels and all features it would take gigabytes."""
    monkeypatch.setattr(linear, "WEIGHTS", 30)
    rows = [(f"{filler} {'good' if i else 'bad'}", i) for filler in "klmnopqr" for i in range(2)]
    model = fit_linear(table(rows), table(rows), TASK)
    assert model.features.transform(["good"]).shape[1] * 3 == 2 * 30


def test_its_c_is_the_best_on_dev(monkeypatch):
    random = np.random.default_rng(0)

    def rows(count: int) -> pd.DataFrame:
        words = random.choice(list("abcdefgh"), (count, 6))
        return table([(" ".join(row), int((row == "a").sum() > 0)) for row in words])

    train, dev = rows(40), rows(60)
    accuracy = {}
    for strength in linear.STRENGTHS:
        monkeypatch.setattr(linear, "STRENGTHS", (strength,))
        logits = fit_linear(train, dev, TASK).logits(dev)
        accuracy[strength] = (logits.argmax(1) == dev["label"]).mean()
    assert len(set(accuracy.values())) > 1
    monkeypatch.setattr(linear, "STRENGTHS", tuple(accuracy))
    logits = fit_linear(train, dev, TASK).logits(dev)
    assert (logits.argmax(1) == dev["label"]).mean() == max(accuracy.values())
