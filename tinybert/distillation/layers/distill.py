"""Transformer distillation, in general distillation and in step 1 of task distillation."""

from pathlib import Path

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.models import device
from tinybert.models.rows import Rows
from tinybert.pipeline.schema import Training
from tinybert.training import curve, loop


def distill_layers(
    loss: LayerLoss,
    rows: Rows,
    settings: Training,
    *,
    seed: int,
    precision: str,
    log: Path,
    checkpoint_dir: Path,
    train: bool = True,
) -> None:
    """Trains the student and the projection of `loss`. Not to train, or 0 epochs, measures their
    losses alone. The other arguments are those of loop.fit."""
    if not train or not settings.epochs:
        curve.log_once(loop.mean_losses(loss, rows, settings), log, precision)
        return
    device.frozen(loss.teacher, precision)
    cache = checkpoint_dir / device.machine_kind(precision)
    cache.mkdir(exist_ok=True)
    cache_targets(loss, rows, settings.epochs, cache)
    loop.fit(
        loss, rows, settings, seed=seed, precision=precision, log=log, checkpoint_dir=checkpoint_dir
    )
