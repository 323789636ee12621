"""The machine that a number was measured on, and how fast it multiplies matrices right now."""

import platform
import time
from datetime import date
from pathlib import Path
from statistics import median

import torch

SIZE = 1536  # of the square matrices
GPU_SIZE = 16384
ROUNDS = 5


def describe() -> str:
    """The processor, the threads, torch's version and the date."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return (
        f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{date.today().isoformat()}"
    )


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
