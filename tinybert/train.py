"""The one training loop: every stage that trains brings an objective and rows."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate.utils import set_seed
from dvclive import Live
from torch import nn
from tqdm import tqdm
from transformers import get_linear_schedule_with_warmup

from tinybert.device import accelerator
from tinybert.encode import Rows, spread, training_batches

POINTS = 200  # of a curve: losses are averaged over the steps in between
SAMPLE = 512  # rows


def fit(
    objective: nn.Module,
    rows: Rows,
    settings,
    *,
    seed: int,
    precision: str,
    log: Path,
    score: Callable[[], float] | None = None,
) -> None:
    """Trains what in `objective` requires gradients: AdamW, warm-up, linear decay, clipping.

    objective: called with a batch, returns scalars, of which `loss` is minimised; its `student` is
    what the stage saves. settings: a schema.Training. log: where dvclive writes the curves.
    score: after each epoch, higher is better; the student of the best epoch is kept. Without it,
    that of the last epoch.
    Raises FloatingPointError if the loss is NaN or infinite: step, rows and learning rate named.
    """
    set_seed(seed)
    for module in objective.student.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    machine = accelerator(precision)
    loader, sampler = training_batches(rows, settings.batch_size, seed)
    optimizer = torch.optim.AdamW(
        _groups(objective, settings.weight_decay), lr=settings.lr, fused=True
    )
    model, optimizer, loader = machine.prepare(objective, optimizer, loader)
    steps = len(loader) * settings.epochs
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(steps * settings.warmup), steps)
    window = max(1, steps // POINTS)
    best, best_state, step, sums = -math.inf, None, 0, {}

    with (
        Live(str(log), dvcyaml=None, report=None, save_dvc_exp=False) as live,
        tqdm(total=steps, desc="/".join(log.parts[-2:]), unit="step", mininterval=1) as bar,
    ):
        for epoch in range(settings.epochs):
            model.train()
            sampler.epoch = epoch
            for batch in loader:
                losses = model(batch)
                lr = schedule.get_last_lr()[0]
                values = {name: loss.item() for name, loss in losses.items()}
                if not math.isfinite(values["loss"]):
                    raise FloatingPointError(
                        f"the loss is {values['loss']} in epoch {epoch + 1}, step {step + 1} of "
                        f"{steps}, lr {lr:.3g}, rows {batch['row'].tolist()}; a lower lr or "
                        f"max_grad_norm may help ({log})"
                    )
                machine.backward(losses["loss"])
                machine.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                step += 1
                bar.update()
                sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
                if step % window == 0 or step == steps:
                    live.step = step
                    taken = window if step % window == 0 else step % window
                    for name, value in sums.items():
                        live.log_metric(name, value / taken)
                    live.log_metric("lr", lr)
                    live.make_summary()
                    bar.set_postfix(loss=f"{sums['loss'] / taken:.4f}")
                    sums = {}
            if score is not None:
                value = score()
                live.step = step
                live.log_metric("dev", value)
                if value > best or best_state is None:
                    best, best_state = value, _copy(objective.student)
    machine.unwrap_model(model, keep_fp32_wrapper=False)
    if best_state is not None:
        objective.student.load_state_dict(best_state)
    objective.cpu()


def write_once(values: dict[str, float], log: Path) -> None:
    """The curves of a stage that had nothing to train: one point."""
    with Live(str(log), dvcyaml=None, report=None, save_dvc_exp=False) as live:
        for name, value in values.items():
            live.log_metric(name, value)
        live.make_summary()


def mean_losses(objective: nn.Module, rows: Rows, batch_size: int) -> dict[str, float]:
    """The losses over some evenly spread rows, without training, in float32."""
    chosen = spread(len(rows), SAMPLE)
    batches = [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
    sums: dict[str, float] = {}
    objective.eval()
    with torch.inference_mode():
        for indices in batches:
            for name, loss in objective(rows.batch(indices)).items():
                sums[name] = sums.get(name, 0.0) + loss.item() / len(batches)
    return sums


def _groups(objective: nn.Module, weight_decay: float) -> list[dict]:
    """Biases and LayerNorm weights do not decay."""
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
