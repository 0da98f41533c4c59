"""What proxies share that look at a forward.

Which modules it calls, and what it gives with other weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archselect.selectors.proxies.base import Forward

LINEAR = (nn.Conv2d, nn.Linear)
"""The layers whose weights the proxies of Abdelfattah et al. score; biases and
normalisation are left out.
"""

Hear = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]
"""A forward hook: it is given a module, its inputs and its output."""


@contextmanager
def listening(
    model: nn.Module,
    hear: Hear,
    kinds: tuple[type[nn.Module], ...] = (nn.Module,),
) -> Iterator[None]:
    """Call `hear(module, inputs, output)` after every call of some modules.

    What `hear` returns takes the place of the output, unless it is None.

    Args:
        model: whose modules are watched while the context is open.
        hear: a forward hook.
        kinds: classes of the modules that are watched.
    """
    modules = [module for module in model.modules() if isinstance(module, kinds)]
    hooks = [module.register_forward_hook(hear) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def reached(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
) -> list[nn.Module]:
    """Return the modules that a forward calls, each once.

    Those that a mixture has silenced are not among them.

    Two images are enough to find out (batch statistics of 1x1 features need more than
    one).
    """
    modules: dict[nn.Module, None] = {}

    def note(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        _output: Tensor,
    ) -> None:
        modules[module] = None

    with listening(model, note), torch.no_grad():
        forward(images[:2])
    return list(modules)


def working(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    kind: type[nn.Module],
) -> set[nn.Module]:
    """Return the modules of a kind that are at work.

    The images reach them, and the logits depend on what they give. A module that reads
    an empty node gets the same input for every image. The logits have no gradient by
    the output of a module that nothing reads. The first two images are looked at (batch
    statistics of 1x1 features need more than one).
    """
    gates: dict[Tensor, nn.Module] = {}

    def gate(
        module: nn.Module,
        inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> Tensor:
        factor = output.new_ones((), requires_grad=True)
        features = inputs[0]
        differs = features != features[:1]
        if bool(differs.any()):
            gates[factor] = module
        return output * factor

    with torch.enable_grad(), listening(model, gate, (kind,)):
        logits = forward(images[:2])
        if not gates:
            return set()
        slopes = torch.autograd.grad(logits.sum(), list(gates), allow_unused=True)
    at_work = set()
    for module, slope in zip(gates.values(), slopes, strict=True):
        if slope is not None:
            at_work.add(module)
    return at_work


def replaced(
    model: nn.Module,
    forward: Forward,
    tensors: Mapping[str, Tensor],
) -> Forward:
    """Return `forward` with other parameters and buffers.

    The model holds them during the call only: its own tensors are not written to and
    get no gradient.
    """
    holder = _Call(model, forward)
    renamed = {f"model.{name}": tensor for name, tensor in tensors.items()}

    def call(images: Tensor) -> Tensor:
        # Tied names would be put back wrongly where a module is found twice, and
        # `forward` may be the model itself.
        logits: Tensor = functional_call(holder, renamed, (images,), tie_weights=False)
        return logits

    return call


class _Call(nn.Module):
    """A closure over a model as a module that holds the model."""

    def __init__(
        self,
        model: nn.Module,
        forward: Forward,
    ) -> None:
        super().__init__()
        self.model = model
        self._call = forward

    def forward(self, images: Tensor) -> Tensor:
        return self._call(images)


def total(terms: Iterable[Tensor]) -> float:
    """Return the sum of all entries, in float64, where sums that cancel lose nothing.

    It waits for the device once.
    """
    sums = [term.double().sum() for term in terms]
    return float(torch.stack(sums).sum())
