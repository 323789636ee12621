"""The training loop: what it minimises, which epoch it keeps, what it logs, what it refuses."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tiny_config
from torch import nn
from transformers import BertForSequenceClassification

from tinybert.models.batches import training_batches
from tinybert.models.encode import encode
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Training
from tinybert.tasks.gold import GoldLoss
from tinybert.training import curve as curve_module
from tinybert.training import loop

GOOD = ["good film", "great story", "brilliant music", "the actor is great", "good good good"]
BAD = ["bad film", "dull plot", "terrible scene", "the story is boring", "very very bad"]


def settings(**changes) -> Training:
    values = {
        "epochs": 12,
        "batch_size": 4,
        "lr": 1e-2,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "dropout": 0.1,
    }
    return Training(**{**values, **changes})


@pytest.fixture
def rows(tokenizer):
    label = np.array([1] * len(GOOD) + [0] * len(BAD))
    return encode(GOOD + BAD, None, tokenizer, 32, label=label)


def classifier(**changes) -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(tiny_config(**{"num_labels": 2, **changes}))


def fit(objective, rows, tmp_path, score=None, **changes):
    loop.fit(
        objective,
        rows,
        settings(**changes),
        seed=1,
        precision="fp32",
        log=tmp_path / "log",
        score=score,
    )


def test_it_learns_and_logs_curves(rows, tmp_path):
    model = classifier(initializer_range=0.2)
    fit(GoldLoss(model), rows, tmp_path, dropout=0.0, epochs=30)
    batch = rows.batch(list(range(len(rows))))
    predicted = model.eval()(batch["input_ids"], batch["attention_mask"]).logits.argmax(1)
    assert predicted.tolist() == batch["label"].tolist()
    curves = tmp_path / "log/plots/metrics"
    loss = pd.read_csv(curves / "loss.tsv", sep="\t")
    assert loss["step"].tolist() == list(range(1, 3 * 30 + 1))  # 10 rows in batches of 4: 3
    assert loss["loss"].iloc[-1] < loss["loss"].iloc[0] / 2
    rate = pd.read_csv(curves / "lr.tsv", sep="\t")["lr"]
    assert (
        rate.max() == pytest.approx(1e-2) and rate.idxmax() == 9
    )  # 90 steps, a tenth of them warm-up
    assert rate.iloc[0] == 0 and rate.iloc[-1] == pytest.approx(1e-2 / 81)
    assert json.loads((tmp_path / "log/metrics.json").read_text())["step"] == 90


def test_the_same_seed_gives_the_same_weights(rows, tmp_path):
    first, second = classifier(), classifier()
    for name, model in (("a", first), ("b", second)):
        fit(GoldLoss(model), rows, tmp_path / name, epochs=2)
    weights = second.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in first.state_dict().items())


def test_weights_are_those_of_a_plain_loop(rows, tmp_path):
    """The plain loop has its own schedule, no accelerate and no fused AdamW. Some words of the
    vocabulary are in no batch."""
    ours, plain, options = classifier(), classifier(), settings(dropout=0.0, epochs=4)
    fit(GoldLoss(ours), rows, tmp_path, dropout=0.0, epochs=4)

    objective = GoldLoss(plain.eval())
    groups = [
        {"params": [p for p in plain.parameters() if (p.ndim > 1) == decays], "weight_decay": decay}
        for decays, decay in ((True, options.weight_decay), (False, 0.0))
    ]
    adam = torch.optim.AdamW(groups, foreach=False)
    loader, sampler = training_batches(rows, options.batch_size, 1)
    steps = 4 * len(loader)
    warm = math.ceil(steps * options.warmup)
    batches = []
    for sampler.epoch in range(4):
        batches += loader
    for done, batch in enumerate(batches):
        share = done / warm if done < warm else (steps - done) / (steps - warm)
        for group in adam.param_groups:
            group["lr"] = options.lr * share
        adam.zero_grad()
        objective(batch)["loss"].backward()
        nn.utils.clip_grad_norm_(plain.parameters(), options.max_grad_norm)
        adam.step()
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-5)


def test_a_second_training_computes_in_the_same_precision(rows, tmp_path):
    """In bfloat16, also the second time; the weights stay in float32."""
    objective, seen = GoldLoss(classifier()), []
    objective.student.classifier.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    for i in range(2):
        options, log = settings(epochs=1, batch_size=10), tmp_path / str(i)
        loop.fit(objective, rows, options, seed=1, precision="bf16", log=log)
        assert seen == [torch.bfloat16] * (i + 1)
    assert {parameter.dtype for parameter in objective.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert objective(rows.batch([0]))["loss"].dtype == torch.float32
    assert seen[-1] == torch.float32


def test_the_best_epoch_is_kept_even_if_scores_never_rise_above_zero(rows, tmp_path):
    model, seen, scores = classifier(), [], iter([-3.0, -1.0, -2.0])

    def score() -> float:
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return next(scores)

    fit(GoldLoss(model), rows, tmp_path, score, epochs=3)
    assert len(seen) == 3
    weights = model.state_dict()
    assert all(torch.equal(weights[key], seen[1][key]) for key in weights)
    assert not all(torch.equal(weights[key], seen[2][key]) for key in weights)


@pytest.mark.parametrize(
    ("values", "best"),
    [([-0.5, -0.2, -0.4], 1), ([0.0, 0.0, -0.1], 0), ([0.3, 0.5, 0.5], 1), ([-1.0, -0.9, 0.0], 2)],
)
def test_the_first_of_the_best_epochs_is_kept(rows, tmp_path, values, best):
    model, seen, scores = classifier(), [], iter(values)

    def score() -> float:
        seen.append(model.classifier.weight.detach().clone())
        return next(scores)

    fit(GoldLoss(model), rows, tmp_path, score, epochs=3)
    assert not any(torch.equal(seen[i], seen[j]) for i, j in [(0, 1), (0, 2), (1, 2)])
    assert torch.equal(model.classifier.weight, seen[best])
    curve = pd.read_csv(tmp_path / "log/plots/metrics/dev.tsv", sep="\t")
    assert curve["dev"].tolist() == values
    assert curve["step"].tolist() == [3, 6, 9]  # the last of each epoch


@pytest.mark.parametrize("batch_size", [4, 10, 64])
def test_a_run_with_fewer_steps_than_points_is_scored_and_saved(rows, tmp_path, batch_size):
    """The reference code scores and saves every so many steps: short runs saved nothing."""
    model, seen = classifier(), []

    def score() -> float:
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return 0.0

    fit(GoldLoss(model), rows, tmp_path, score, epochs=1, batch_size=batch_size, warmup=0.0)
    steps = -(-10 // batch_size)
    assert steps < curve_module.POINTS and len(seen) == 1
    assert all(torch.equal(tensor, seen[0][name]) for name, tensor in model.state_dict().items())
    start = classifier().state_dict()
    assert not torch.equal(start["classifier.weight"], seen[0]["classifier.weight"])
    curves = tmp_path / "log/plots/metrics"
    for name in ("loss", "lr"):
        curve = pd.read_csv(curves / f"{name}.tsv", sep="\t")
        assert curve["step"].tolist() == list(range(1, steps + 1))
    assert json.loads((tmp_path / "log/metrics.json").read_text())["dev"] == 0.0


def test_points_of_a_long_run_are_the_means_of_the_steps_since_the_last(
    rows, tmp_path, monkeypatch
):
    monkeypatch.setattr(curve_module, "POINTS", 4)
    values = []

    class Recorded(GoldLoss):
        def forward(self, batch):
            losses = super().forward(batch)
            values.append(losses["loss"].item())
            return losses

    fit(Recorded(classifier()), rows, tmp_path, epochs=5, batch_size=5)  # 10 steps, points of 2
    curve = pd.read_csv(tmp_path / "log/plots/metrics/loss.tsv", sep="\t")
    assert curve["step"].tolist() == [2, 4, 6, 8, 10]
    expected = np.array(values).reshape(5, 2).mean(axis=1)
    np.testing.assert_allclose(curve["loss"], expected, rtol=1e-6)
    values.clear()
    fit(
        Recorded(classifier()), rows, tmp_path / "odd", epochs=3, batch_size=4
    )  # 9 steps: 2 2 2 2 1
    curve = pd.read_csv(tmp_path / "odd/log/plots/metrics/loss.tsv", sep="\t")
    assert curve["step"].tolist() == [2, 4, 6, 8, 9]
    assert curve["loss"].iloc[-1] == pytest.approx(values[8], rel=1e-6)
    assert curve["loss"].iloc[-2] == pytest.approx((values[6] + values[7]) / 2, rel=1e-6)


def test_a_single_row_trains(tokenizer, tmp_path):
    """The reference code drops the last partial batch: a small set then trains nothing."""
    rows = encode(["good film"], None, tokenizer, 32, label=np.array([1]))
    model = classifier()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fit(GoldLoss(model), rows, tmp_path, epochs=2, batch_size=32, warmup=0.0)
    after = model.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_is_that_of_the_stage(rows, tmp_path, dropout):
    model = classifier()
    fit(GoldLoss(model), rows, tmp_path, epochs=1, dropout=dropout)
    model.train()
    batch = rows.batch(list(range(8)))
    once, again = (model(batch["input_ids"], batch["attention_mask"]).logits for _ in range(2))
    assert torch.equal(once, again) == (dropout == 0)


def test_only_what_requires_gradients_is_trained(rows, tmp_path):
    model = classifier()
    model.bert.embeddings.requires_grad_(False)
    before = model.bert.embeddings.word_embeddings.weight.clone()
    fit(GoldLoss(model), rows, tmp_path, epochs=1)
    assert torch.equal(before, model.bert.embeddings.word_embeddings.weight)


class Broken(nn.Module):
    """Its loss is not finite in the third step."""

    def __init__(self, value: float):
        super().__init__()
        self.student, self.value, self.calls = classifier(), value, 0

    def forward(self, batch):
        self.calls += 1
        loss = self.student.classifier.weight.sum()
        return {"loss": loss * self.value if self.calls == 3 else loss}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_is_located(rows, tmp_path, value):
    with pytest.raises(InputError, match=r"epoch 1, step 3 of 36, lr .*rows \[\d+(, \d+)+\]"):
        fit(Broken(value), rows, tmp_path)


def test_gradients_are_clipped(tokenizer, tmp_path, monkeypatch):
    """The norm of the gradients that the optimizer gets is at most max_grad_norm."""
    norms = []
    step = torch.optim.AdamW.step

    def spy(self, *args, **kwargs):
        gradients = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    rows = encode(GOOD, None, tokenizer, 32, label=np.zeros(len(GOOD), dtype=np.int64))
    fit(GoldLoss(classifier()), rows, tmp_path, epochs=2, max_grad_norm=1e-3)
    assert norms and max(norms) <= 1.01e-3


def test_values_logged_once_have_the_format_of_a_trainings_curves(rows, tmp_path):
    """The same files and columns: one plot shows both."""
    fit(GoldLoss(classifier()), rows, tmp_path, lambda: 0.5, epochs=1)
    curve_module.log_once({"dev": 0.25, "loss": 1.5}, tmp_path / "once", "fp32")
    for name, value in (("dev", 0.25), ("loss", 1.5)):
        trained, once = (
            pd.read_csv(tmp_path / folder / f"plots/metrics/{name}.tsv", sep="\t")
            for folder in ("log", "once")
        )
        assert once.columns.tolist() == trained.columns.tolist()
        assert once[name].tolist() == [value]
    summary = json.loads((tmp_path / "once/metrics.json").read_text())
    assert (summary["dev"], summary["loss"]) == (0.25, 1.5)
    assert not (tmp_path / "dvc.yaml").exists() and not (tmp_path / "once/dvc.yaml").exists()


class Counted(nn.Module):
    """Its losses depend on the row numbers. It must be called in eval mode, without autograd."""

    def __init__(self):
        super().__init__()
        self.student, self.rows = nn.Linear(1, 1), []

    def forward(self, batch):
        assert not self.training and not torch.is_grad_enabled()
        self.rows += batch["row"].tolist()
        mean = batch["row"].double().mean()
        return {"loss": mean + self.student.weight.mean() * 0, "squared": mean**2}


def test_mean_losses_are_the_means_over_the_batches(rows):
    objective = Counted()
    before = objective.student.weight.clone()
    losses = loop.mean_losses(objective, rows, settings(batch_size=5))
    assert objective.rows == list(range(10))
    assert losses == pytest.approx({"loss": (2 + 7) / 2, "squared": (2**2 + 7**2) / 2})
    assert torch.equal(objective.student.weight, before) and objective.student.weight.grad is None


@pytest.mark.parametrize("count", [7, 8, 9, 15, 16, 40])
def test_mean_losses_sample_rows_evenly(tokenizer, monkeypatch, count):
    monkeypatch.setattr(loop, "SAMPLE", 8)
    objective = Counted()
    rows = encode(["good"] * count, None, tokenizer, 32)
    loop.mean_losses(objective, rows, settings(batch_size=4))
    assert len(objective.rows) <= 8 and len(set(objective.rows)) == len(objective.rows)
    gaps = np.diff([*objective.rows, count])
    assert objective.rows[0] == 0 and gaps.max() <= -(-count // 4)
