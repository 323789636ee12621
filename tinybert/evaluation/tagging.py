"""Labels of words: scores of each type, a linear model, and predictions for people."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from tinybert.models.rows import Rows
from tinybert.tasks.entities import Entity, of_iob2
from tinybert.tasks.scores import prediction
from tinybert.tasks.task import Task

WINDOW = 2  # words to each side
STRENGTH = 1.0  # C, the inverse regularisation
FREQUENT = 2  # features of fewer words are left out, by their count in train


def type_scores(logits: np.ndarray, rows: Rows, task: Task) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each type of entity, and the `count` of its entities; of each
    label and its words, if labels mark no entities.

    logits: (words, classes). As seqeval: an entity is right if its type and all its words are.
    """
    types = task.labels
    if task.has_entities:
        types = [label[2:] for label in task.labels if label.startswith("B-")]
    counts = {kind: np.zeros(3, int) for kind in types}  # there, predicted, right
    target = rows.columns[task.target]
    predicted = prediction(logits, target)
    for begin, end in pairwise(rows.words.starts):
        actual, found = (set(_parts(tags[begin:end], task)) for tags in (target, predicted))
        for i, parts in enumerate((actual, found, actual & found)):
            for part in parts:
                counts[part.type][i] += 1
    return {
        kind: {
            "precision": _share(right, found),
            "recall": _share(right, actual),
            "f1": _share(2 * right, actual + found),
            "count": int(actual),
        }
        for kind, (actual, found, right) in counts.items()
    }


def _parts(tags: np.ndarray, task: Task) -> list[Entity]:
    """The entities of a sentence, or each word as one. tags: numbers of labels."""
    labels = [task.labels[i] for i in tags]
    if task.has_entities:
        return of_iob2(labels)
    return [Entity(i, i + 1, label) for i, label in enumerate(labels)]


def _share(part: int, of: int) -> float:
    return round(float(part / of), 4) if of else 0.0


def shown(values: np.ndarray, table: pd.DataFrame, starts: np.ndarray, task: Task) -> list[str]:
    """Each sentence's entities as `TYPE: words`, separated by semicolons; of labels that are none,
    all labels.

    values: (words,), numbers of labels. table: with the words. starts: (rows + 1,), where the words
    of each row begin.
    """
    lines = []
    for words, (begin, end) in zip(table["words"], pairwise(starts), strict=True):
        labels = [task.labels[i] for i in values[begin:end]]
        if task.has_entities:
            entities = of_iob2(labels)
            labels = [f"{kind}: {' '.join(words[a:b])}" for a, b, kind in entities]
        lines.append(("; " if task.has_entities else " ").join(labels))
    return lines


class LinearTagger(NamedTuple):
    """A logistic regression on a word, its form and the words around it."""

    features: DictVectorizer
    regression: LogisticRegression
    classes: int

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        """(words, classes), of all sentences. table: with the words."""
        inputs = self.features.transform(_windows(table))
        values = np.full((inputs.shape[0], self.classes), -np.inf)  # train may lack a class
        values[:, self.regression.classes_] = self.regression.predict_log_proba(inputs)
        return values


def fit_tagger(train: pd.DataFrame, task: Task) -> LinearTagger:
    """Learns train: words and tags."""
    features = DictVectorizer()
    inputs = features.fit_transform(_windows(train))
    features.restrict(inputs.getnnz(axis=0) >= FREQUENT)
    inputs = features.transform(_windows(train))
    regression = LogisticRegression(C=STRENGTH, max_iter=300)
    regression.fit(inputs, np.concatenate(train["tags"].to_list()))
    return LinearTagger(features, regression, len(task.labels))


def _windows(table: pd.DataFrame) -> Iterator[dict[str, str | bool]]:
    """The features of each word."""
    for words in table["words"]:
        for i, word in enumerate(words):
            features = {
                "bias": True, "prefix": word[:3], "suffix": word[-3:], "ending": word[-2:],
                "form": _form(word),
            }  # fmt: skip
            for place in range(max(0, i - WINDOW), min(len(words), i + WINDOW + 1)):
                features[f"word {place - i}"] = words[place].casefold()
                if abs(place - i) == 1:
                    features[f"form {place - i}"] = _form(words[place])
            features["begin"], features["end"] = i == 0, i == len(words) - 1
            yield features


def _form(word: str) -> str:
    """Upper-case letters as X, lower-case ones as x, digits as 0, each run once: Xx0-x."""
    form = ["X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word]
    return "".join(c for i, c in enumerate(form) if i == 0 or c != form[i - 1])
