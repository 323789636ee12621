"""Regressions do not depend on the unit of their scores."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from teachers import logits_of
from tiny import FAMILIES, config_of, tiny_config
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import predict
from tinybert.models.encode import read_rows
from tinybert.models.rows import Rows
from tinybert.pipeline.schema import Prediction, Training
from tinybert.tasks.gold import GoldLoss
from tinybert.tasks.scale import standard_scores
from tinybert.training import loop

TEXTS = ["good film", "great story", "brilliant music", "the actor is great", "very good"]
TEXTS += ["bad film", "dull plot", "terrible scene", "the story is boring", "very very bad"]
SCORES = [1.2, 1.5, 1.1, 1.4, 1.3, 0.1, 0.4, 0.2, 0.5, 0.3]
UNITS = {"shares": (0.01, 0.0), "stars": (2.0, 1.0), "prices": (30_000.0, 150_000.0)}
TRAINING = {
    "epochs": 20, "batch_size": 4, "lr": 1e-2, "warmup": 0.1, "weight_decay": 0.01,
    "max_grad_norm": 1.0, "dropout": 0.0,
}  # fmt: skip


@pytest.fixture
def rows(tmp_path, tokenizer):
    file = tmp_path / "rows.parquet"
    none = pa.array([None] * len(SCORES), pa.string())
    pq.write_table(pa.table({"text_a": TEXTS, "text_b": none, "score": SCORES}), file)
    return lambda: read_rows(file, tokenizer, 32)


def regressor() -> BertForSequenceClassification:
    torch.manual_seed(3)
    return BertForSequenceClassification(
        tiny_config(num_labels=1, problem_type="regression", initializer_range=0.5)
    )


def trained(rows: Rows, objective, log: Path) -> np.ndarray:
    """The scores of a model that was trained on the rows."""
    settings = Training(**TRAINING)
    with standard_scores(objective.student, rows):
        loop.fit(objective, rows, settings, seed=1, precision="fp32", log=log)
    return predict.logits(objective.student, rows, "fp32")[:, 0]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("step", ["gold", "prediction"])
def test_scores_in_another_unit_give_the_same_model_in_that_unit(rows, tmp_path, unit, step):
    settings = Prediction(**TRAINING, temperature=1.0, hard_label_weight=0.5)

    def scores_of(factor: float, shift: float) -> np.ndarray:
        own, model = rows(), regressor()
        columns = own.columns
        columns["score"] = columns["score"] * np.float32(factor) + np.float32(shift)
        if step == "gold":
            return trained(own, GoldLoss(model), tmp_path)
        columns["score"][3] = np.nan  # an unlabelled row
        logits = np.array(SCORES, np.float32)[:, None] ** 2
        columns["teacher_logits"] = logits * np.float32(factor) + np.float32(shift)
        return trained(own, PredictionLoss(model, settings), tmp_path)

    factor, shift = UNITS[unit]
    plain, other = scores_of(1, 0), scores_of(factor, shift)
    assert np.corrcoef(plain, SCORES)[0, 1] > 0.9
    assert (other - shift) / factor == pytest.approx(plain, abs=0.1)  # sums are rounded


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_of_each_architecture_gives_scores_in_their_unit(family):
    config = config_of(family, num_labels=1)
    model = AutoModelForSequenceClassification.from_config(config)
    before = logits_of(model)
    scores = np.array([2.0, 4.0, np.nan, 9.0], np.float32)
    rows = Rows(np.zeros(4, np.int32), np.arange(5), 0, columns={"score": scores})
    with standard_scores(model, rows):
        assert np.nanmean(rows.columns["score"]) == pytest.approx(0, abs=1e-6)
        assert np.nanstd(rows.columns["score"]) == pytest.approx(1)
        torch.testing.assert_close(logits_of(model), before)
    spread, mean = np.std([2, 4, 9]), 5.0
    torch.testing.assert_close(logits_of(model), before * spread + mean, rtol=1e-4, atol=1e-4)
    assert rows.columns["score"] is scores


def test_equal_scores_are_no_division_by_zero():
    rows = Rows(np.zeros(2, np.int32), np.arange(3), 0, columns={"score": np.full(2, 7.0)})
    with standard_scores(regressor(), rows):
        assert rows.columns["score"].tolist() == [0, 0]


def test_other_tasks_are_left_as_they_are():
    model = BertForSequenceClassification(tiny_config())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    columns = {"label": np.array([3, 9]), "teacher_logits": np.array([[3.0, 4.0], [5.0, 9.0]])}
    rows = Rows(np.zeros(2, np.int32), np.arange(3), 0, columns=dict(columns))
    with standard_scores(model, rows):
        assert rows.columns == columns
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
