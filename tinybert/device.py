"""Where and how precisely to compute: Accelerate decides the device, the hardware the precision."""

import platform
from importlib.metadata import version

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from transformers import PreTrainedModel

from tinybert import processes
from tinybert.capture import use_attention
from tinybert.checkpoint import LIBRARIES
from tinybert.processes import PATIENCE


def accelerator(precision: str) -> Accelerator:
    """precision: "fp32", "bf16", or "auto": bf16 where the hardware multiplies in it."""
    bf16 = precision == "bf16" or (precision == "auto" and has_bf16())
    # A pooler, which the losses of inner layers do not use, has no gradient.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    patient = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(mixed_precision="bf16" if bf16 else "no", kwargs_handlers=[unused, patient])


def frozen(model: PreTrainedModel, precision: str) -> PreTrainedModel:
    """The model itself, on the device, in eval mode, without gradients, and with its weights in the
    precision that it computes in: casting them at every call costs a fifth of it."""
    machine = accelerator(precision)
    use_attention(model)
    dtype = torch.bfloat16 if machine.mixed_precision == "bf16" else torch.float32
    return model.to(machine.device, dtype).eval().requires_grad_(False)


def environment(precision: str) -> dict[str, str | int]:
    """What computes here, and with which libraries: it may decide the last digits of a result."""
    machine = accelerator(precision)
    name = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if machine.device.type == "cuda":
        name = torch.cuda.get_device_name()
    return {
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": f"{machine.device.type}: {name}",
        "processes": processes.world(),
        "threads": torch.get_num_threads(),
        "precision": "bf16" if machine.mixed_precision == "bf16" else "fp32",
    }


def has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = torch.cpu.get_capabilities()
    return any(can.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
