"""The linear model of labels of words, and its bounds."""

import numpy as np
import pandas as pd
import pytest
from sentences import sentences, task

from tinybert.evaluation import tagging
from tinybert.evaluation.tagging import fit_tagger


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(sentences(), columns=["words", "tags"])


def test_it_learns_words_by_their_neighbours(table, capsys):
    model = fit_tagger(table, task())
    predicted = model.logits(table).argmax(axis=1)
    assert (predicted == np.concatenate(table["tags"].to_list())).mean() == 1
    assert capsys.readouterr().out == ""


def test_a_large_table_is_learnt_in_part_and_said_so(table, capsys, monkeypatch):
    monkeypatch.setattr(tagging, "WORDS", 60)
    monkeypatch.setattr(tagging, "WEIGHTS", 20 * len(task().labels))
    model = fit_tagger(table, task())
    [line] = capsys.readouterr().out.splitlines()
    assert f" of {len(table)} sentences and 20 of " in line
    count = int(line.split("learns ")[1].split()[0])
    sizes = sorted(table["words"].map(len))
    assert sum(sizes[:count]) <= 60 and count >= 60 // sizes[-1]
    assert model.regression.coef_.shape[1] == 20 == len(model.features.feature_names_)
    again = fit_tagger(table, task())
    np.testing.assert_array_equal(model.logits(table), again.logits(table))


def test_the_features_that_stay_are_the_most_frequent(table, monkeypatch):
    """Each word has these."""
    monkeypatch.setattr(tagging, "WEIGHTS", 3 * len(task().labels))
    names = fit_tagger(table, task()).features.feature_names_
    assert sorted(names) == ["begin", "bias", "end"]
