"""What proxies share that look at a forward: which modules it calls, and what it gives with other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archselect.selectors.proxies.base import Forward

LINEAR = (nn.Conv2d, nn.Linear)
"""The layers whose weights the proxies of Abdelfattah et al. score; biases and normalisation are left out."""

Hear = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@contextmanager
def listening(model: nn.Module, hear: Hear, kinds: tuple[type[nn.Module], ...] = (nn.Module,)) -> Iterator[None]:
    """Within it, every call of a module of these kinds ends with `hear(module, inputs, output)`."""
    hooks = [module.register_forward_hook(hear) for module in model.modules() if isinstance(module, kinds)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def reached(model: nn.Module, forward: Forward, images: Tensor) -> list[nn.Module]:
    """The modules that a forward calls, each once. Those that a mixture has silenced are not among them.

    Two images are enough to find out (batch statistics of 1x1 features need more than one).
    """
    modules: dict[nn.Module, None] = {}
    with listening(model, lambda module, inputs, output: modules.setdefault(module)), torch.no_grad():
        forward(images[:2])
    return list(modules)


def replaced(model: nn.Module, forward: Forward, tensors: Mapping[str, Tensor]) -> Forward:
    """`forward` as it is with these parameters and buffers, by name, in place of the model's own.

    The model holds them during the call only: its own tensors are not written to and get no gradient.
    """
    holder = _Call(model, forward)
    renamed = {f"model.{name}": tensor for name, tensor in tensors.items()}

    def call(images: Tensor) -> Tensor:
        # Tied names would be put back wrongly where a module is found twice, and `forward` may be the model itself.
        logits: Tensor = functional_call(holder, renamed, (images,), tie_weights=False)
        return logits

    return call


class _Call(nn.Module):
    """Makes a closure over a model a module that holds the model."""

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.model, self._call = model, forward

    def forward(self, images: Tensor) -> Tensor:
        return self._call(images)


def total(terms: Iterable[Tensor]) -> float:
    """The sum of all entries, in float64, where sums that cancel lose nothing. One wait for the device."""
    return float(torch.stack([term.double().sum() for term in terms]).sum())
