"""Where and how precisely to compute: Accelerate decides the device, the hardware the precision."""

import torch
from accelerate import Accelerator
from transformers import PreTrainedModel


def accelerator(precision: str) -> Accelerator:
    """precision: "fp32", "bf16", or "auto": bf16 where the hardware multiplies in it."""
    bf16 = precision == "bf16" or (precision == "auto" and has_bf16())
    machine = Accelerator(mixed_precision="bf16" if bf16 else "no")
    # On a CPU the backward of SDPA's fused form takes twice the time of the whole plain one.
    torch.backends.cuda.enable_flash_sdp(machine.device.type != "cpu")
    return machine


def frozen(model: PreTrainedModel, precision: str) -> PreTrainedModel:
    """The model itself, on the device, in eval mode, without gradients, and with its weights in the
    precision that it computes in: casting them at every call costs a fifth of it."""
    machine = accelerator(precision)
    if machine.device.type == "cpu":
        model.set_attn_implementation("eager")  # SDPA's plain form takes care of rows of no token
    dtype = torch.bfloat16 if machine.mixed_precision == "bf16" else torch.float32
    return model.to(machine.device, dtype).eval().requires_grad_(False)


def has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = torch.cpu.get_capabilities()
    return any(can.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
