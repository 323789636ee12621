"""The machine that a number was measured on."""

import platform
from datetime import date
from pathlib import Path

import torch


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
