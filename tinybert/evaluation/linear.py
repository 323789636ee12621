"""A linear model of a task: what a second of work gives, which a language model must beat."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import regex
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_union

from tinybert.tasks.scores import scores
from tinybert.tasks.task import Task

# In scripts without spaces, such as Chinese, a character is one.
WITHOUT_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORDS = regex.compile(rf"[{WITHOUT_SPACES}]|[^\W{WITHOUT_SPACES}]+|[^\w\s]")
STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # C, the inverse regularisation
FEATURES = 200_000  # most, of words and of groups of characters each
WEIGHTS = 2_400_000  # most for each of them, features times classes: the fit takes some 25 copies


class LinearModel(NamedTuple):
    """A logistic regression on the TF-IDF of a row's words and groups of characters."""

    features: FeatureUnion
    regression: LogisticRegression
    classes: int

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        """(rows, classes). table: with text_a and text_b."""
        values = np.full((len(table), self.classes), -np.inf)  # train may lack a class
        inputs = self.features.transform(_texts(table))
        values[:, self.regression.classes_] = self.regression.predict_log_proba(inputs)
        return values


def fit_linear(train: pd.DataFrame, dev: pd.DataFrame, task: Task) -> LinearModel:
    """The model learns train; its C is the best on dev by the task's metric."""
    most = max(1, min(FEATURES, WEIGHTS // len(task.labels)))
    tfidf = {"sublinear_tf": True, "max_features": most}
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), tokenizer=WORDS.findall, token_pattern=None, **tfidf),
        TfidfVectorizer(ngram_range=(2, 4), analyzer="char_wb", **tfidf),
    )
    inputs, target = features.fit_transform(_texts(train)), dev["label"].to_numpy()
    models = [
        LinearModel(
            features,
            LogisticRegression(C=strength, max_iter=1000).fit(inputs, train["label"]),
            len(task.labels),
        )
        for strength in STRENGTHS
    ]
    return max(models, key=lambda m: scores(m.logits(dev), target, [task.metric])[task.metric])


def _texts(table: pd.DataFrame) -> list[str]:
    """A row's texts as one."""
    return (table["text_a"] + " " + table["text_b"].fillna("")).tolist()
