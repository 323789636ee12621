"""Device and precision: Accelerate chooses the device, the hardware the precision."""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import nn
from transformers import PreTrainedModel

from tinybert.models.attention import use_attention
from tinybert.pipeline import distributed
from tinybert.pipeline.distributed import TIMEOUT
from tinybert.pipeline.resume import LIBRARIES


def accelerator(precision: str) -> Accelerator:
    """precision: "fp32", "bf16", or "auto": bf16 where the hardware multiplies in it."""
    bf16 = uses_bf16(precision)
    # The layer losses do not use a pooler, which then has no gradient.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    patient = InitProcessGroupKwargs(timeout=TIMEOUT)
    return Accelerator(mixed_precision="bf16" if bf16 else "no", kwargs_handlers=[unused, patient])


def frozen(
    model: PreTrainedModel, precision: str, in_float32: Sequence[nn.Module] = ()
) -> PreTrainedModel:
    """Moves a model to the device, in eval mode and without gradients, with its weights in the
    precision that it computes in: casting them at every call would take a fifth of the time.

    in_float32: modules whose weights stay in float32. Buffers do, too, such as the frequencies of
    rotary positions.
    """
    machine = accelerator(precision)
    use_attention(model)
    dtype = torch.bfloat16 if machine.mixed_precision == "bf16" else torch.float32
    unchanged = {id(weight) for module in in_float32 for weight in module.parameters()}
    model = model.to(machine.device).eval().requires_grad_(False)
    for weight in model.parameters():
        if id(weight) not in unchanged:
            weight.data = weight.data.to(dtype)
    return model


def heads(model: PreTrainedModel) -> list[nn.Module]:
    """What follows the encoder of a classifier: the pooler, if it has one, and the head."""
    pooler = getattr(model.base_model, "pooler", None)
    head = [module for module in model.children() if module is not model.base_model]
    return head if pooler is None else [pooler, *head]


def output_layer(model: PreTrainedModel) -> nn.Linear:
    """The last layer of a classifier's head, whose outputs are the logits."""
    layers = [module for head in heads(model) for module in head.modules()]
    return [module for module in layers if isinstance(module, nn.Linear)][-1]


def environment(precision: str) -> dict[str, str | int]:
    """Hardware, libraries and precision, which may change the last digits of a result."""
    machine = accelerator(precision)
    name = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if machine.device.type == "cuda":
        name = torch.cuda.get_device_name()
    return {
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": f"{machine.device.type}: {name}",
        "processes": distributed.world_size(),
        "threads": torch.get_num_threads(),
        "precision": "bf16" if machine.mixed_precision == "bf16" else "fp32",
    }


def machine_kind(precision: str) -> str:
    """A hash of the main process's `environment`. Unfinished work of another kind of machine is not
    resumed: its sums are rounded differently."""
    content = json.dumps(environment(precision), sort_keys=True)
    return distributed.gather(hashlib.sha256(content.encode()).hexdigest()[:16])[0]


def uses_bf16(precision: str) -> bool:
    """Whether models compute in bf16. precision: as of `accelerator`."""
    return precision == "bf16" or (precision == "auto" and has_bf16())


def has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
