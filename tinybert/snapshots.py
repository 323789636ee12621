"""A training's state, kept every minute: a killed run goes on from it as if nothing had been."""

import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tinybert import processes
from tinybert.checkpoint import VARIABLE, interval
from tinybert.errors import InputError
from tinybert.files import file_sha256, writing

SHARE = 0.01  # of the time, at most, goes into keeping states, if nobody has set how often
KEPT = 2
DUE, STOP = 1.0, 2.0


class State:
    """All that changes in a training, but for the curve: the parameters that are trained, AdamW,
    schedule, the best student yet and its score, and how much is done.

    epoch: those that are complete; batch: of the next one; step: of all.
    """

    def __init__(self, objective: nn.Module, optimizer: torch.optim.Optimizer, schedule):
        self.objective, self.optimizer, self.schedule = objective, optimizer, schedule
        self.best, self.best_state = -math.inf, None
        self.epoch, self.batch, self.step = 0, 0, 0

    def tensors(self) -> dict[str, Tensor]:
        found = {f"weight.{name}": tensor for name, tensor in self._weights().items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            found |= {f"adam.{i}.{name}": tensor for name, tensor in values.items()}
        found |= {f"best.{name}": tensor for name, tensor in (self.best_state or {}).items()}
        for rank, states in enumerate(processes.gather(_generators())):
            found |= {f"generator.{rank}.{name}": tensor for name, tensor in states.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def facts(self) -> dict:
        return {
            "done": [self.epoch, self.batch, self.step],
            "best": self.best,
            "schedule": self.schedule.state_dict(),
            "groups": self.optimizer.state_dict()["param_groups"],
        }

    def restore(self, tensors: dict[str, Tensor], facts: dict) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            begin = len(prefix) + 1
            return {k[begin:]: t for k, t in tensors.items() if k.startswith(f"{prefix}.")}

        with torch.no_grad():
            kept = part("weight")
            for name, tensor in self._weights().items():
                tensor.copy_(kept[name])
        adam: dict[int, dict[str, Tensor]] = {}
        for name, tensor in part("adam").items():
            i, key = name.split(".")
            adam.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({"state": adam, "param_groups": facts["groups"]})
        self.schedule.load_state_dict(facts["schedule"])
        self.best, self.best_state = facts["best"], part("best") or None
        self.epoch, self.batch, self.step = facts["done"]
        generators = part(f"generator.{processes.rank()}")
        torch.set_rng_state(generators["cpu"])
        if "device" in generators:
            torch.get_device_module().set_rng_state(generators["device"])

    def _weights(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.objective.named_parameters() if p.requires_grad}


def _generators() -> dict[str, Tensor]:
    """Of this process: those that dropout draws from."""
    found = {"cpu": torch.get_rng_state()}
    if torch.accelerator.is_available():
        found["device"] = torch.get_device_module().get_rng_state()
    return found


class Snapshots:
    """The last KEPT states in a folder, as safetensors files STEP-EPOCH-SHA256; None keeps
    nothing.

    A whole file is what its name says: one that was cut off or damaged is passed over.
    """

    def __init__(self, folder: Path | None):
        self.folder, self.caught = folder, []
        self.interval, self.is_set = interval(), VARIABLE in os.environ
        self.due = time.monotonic() + self.interval
        if folder is not None and processes.is_main():
            folder.mkdir(parents=True, exist_ok=True)

    def ask(self, device: torch.device) -> Tensor | float:
        """Whether this process wants a snapshot (the main one's clock) or was told to stop: a mean
        over the processes, which is read a step later so that no step waits for it."""
        own = STOP if self.caught else 0.0
        if self.folder is not None and processes.is_main() and time.monotonic() >= self.due:
            own += DUE
        return own if processes.world() == 1 else processes.mean(torch.tensor(own, device=device))

    def answer(self, asked: Tensor | float, state: State, curve) -> None:
        """Keeps the state if a process wanted it; if one was told to stop, exits then."""
        wishes = float(asked) * processes.world()
        if wishes and self.folder is not None:
            self.save(state, curve)
        if wishes >= STOP:
            if processes.is_main():
                print(f"\nstopped at step {state.step}; the same command goes on", file=sys.stderr)
            sys.exit(128 + (self.caught or [signal.SIGTERM])[0])

    def save(self, state: State, curve) -> None:
        """Raises InputError if there is no room; what was kept before stays."""
        began, tensors = time.monotonic(), state.tensors()
        if not processes.is_main():
            return
        facts = json.dumps({**state.facts(), "curve": curve.state()})
        kept = self._files()
        try:
            with writing(self.folder / "next") as temporary:
                save_file(tensors, temporary, {"facts": facts})
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                done = f"{state.step:010}-{state.epoch:05}"  # the last step is before its scoring
                name = f"{done}-{file_sha256(temporary)}.safetensors"
            (self.folder / "next").rename(self.folder / name)
        except (OSError, SafetensorError) as error:
            last = f"the last one is of step {int(kept[-1].name[:10])}" if kept else "there is none"
            raise InputError(
                f"step {state.step}: no checkpoint could be written to {self.folder} ({error}); "
                f"{last}. Make room there, and run the same command: it goes on"
            ) from None
        for file in kept[: 1 - KEPT]:
            file.unlink()
        now = time.monotonic()
        rest = 0.0 if self.is_set else (now - began) / SHARE
        self.due = now + max(self.interval, rest)

    def restore(self, state: State, curve) -> None:
        """Takes the last whole snapshot, if there is one, and says so."""
        name = self._last() if self.folder is not None and processes.is_main() else None
        name = processes.gather(name)[0]
        if name is None:
            return
        with safe_open(self.folder / name, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
        state.restore(load_file(self.folder / name), facts)
        curve.restore(facts["curve"])
        if processes.is_main():
            print(f"going on after step {state.step}", file=sys.stderr)

    def _last(self) -> str | None:
        for file in reversed(self._files()):
            if file.stem.rpartition("-")[2] == file_sha256(file):
                return file.name
            print(f"warning: {file} is damaged; the one before is taken", file=sys.stderr)
            file.unlink()
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    @contextmanager
    def signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM are noted, for `ask`; a second one works as it would have before."""
        if self.folder is None:
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame) -> None:
            self.caught.append(number)
            signal.signal(number, before[number])

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
