"""Labels of words: a linear model, and predictions for people."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from tinybert.tasks.task import Task
from tinybert.tasks.word_scores import shown_tags

WINDOW = 2  # words to each side
STRENGTH = 1.0  # C, the inverse regularisation
FREQUENT = 2  # features of fewer words are left out, by their count in train
WORDS = 200_000  # of train, at most: on one core, a pass over them and 10 classes takes 0.2 s
WEIGHTS = 2_400_000  # at most, features times classes: the fit takes some 25 copies of them
SEED = 1  # not params.yaml's: the model is the same for all seeds


def shown(values: np.ndarray, table: pd.DataFrame, starts: np.ndarray, task: Task) -> list[str]:
    """Each sentence's entities as `TYPE: words`, separated by semicolons; of labels that are none,
    all labels.

    values: (words,), numbers of labels. table: with the words. starts: (rows + 1,), where the words
    of each row begin.
    """
    return [
        shown_tags(words, values[begin:end], task)
        for words, (begin, end) in zip(table["words"], pairwise(starts), strict=True)
    ]


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
    """Learns train: words and tags; of a large one a random part, and the most frequent features.
    Prints a line if it leaves some out."""
    sizes = train["words"].map(len).to_numpy()
    order = np.random.default_rng(SEED).permutation(len(train))
    part = np.sort(order[: max(1, np.searchsorted(sizes[order].cumsum(), WORDS, side="right"))])
    learnt = train.iloc[part]
    features = DictVectorizer()
    counts = features.fit_transform(_windows(learnt)).getnnz(axis=0)
    most = max(1, WEIGHTS // len(task.labels))
    kept = np.sort(np.argsort(-counts, kind="stable")[:most])
    kept = kept[counts[kept] >= FREQUENT]
    frequent = int((counts >= FREQUENT).sum())
    if len(part) < len(train) or len(kept) < frequent:
        print(
            f"the linear model learns {len(part):,} of {len(train):,} sentences and {len(kept):,} "
            f"of {frequent:,} features, so that its memory and time are bounded"
        )
    features.restrict(kept, indices=True)
    inputs = features.transform(_windows(learnt))
    regression = LogisticRegression(C=STRENGTH, max_iter=300)
    regression.fit(inputs, np.concatenate(learnt["tags"].to_list()))
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
