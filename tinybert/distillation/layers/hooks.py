"""What the modules of a model are given and return in a forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def recorded(
    inputs: list[nn.Module], outputs: list[nn.Module]
) -> Iterator[tuple[dict[nn.Module, Tensor], dict[nn.Module, Tensor]]]:
    """What some modules are called with, and what others return, in the calls of this context."""
    given: dict[nn.Module, Tensor] = {}
    returned: dict[nn.Module, Tensor] = {}
    hooks = [m.register_forward_pre_hook(lambda m, x: given.update({m: x[0]})) for m in inputs]
    hooks += [m.register_forward_hook(lambda m, _, y: returned.update({m: y})) for m in outputs]
    try:
        yield given, returned
    finally:
        for hook in hooks:
            hook.remove()


class _Stop(Exception):
    """Ends a forward pass."""


@contextmanager
def stopped_at(module: nn.Module) -> Iterator[list[tuple[tuple, dict]]]:
    """The arguments of the first call of a module, which ends this context: what follows in the
    forward pass is not needed."""
    calls: list[tuple[tuple, dict]] = []

    def stop(_: nn.Module, positional: tuple, named: dict) -> None:
        calls.append((positional, named))
        raise _Stop

    hook = module.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        yield calls
    except _Stop:
        pass
    finally:
        hook.remove()
