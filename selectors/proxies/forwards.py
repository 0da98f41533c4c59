"""Tools for proxies that watch a forward: its modules, and other weights for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archselect.selectors.proxies.base import Forward

LINEAR = (nn.Conv2d, nn.Linear)
"""Layers whose weights the proxies of Abdelfattah et al. score, without biases and
normalisation.
"""

Hear = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]
"""Forward hook: a function of a module, its inputs and its output."""


@contextmanager
def listening(
    model: nn.Module,
    hear: Hear,
    kinds: tuple[type[nn.Module], ...] = (nn.Module,),
) -> Iterator[None]:
    """Call `hear(module, inputs, output)` after every call of some modules.

    If `hear` returns a tensor, it replaces the output.

    Args:
        model: the model to watch while the context is open.
        hear: a forward hook.
        kinds: classes of the modules to watch.
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

    Modules that a mixture has silenced are left out. The forward uses two images only;
    one would be too few for batch statistics of 1x1 features.
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
    """Return the modules of a kind that have an effect.

    A module has an effect if its input depends on the images and the logits depend on
    its output. A module that reads an empty node gets the same input for every image,
    and the logits have no gradient with respect to an output that nothing reads. The
    forward uses the first two images only; one would be too few for batch statistics of
    1x1 features.
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

    The model holds them only during the call. Its original tensors are not changed and
    get no gradient.
    """
    holder = _Call(model, forward)
    renamed = {f"model.{name}": tensor for name, tensor in tensors.items()}

    def call(images: Tensor) -> Tensor:
        # With tied weights, torch restores names wrongly if it finds a module twice;
        # that can happen, because `forward` may be the model itself.
        logits: Tensor = functional_call(holder, renamed, (images,), tie_weights=False)
        return logits

    return call


class _Call(nn.Module):
    """A module that holds a model and calls a function over it."""

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
    """Return the sum of all entries, computed in float64 for terms that cancel.

    It waits for the device only once.
    """
    sums = [term.double().sum() for term in terms]
    return float(torch.stack(sums).sum())
