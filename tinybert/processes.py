"""How many processes a stage works in: the machine decides, the pipeline does not know.

`accelerate config` says it, once for a machine; every stage then starts itself again in so many
processes. One that is started by `accelerate launch` or `torchrun` finds itself among them. A batch
is shared out to the processes, and the shards of the data; what comes out is the same, but for the
rounding of sums.
"""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from tinybert import errors, stage

# One process may work through a long shard, or the main one through all hashes, while the others
# wait; the usual ten minutes would end them.
PATIENCE = timedelta(hours=6)

if TYPE_CHECKING:  # torch takes seconds to import, and not every stage needs it
    from accelerate import PartialState
    from torch import Tensor


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def world() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """Among the processes of this machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def local_world() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_main() -> bool:
    """Whether this is the process that writes what all of them made."""
    return rank() == 0


def mine(items: Sequence) -> Sequence:
    """This process's part."""
    return items[rank() :: world()]


def barrier() -> None:
    """Waits until all processes are here."""
    if world() > 1:
        _state().wait_for_everyone()


def mean(value: "Tensor") -> "Tensor":
    """The mean over the processes, without a gradient: of a loss's denominator, say."""
    if world() == 1:
        return value
    from accelerate.utils import reduce

    _state()
    return reduce(value.detach().float(), reduction="mean")


def gather(value: object) -> list:
    """Each process's value (of plain types), in the order of the processes."""
    if world() == 1:
        return [value]
    from accelerate.utils import gather_object

    _state()
    return gather_object([value])


def _state() -> "PartialState":
    """What accelerate's functions work with. Those would make it themselves, but for a GPU, and
    then no process of a CPU would wait for another: only an Accelerator reads the environment."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=PATIENCE)


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's words, in as many processes as the machine is
    configured for; an InputError exits with code 1."""
    if "RANK" not in os.environ and (launcher := _launcher()):
        module = sys.modules["__main__"].__spec__.name
        os.execv(sys.executable, [*launcher, "-m", module, *sys.argv[1:]])
    if world() > 1:
        import torch

        # torchrun alone does not say so, and accelerate would take each process for the only one.
        if not torch.accelerator.is_available():
            os.environ["ACCELERATE_USE_CPU"] = "true"
    (stage.run if is_main() else errors.run)(main)


def _launcher() -> list[str]:
    """The command that starts several processes, or nothing if one is enough.

    torchrun is what `accelerate launch` itself runs for GPUs; for processes of one CPU the latter
    would want MPI.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    file = Path(os.environ.get("HF_HOME", cache), "accelerate/default_config.yaml").expanduser()
    if not file.is_file():
        return []
    config = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
    count, machines = int(config.get("num_processes") or 1), int(config.get("num_machines") or 1)
    if config.get("use_cpu"):
        os.environ["ACCELERATE_USE_CPU"] = "true"
    if (gpus := str(config.get("gpu_ids") or "all")) != "all":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", gpus)
    if count < 2:
        return []
    local = count // machines
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // local)))
    where = ["--standalone"]
    if machines > 1:
        where = [
            f"--nnodes={machines}",
            f"--node-rank={config.get('machine_rank') or 0}",
            f"--master-addr={config['main_process_ip']}",
            f"--master-port={config['main_process_port']}",
        ]
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={local}"]
    return [*command, *where]
