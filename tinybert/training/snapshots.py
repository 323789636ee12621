"""Snapshots of a training's state: a killed run resumes from the last one with the same result."""

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

from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, file_sha256
from tinybert.pipeline.resume import VARIABLE, interval
from tinybert.training.curve import Curve

SHARE = 0.01  # upper bound of the time spent on saving, unless VARIABLE sets the interval
KEPT = 2  # snapshots
DUE, STOP = 1.0, 2.0


class State:
    """Everything that changes during training except the curve: the trained parameters, AdamW, the
    schedule, the best student so far and its score, and the progress.

    epoch: complete epochs. batch: complete batches of the next epoch. step: complete steps in all.
    """

    def __init__(self, objective: nn.Module, optimizer: torch.optim.Optimizer, schedule):
        self.objective, self.optimizer, self.schedule = objective, optimizer, schedule
        self.best, self.best_state = -math.inf, None
        self.epoch, self.batch, self.step = 0, 0, 0

    def tensors(self) -> dict[str, Tensor]:
        """What a safetensors file holds; all processes must call this."""
        tensors = {f"weight.{name}": tensor for name, tensor in self._weights().items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{name}": tensor for name, tensor in values.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in (self.best_state or {}).items()}
        for rank, states in enumerate(distributed.gather(_generators())):
            tensors |= {f"generator.{rank}.{name}": tensor for name, tensor in states.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def metadata(self) -> dict:
        """The rest of the state, in plain types."""
        return {
            "done": [self.epoch, self.batch, self.step],
            "best": self.best,
            "schedule": self.schedule.state_dict(),
            "groups": self.optimizer.state_dict()["param_groups"],
        }

    def restore(self, tensors: dict[str, Tensor], metadata: dict) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            begin = len(prefix) + 1
            return {k[begin:]: t for k, t in tensors.items() if k.startswith(f"{prefix}.")}

        with torch.no_grad():
            weights = part("weight")
            for name, tensor in self._weights().items():
                tensor.copy_(weights[name])
        adam: dict[int, dict[str, Tensor]] = {}
        for name, tensor in part("adam").items():
            i, key = name.split(".")
            adam.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({"state": adam, "param_groups": metadata["groups"]})
        self.schedule.load_state_dict(metadata["schedule"])
        self.best, self.best_state = metadata["best"], part("best") or None
        self.epoch, self.batch, self.step = metadata["done"]
        generators = part(f"generator.{distributed.rank()}")
        torch.set_rng_state(generators["cpu"])
        if "device" in generators:
            torch.get_device_module().set_rng_state(generators["device"])

    def _weights(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.objective.named_parameters() if p.requires_grad}


def _generators() -> dict[str, Tensor]:
    """The states of this process's random generators, which dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.accelerator.is_available():
        states["device"] = torch.get_device_module().get_rng_state()
    return states


class Snapshots:
    """The last KEPT states in a folder, as files STEP-EPOCH-SHA256.safetensors. None disables them.

    A file whose content does not have the hash in its name is damaged, and the one before is used.
    """

    def __init__(self, folder: Path | None):
        self.folder, self.caught = folder, []
        self.interval, self.is_set = interval(), VARIABLE in os.environ
        self.due = time.monotonic() + self.interval
        if folder is not None and distributed.is_main():
            folder.mkdir(parents=True, exist_ok=True)

    def poll(self, device: torch.device) -> Tensor | float:
        """The mean of the processes' flags: DUE if the main process's clock asks for a snapshot,
        STOP for a process that received a signal. Read it a step later, so that no step waits."""
        flags = STOP if self.caught else 0.0
        if self.folder is not None and distributed.is_main() and time.monotonic() >= self.due:
            flags += DUE
        if distributed.world_size() == 1:
            return flags
        return distributed.mean(torch.tensor(flags, device=device))

    def save_or_stop(self, flags: Tensor | float, state: State, curve: Curve) -> None:
        """Saves the state if any flag is set; exits if a process received a signal."""
        total = float(flags) * distributed.world_size()
        if total and self.folder is not None:
            self.save(state, curve)
        if total >= STOP:
            if distributed.is_main():
                print(
                    f"\nstopped at step {state.step}; rerun the same command to resume",
                    file=sys.stderr,
                )
            sys.exit(128 + (self.caught or [signal.SIGTERM])[0])

    def save(self, state: State, curve: Curve) -> None:
        """Writes a snapshot. Raises InputError if that fails; earlier snapshots stay."""
        start, tensors = time.monotonic(), state.tensors()
        if not distributed.is_main():
            return
        metadata = json.dumps({**state.metadata(), "curve": curve.state()})
        earlier = self._files()
        try:
            with atomic_write(self.folder / "next") as temporary:
                save_file(tensors, temporary, {"metadata": metadata})
                with temporary.open("r+b") as file:
                    os.fsync(file.fileno())
                progress = f"{state.step:010}-{state.epoch:05}"  # scoring adds an epoch, not a step
                name = f"{progress}-{file_sha256(temporary)}.safetensors"
            (self.folder / "next").replace(self.folder / name)
        except (OSError, SafetensorError) as error:
            last = f"of step {int(earlier[-1].name[:10])}" if earlier else "missing"
            raise InputError(
                f"step {state.step}: no checkpoint could be written to {self.folder} ({error}); "
                f"the last one is {last}. Free some space there and rerun the same command to "
                "resume"
            ) from None
        for file in earlier[: 1 - KEPT]:
            file.unlink()
        now = time.monotonic()
        rest = 0.0 if self.is_set else (now - start) / SHARE
        self.due = now + max(self.interval, rest)

    def restore(self, state: State, curve: Curve) -> None:
        """Restores the last undamaged snapshot, if there is one, and prints its step."""
        name = self._last() if self.folder is not None and distributed.is_main() else None
        name = distributed.gather(name)[0]
        if name is None:
            return
        with safe_open(self.folder / name, "pt") as file:
            metadata = json.loads(file.metadata()["metadata"])
        state.restore(load_file(self.folder / name), metadata)
        curve.restore(metadata["curve"])
        if distributed.is_main():
            print(f"resuming after step {state.step}", file=sys.stderr)

    def _last(self) -> str | None:
        for file in reversed(self._files()):
            if file.stem.rpartition("-")[2] == file_sha256(file):
                return file.name
            print(f"warning: {file} is damaged; the one before is used", file=sys.stderr)
            file.unlink()
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Records SIGINT and SIGTERM for `poll`; a second signal has its usual effect."""
        if self.folder is None:
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def record(number: int, frame) -> None:
            self.caught.append(number)
            signal.signal(number, before[number])

        for number in before:
            signal.signal(number, record)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
