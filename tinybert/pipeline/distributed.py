"""How many processes run a stage: configured per machine, unknown to the pipeline.

`accelerate config` sets it once per machine; every stage then restarts itself in that many
processes. A stage started by `accelerate launch` or `torchrun` is already one of several. Batches
and data shards are split between the processes; the result is the same but for the rounding of
sums.
"""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.pipeline import errors, stage
from tinybert.pipeline.errors import InputError

# A process may need hours for a long shard while the others wait; the default is ten minutes.
TIMEOUT = timedelta(hours=6)

if TYPE_CHECKING:  # torch takes seconds to import, and not every stage needs it
    from accelerate import PartialState
    from torch import Tensor


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """The rank among the processes of this machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def local_world_size() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_main() -> bool:
    """Whether this is the process that writes shared files."""
    return rank() == 0


def shard(items: Sequence) -> Sequence:
    """The items assigned to this process."""
    return items[rank() :: world_size()]


def barrier() -> None:
    """Waits until all processes have reached this point."""
    if world_size() > 1:
        _state().wait_for_everyone()


def mean(value: "Tensor") -> "Tensor":
    """The mean over the processes, without a gradient; used for the denominators of losses."""
    if world_size() == 1:
        return value
    from accelerate.utils import reduce

    _state()
    return reduce(value.detach().float(), reduction="mean")


def gather(value: object) -> list:
    """The values of all processes, in the order of their ranks. value: of plain types."""
    if world_size() == 1:
        return [value]
    from accelerate.utils import gather_object

    _state()
    return gather_object([value])


def _state() -> "PartialState":
    """The state that accelerate's functions use. They would create it for a GPU: on a CPU the
    processes would then not wait for each other, since only Accelerator reads the environment."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=TIMEOUT)


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's arguments, in as many processes as this machine
    is configured for."""
    if "RANK" not in os.environ:
        errors.run(_launch)
    if world_size() > 1:
        import torch

        # torchrun does not set this; accelerate would then treat each process as the only one.
        if not torch.accelerator.is_available():
            os.environ["ACCELERATE_USE_CPU"] = "true"
    if is_main():
        stage.run(main)
    else:
        errors.run(main, *sys.argv[1:])
    if world_size() > 1:
        _disconnect()


def _disconnect() -> None:
    """Ends the threads of the process group. A process that exits while they run is aborted now and
    then ("terminate called without an active exception")."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _launch() -> None:
    """Replaces this process by the one that starts several, if several are configured."""
    if launcher := _launcher():
        module = sys.modules["__main__"].__spec__.name
        os.execv(sys.executable, [*launcher, "-m", module, *sys.argv[1:]])


def _launcher() -> list[str]:
    """The command that starts several processes; empty if one is configured.

    `accelerate launch` itself runs torchrun for GPUs, but asks for MPI on a CPU.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    file = Path(os.environ.get("HF_HOME", cache), "accelerate/default_config.yaml").expanduser()
    if not file.is_file():
        return []
    try:
        config = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
        count = int(config.get("num_processes") or 1)
        machines = int(config.get("num_machines") or 1)
    except (YAMLError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is not a configuration of accelerate ({error}); remove it, or run accelerate "
            "config"
        ) from None
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
