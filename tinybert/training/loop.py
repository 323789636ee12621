"""The one training loop: every stage that trains brings an objective and rows."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import skip_first_batches
from accelerate.utils import set_seed
from torch import nn
from tqdm import tqdm
from transformers import get_linear_schedule_with_warmup

from tinybert.models.batches import training_batches
from tinybert.models.device import accelerator, machine_kind
from tinybert.models.dropout import set_dropout
from tinybert.models.rows import Rows, evenly_spaced
from tinybert.pipeline import distributed
from tinybert.pipeline.schema import Training
from tinybert.training.curve import Curve, live, log_environment
from tinybert.training.snapshots import Snapshots, State

SAMPLE = 512  # rows


def fit(
    objective: nn.Module,
    rows: Rows,
    settings: Training,
    *,
    seed: int,
    precision: str,
    log: Path,
    score: Callable[[], float] | None = None,
    checkpoint_dir: Path | None = None,
) -> None:
    """Trains the parameters of `objective` that require gradients, with AdamW, linear warm-up and
    decay, and gradient clipping.

    objective: called with a batch, returns scalars, of which `loss` is minimised; its `student` is
    the model that the stage saves. log: where dvclive writes the curves. score: called after each
    epoch, higher is better; the student of the best epoch is kept. None: that of the last epoch.
    checkpoint_dir: directory to resume from; None disables checkpointing.
    Several processes share every batch.
    Raises InputError with step, rows and learning rate if the loss is NaN or infinite.
    """
    log_environment(log, precision)
    set_seed(seed)
    set_dropout(objective.student, settings.dropout)
    machine, is_main = accelerator(precision), distributed.is_main()
    loader, sampler = training_batches(
        rows, settings.batch_size, seed, distributed.rank(), distributed.world_size()
    )
    groups = _groups(objective, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, fused=True)
    model, optimizer = machine.prepare(objective, optimizer)
    steps = len(loader) * settings.epochs
    schedule = get_linear_schedule_with_warmup(
        optimizer.optimizer, math.ceil(steps * settings.warmup), steps
    )
    state = State(objective, optimizer.optimizer, schedule)
    # Another kind of machine rounds sums differently: there the training restarts from scratch.
    snapshots = Snapshots(checkpoint_dir and checkpoint_dir / machine_kind(precision))
    title = "/".join(log.parts[-2:])

    with (
        live(log) as logger,
        tqdm(total=steps, desc=title, unit="step", mininterval=1, disable=not is_main) as bar,
        snapshots.catch_signals(),
    ):
        curve = Curve(logger, bar, steps)
        snapshots.restore(state, curve)
        flags = 0.0
        for epoch in range(state.epoch, settings.epochs):
            model.train()
            sampler.epoch = curve.epoch = epoch
            previous = None
            for batch in skip_first_batches(loader, state.batch) if state.batch else loader:
                batch = {k: tensor.to(machine.device) for k, tensor in batch.items()}
                losses, lr = model(batch), schedule.get_last_lr()[0]
                machine.backward(losses["loss"])
                machine.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                state.batch, state.step = state.batch + 1, state.step + 1
                # Reading a loss waits for its step: that of the previous step is ready by now.
                if previous is not None:
                    curve.add(*previous)
                previous = losses, lr, batch["row"]
                if flags:
                    curve.add(*previous)
                    previous = None
                    snapshots.save_or_stop(flags, state, curve)
                flags = snapshots.poll(machine.device)
            if previous is not None:
                curve.add(*previous)
            if score is not None:
                value = score()
                curve.add_dev(value)
                if value > state.best or state.best_state is None:
                    state.best, state.best_state = value, _copy(objective.student)
            state.epoch, state.batch = epoch + 1, 0
            snapshots.save_or_stop(snapshots.poll(machine.device), state, curve)
    machine.unwrap_model(model, keep_fp32_wrapper=False)
    objective._is_accelerate_prepared = False  # or a second training would run without autocast
    if state.best_state is not None:
        objective.student.load_state_dict(state.best_state)
    objective.cpu()


def mean_losses(objective: nn.Module, rows: Rows, settings: Training) -> dict[str, float]:
    """The mean losses over at most SAMPLE evenly spaced rows, without training, in float32."""
    sample, size = evenly_spaced(len(rows), SAMPLE), settings.batch_size
    batches = [sample[i : i + size] for i in range(0, len(sample), size)]
    means: dict[str, float] = {}
    objective.eval()
    with torch.inference_mode():
        for indices in batches:
            for name, loss in objective(rows.batch(indices)).items():
                means[name] = means.get(name, 0.0) + loss.item() / len(batches)
    return means


def _groups(objective: nn.Module, weight_decay: float) -> list[dict]:
    """Parameter groups: biases and LayerNorm weights do not decay."""
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
