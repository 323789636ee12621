"""The logs of a training: losses, learning rate and dev scores by step, and its environment."""

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from dvclive import Live
from torch import Tensor
from tqdm import tqdm

from tinybert.models.device import environment
from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import write_json

POINTS = 200  # per curve; losses are averaged over the steps between two points


class Curve:
    """Losses and learning rates by step: means over the steps between two points of the curve, and
    over the processes."""

    def __init__(self, live: Live | None, bar: tqdm, steps: int):
        self.live, self.bar, self.steps = live, bar, steps
        self.window = max(1, steps // POINTS)
        self.epoch, self.step, self.sums, self.count = 0, 0, {}, 0
        self.points: list[tuple[int, dict[str, float]]] = []

    def add(self, losses: dict[str, Tensor], lr: float, rows: Tensor) -> None:
        """Raises InputError if the loss is NaN or infinite."""
        self.step += 1
        self.count += 1
        self.bar.update()
        values = torch.stack([loss.detach().float() for loss in losses.values()]).tolist()
        values = dict(zip(losses, values, strict=True))
        if not math.isfinite(values["loss"]):
            raise InputError(
                f"the loss is {values['loss']} in epoch {self.epoch + 1}, step {self.step} of "
                f"{self.steps}, lr {lr:.3g}, rows {rows.tolist()}; a lower lr or max_grad_norm may "
                f"help ({self.bar.desc})"
            )
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}
        if self.step % self.window == 0 or self.step == self.steps:
            means = torch.tensor(list(self.sums.values()), device=rows.device) / self.count
            means = dict(zip(self.sums, distributed.mean(means).tolist(), strict=True))
            self._log(self.step, {**means, "lr": lr})
            self.bar.set_postfix(loss=f"{means['loss']:.4f}")
            self.sums, self.count = {}, 0

    def add_dev(self, value: float) -> None:
        self._log(self.step, {"dev": value})

    def _log(self, step: int, values: dict[str, float]) -> None:
        self.points.append((step, values))
        if self.live is not None:
            self.live.step = step
            for name, value in values.items():
                self.live.log_metric(name, value)
            self.live.make_summary()

    def state(self) -> dict:
        """The curve so far, in plain types, for `restore`."""
        return {"points": self.points, "sums": self.sums, "count": self.count, "step": self.step}

    def restore(self, state: dict) -> None:
        """Logs the points again: DVC has deleted the killed run's files."""
        self.sums, self.count, self.step = state["sums"], state["count"], state["step"]
        self.bar.update(self.step)
        for step, values in state["points"]:
            self._log(step, values)


def live(log: Path) -> AbstractContextManager[Live | None]:
    """dvclive's logger in the main process; None in the others."""
    if not distributed.is_main():
        return nullcontext()
    return Live(str(log), dvcyaml=None, report=None, save_dvc_exp=False)


def log_environment(log: Path, precision: str) -> None:
    """Writes environment.json next to the curves: hardware, libraries, precision."""
    values = environment(precision)
    if distributed.is_main():
        write_json(log / "environment.json", values)


def log_skipped(reason: str, log: Path, title: str) -> None:
    """Writes why a training does not take place, in place of its curves, and says it."""
    if distributed.is_main():
        write_json(log / "skipped.json", {"skipped": reason})
        print(f"{title} is skipped: {reason}")


def log_once(values: dict[str, float], log: Path, precision: str) -> None:
    """Logs one point, for a stage that does not train."""
    log_environment(log, precision)
    with live(log) as logger:
        if logger is not None:
            for name, value in values.items():
                logger.log_metric(name, value)
            logger.make_summary()
