"""What kind of machine a result is from."""

import pytest
import torch
from accelerate.state import AcceleratorState

from tinybert.models.device import machine_kind


def test_the_same_machine_is_of_the_same_kind():
    assert machine_kind("fp32") == machine_kind("fp32")


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch.backends.cpu, "get_cpu_capability", lambda: "another"),
        (torch, "get_num_threads", lambda: 77),
    ],
)
def test_another_processor_or_number_of_threads_is_another_kind(monkeypatch, owner, name, value):
    before = machine_kind("fp32")
    monkeypatch.setattr(owner, name, value)
    assert machine_kind("fp32") != before


def test_another_precision_is_another_kind():
    kinds = set()
    for precision in ("bf16", "fp32"):
        AcceleratorState._reset_state()  # a stage is a process of its own, with one precision
        kinds.add(machine_kind(precision))
    assert len(kinds) == 2
