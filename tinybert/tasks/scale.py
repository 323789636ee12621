"""Scores of any unit: a regression is trained on them in units of their spread.

A new head starts near 0, and Adam moves a weight by no more than the learning rate a step: on
scores from 1 to 5, let alone prices, a short training would go by before the mean is learnt.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from transformers import PreTrainedModel

from tinybert.models.device import output_layer
from tinybert.models.rows import Rows


@contextmanager
def standard_scores(model: PreTrainedModel, rows: Rows) -> Iterator[None]:
    """Within it, the scores of the rows have mean 0 and standard deviation 1: those of the teacher
    if there are any, else the gold ones, which otherwise change in the same way. Afterwards the
    head of `model`, which is new before, gives scores in their own unit. Changes nothing for rows
    without a column `score`, which are not those of a regression."""
    columns = rows.columns
    if "score" not in columns:
        yield
        return
    scores = columns.get("teacher_logits", columns["score"]).astype(float)
    mean, spread = float(np.nanmean(scores)), float(np.nanstd(scores)) or 1.0
    kept = {name: columns[name] for name in ("score", "teacher_logits") if name in columns}
    columns.update(
        {name: ((values - mean) / spread).astype(np.float32) for name, values in kept.items()}
    )
    yield
    columns.update(kept)
    last = output_layer(model)
    with torch.no_grad():
        last.weight.mul_(spread)
        last.bias.mul_(spread).add_(mean)
