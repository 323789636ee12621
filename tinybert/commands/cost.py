"""What a stage costs: operations of a transformer's matrix products, and the rate of this machine.

SHARES are those of the bound that benchmarks.distillation found, in bf16 and float32: the products
of a stage run at this share of the rate of one large product.
"""

import argparse
import ast
import inspect
import time
from statistics import median
from typing import NamedTuple

import torch

SIZE = 1536  # of the square matrices
GPU_SIZE = 16384
ROUNDS = 15
PARSE = 0.0115  # seconds, where the fixed seconds of stages were measured
SHARES = {
    "distill_general": 0.74,  # full_128
    "distill_intermediate": 0.65,  # sst2_64
    # prediction: 0.30 in bf16, 0.50 in float32; in the default's run (benchmarks.plan) 0.75
    "distill_prediction": 0.47,
    "label": 0.78,  # label
    "finetune": 0.53,  # Dropout: 83 GFLOP in 375 ms, at 421 GFLOP/s
}


class Sizes(NamedTuple):
    """Of an encoder: layers, and the widths of hidden states and of the feed-forward layers."""

    layers: int
    width: int
    inner: int


def matmul_rate(dtype: torch.dtype, device: str = "cpu") -> float:
    """Operations per second of a square matrix product, multiplications plus additions."""
    size = SIZE if device == "cpu" else GPU_SIZE
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        c = a @ b
        c[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / median(seconds[1:])  # the first call builds the kernel


def slowness() -> float:
    """How many times slower this machine runs Python than the one of the fixed seconds: the time to
    parse a module of the standard library."""
    source, seconds = inspect.getsource(argparse), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ast.parse(source)
        seconds.append(time.perf_counter() - start)
    return median(seconds) / PARSE


def forward(model: Sizes, tokens: float, pairs: float) -> float:
    """Multiplications and additions of a pass over rows. pairs: of tokens in the same row."""
    layers, width, inner = model
    linear = 2 * (4 * width**2 + 2 * width * inner) * tokens
    attention = 2 * 2 * width * pairs  # scores, and the mean of the values
    return layers * (linear + attention)


def layer_maps(student: Sizes, teacher: Sizes, tokens: float) -> float:
    """The linear maps of the layers' loss, forward: one for each layer and the embeddings."""
    return 2 * (student.layers + 1) * student.width * teacher.width * tokens
