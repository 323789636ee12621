"""Rows whose words are replaced, and the settings of the stage augment."""

import pyarrow as pa

from tinybert.pipeline.schema import Augment

FIRST = ["A good film, very good!", "the plot was boring", "it is 42"]
SECOND = ["bad movie", "great actor and music", "good story"]


def table(first=FIRST, second=None) -> pa.Table:
    other = [None] * len(first) if second is None else second
    return pa.table(
        {
            "text_a": first,
            "text_b": pa.array(other, pa.string()),
            "label": list(range(len(first))),
        }
    )


def settings(**changes) -> Augment:
    values = {"copies": 1, "replace_probability": 0.5, "candidates": 3, "language": "en"}
    return Augment(**{**values, "word_vectors": None, **changes})
