"""Dropout whose masks cost a CPU less than torch's: see benchmarks/dropout.py."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VALUES = 2**16  # of the random integers; p is rounded to one part in so many


def dropout(x: Tensor, p: float) -> Tensor:
    """x with each of its numbers 0 with probability p, and the others divided by 1 - p.

    One draw of 64 bits serves four numbers. On a GPU it is torch's own.
    """
    if not p:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    draws = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)  # uniform over all VALUES
    mask = numbers >= round(p * VALUES) - VALUES // 2
    return x * mask.to(x.dtype).mul_(1 / (1 - p))


class Dropout(nn.Dropout):
    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p if self.training else 0.0)


def set_dropout(model: nn.Module, p: float) -> None:
    """Sets the dropout probability of a model's modules and of its attention.

    The modules are replaced by Dropout, even where an architecture has none since its config says 0
    (ModernBERT). Where attention has a number instead of a module, it is set; models.attention
    drops by the function above.
    """
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if "dropout" in name and type(value) in (int, float):
                setattr(module, name, p)
        for name, child in module.named_children():
            is_absent = isinstance(child, nn.Identity) and "drop" in name
            if isinstance(child, nn.Dropout) or is_absent:
                setattr(module, name, Dropout(p).train(child.training))
