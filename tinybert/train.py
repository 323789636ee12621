"""The one training loop: every stage that trains brings an objective and rows."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import skip_first_batches
from accelerate.utils import set_seed
from dvclive import Live
from torch import Tensor, nn
from tqdm import tqdm
from transformers import get_linear_schedule_with_warmup

from tinybert import processes
from tinybert.batches import training_batches
from tinybert.device import accelerator, environment
from tinybert.dropout import set_dropout
from tinybert.encode import Rows, spread
from tinybert.snapshots import Snapshots, State

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
    kept: Path | None = None,
) -> None:
    """Trains what in `objective` requires gradients: AdamW, warm-up, linear decay, clipping.

    objective: called with a batch, returns scalars, of which `loss` is minimised; its `student` is
    what the stage saves. settings: a schema.Training. log: where dvclive writes the curves.
    score: after each epoch, higher is better; the student of the best epoch is kept. Without it,
    that of the last epoch. kept: checkpoint.stage's folder, where a run that was killed goes on;
    None: nothing is kept.
    Of several processes each gets its part of every batch.
    Raises FloatingPointError if the loss is NaN or infinite: step, rows and learning rate named.
    """
    _record(precision, log)
    set_seed(seed)
    set_dropout(objective.student, settings.dropout)
    machine, is_main = accelerator(precision), processes.is_main()
    share = processes.rank(), processes.world()
    loader, sampler = training_batches(rows, settings.batch_size, seed, *share)
    groups = _groups(objective, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, fused=True)
    model, optimizer = machine.prepare(objective, optimizer)
    steps = len(loader) * settings.epochs
    schedule = get_linear_schedule_with_warmup(
        optimizer.optimizer, math.ceil(steps * settings.warmup), steps
    )
    title = "/".join(log.parts[-2:])
    state = State(objective, optimizer.optimizer, schedule)
    # Sums differ between kinds of machines: on another, training begins anew.
    kind = f"{machine.device.type}-{machine.mixed_precision}-{processes.world()}"
    snapshots = Snapshots(kept and kept / kind)

    with (
        _live(log) as live,
        tqdm(total=steps, desc=title, unit="step", mininterval=1, disable=not is_main) as bar,
        snapshots.signals(),
        _kept_gradient(objective.student, machine.device) as clear,
    ):
        curve = _Curve(live, bar, steps)
        snapshots.restore(state, curve)
        asked = 0.0
        for epoch in range(state.epoch, settings.epochs):
            model.train()
            sampler.epoch = curve.epoch = epoch
            before = None
            for batch in skip_first_batches(loader, state.batch) if state.batch else loader:
                batch = {k: tensor.to(machine.device) for k, tensor in batch.items()}
                losses, lr = model(batch), schedule.get_last_lr()[0]
                machine.backward(losses["loss"])
                machine.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                clear()
                state.batch, state.step = state.batch + 1, state.step + 1
                # Reading a loss waits for its step: that of the step before is there by now.
                if before is not None:
                    curve.add(*before)
                before = losses, lr, batch["row"]
                if asked:
                    curve.add(*before)
                    before = None
                    snapshots.answer(asked, state, curve)
                asked = snapshots.ask(machine.device)
            if before is not None:
                curve.add(*before)
            if score is not None:
                value = score()
                curve.dev(value)
                if value > state.best or state.best_state is None:
                    state.best, state.best_state = value, _copy(objective.student)
            state.epoch, state.batch = epoch + 1, 0
            snapshots.answer(snapshots.ask(machine.device), state, curve)
    machine.unwrap_model(model, keep_fp32_wrapper=False)
    objective._is_accelerate_prepared = False  # or training it further would be without autocast
    if state.best_state is not None:
        objective.student.load_state_dict(state.best_state)
    objective.cpu()


class _Curve:
    """Losses and learning rates by step: means over the steps between two points of the curve, and
    over the processes."""

    def __init__(self, live: Live | None, bar: tqdm, steps: int):
        self.live, self.bar, self.steps = live, bar, steps
        self.window = max(1, steps // POINTS)
        self.epoch, self.step, self.sums, self.taken = 0, 0, {}, 0
        self.points: list[tuple[int, dict[str, float]]] = []

    def add(self, losses: dict[str, Tensor], lr: float, rows: Tensor) -> None:
        """Raises FloatingPointError if the loss is NaN or infinite."""
        self.step += 1
        self.taken += 1
        self.bar.update()
        values = torch.stack([loss.detach().float() for loss in losses.values()]).tolist()
        values = dict(zip(losses, values, strict=True))
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(
                f"the loss is {values['loss']} in epoch {self.epoch + 1}, step {self.step} of "
                f"{self.steps}, lr {lr:.3g}, rows {rows.tolist()}; a lower lr or max_grad_norm may "
                f"help ({self.bar.desc})"
            )
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}
        if self.step % self.window == 0 or self.step == self.steps:
            means = torch.tensor(list(self.sums.values()), device=rows.device) / self.taken
            means = dict(zip(self.sums, processes.mean(means).tolist(), strict=True))
            self._log(self.step, {**means, "lr": lr})
            self.bar.set_postfix(loss=f"{means['loss']:.4f}")
            self.sums, self.taken = {}, 0

    def dev(self, value: float) -> None:
        self._log(self.step, {"dev": value})

    def _log(self, step: int, values: dict[str, float]) -> None:
        self.points.append((step, values))
        if self.live is not None:
            self.live.step = step
            for name, value in values.items():
                self.live.log_metric(name, value)
            self.live.make_summary()

    def state(self) -> dict:
        """What `restore` takes; plain types."""
        return {"points": self.points, "sums": self.sums, "taken": self.taken, "step": self.step}

    def restore(self, state: dict) -> None:
        """Draws what was drawn before anew: DVC has deleted it."""
        self.sums, self.taken, self.step = state["sums"], state["taken"], state["step"]
        self.bar.update(self.step)
        for step, values in state["points"]:
            self._log(step, values)


def _live(log: Path) -> AbstractContextManager[Live | None]:
    """Where the main process logs; the others do not."""
    if not processes.is_main():
        return nullcontext()
    return Live(str(log), dvcyaml=None, report=None, save_dvc_exp=False)


def _record(precision: str, log: Path) -> None:
    """environment.json, beside the curves: what made them."""
    found = environment(precision)
    if processes.is_main():
        log.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=2) + "\n"
        (log / "environment.json").write_text(text, encoding="utf-8")


def write_once(values: dict[str, float], log: Path, precision: str) -> None:
    """The curves of a stage that had nothing to train: one point."""
    _record(precision, log)
    with _live(log) as live:
        if live is not None:
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


@contextmanager
def _kept_gradient(student: nn.Module, device: torch.device) -> Iterator[Callable[[], None]]:
    """Keeps the memory of the word embeddings' gradient; yields what sets it to 0 for a step.

    The table is most of a student, and a step uses some hundred of its rows. New memory for the
    whole gradient in each step cost a CPU a tenth to a quarter of it on short rows. A `sparse`
    table's gradient is added, by autograd, to what is there: the same sums.
    """
    table = student.get_input_embeddings()
    # Of several processes, each takes part in exchanging whole gradients.
    if device.type != "cpu" or processes.world() > 1 or not table.weight.requires_grad:
        yield lambda: None
        return
    kept = torch.zeros_like(table.weight)

    def clear() -> None:
        table.weight.grad = kept.zero_()

    table.sparse = True
    clear()
    try:
        yield clear
    finally:
        table.sparse, table.weight.grad = False, None


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
