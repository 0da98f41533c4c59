"""Three ways to run a supernet's forwards and backwards.

They run operation by operation, are replayed from CUDA graphs, or are compiled; all
compute the same function. A CUDA graph is launched as a whole, so the CPU spends no
time between its kernels. Compiled code (torch.compile) has fewer kernels, which round
differently. Both are valid for one support of the mixture and one shape of images. To
make them takes time: 4 forwards and backwards for a graph, minutes for compiled code.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.network import Supernet

Execution = Literal["eager", "cuda-graphs", "compiled"]
Run = Callable[[Tensor, Mixture], Tensor]
"""Function that computes logits of images under a mixture, like
:meth:`.Supernet.forward`.
"""
Listener = Callable[[nn.Module, tuple[Tensor, Mixture], Tensor], object]
"""A forward hook of a supernet."""
KEPT = 8
"""Number of graphs to keep; each holds the memory of its activations."""
RECOMPILE_LIMIT = 1000
"""Number of compiled versions that torch may make.

torch's default of 8 is less than the number of supports in DARTS-PT.
"""


def executed(
    run: Run,
    supernet: Supernet,
    execution: Execution,
) -> Run:
    """Return a function like `run`, which runs `supernet`, with another execution.

    A forward that occurs a second time, with equal support, shapes, mode and precision,
    is replayed or compiled. With graphs, a forward before the backward of the previous
    forward raises RuntimeError, because both store activations in the same memory. The
    next replay overwrites the gradients.

    Raises UserError for CUDA graphs without a GPU.
    """
    if execution == "cuda-graphs" and next(supernet.parameters()).device.type != "cuda":
        raise UserError(
            "execution 'cuda-graphs' needs a CUDA device: choose 'eager' or 'compiled', or --device cuda"
        )
    if execution == "eager":
        return run
    return _Repeated(run, supernet, MAKERS[execution])


class _Repeated:
    """Runner that makes a graph or compiled code for repeated forwards, and uses it."""

    def __init__(
        self,
        run: Run,
        supernet: Supernet,
        make: Callable[[_Forward, Tensor, Mixture], Run],
    ) -> None:
        self._run = run
        self._supernet = supernet
        self._make = make
        modules = supernet.modules()
        self._norm = next(m for m in modules if isinstance(m, nn.BatchNorm2d))
        self._seen: set[Hashable] = set()
        self._made: dict[Hashable, Run] = {}

    def __call__(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Tensor:
        """Return the logits of images under a mixture."""
        key = self._key(images, mixture)
        if key not in self._seen:
            self._seen.add(key)
            return self._run(images, mixture)
        # A replay calls no module, so hooks are called here.
        with _without_hooks(self._supernet) as listeners:
            if key not in self._made:
                self._make_room()
                forward = _Forward(self._run, self._supernet, mixture)
                self._made[key] = self._make(forward, images, mixture)
            logits = self._made[key](images, mixture)
        for listener in listeners:
            listener(self._supernet, (images, mixture), logits)
        return logits

    def _make_room(self) -> None:
        """Drop the oldest graph or code if no other one can be kept."""
        while len(self._made) >= KEPT:
            oldest = next(iter(self._made))
            del self._made[oldest]

    def _key(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Hashable:
        """Return a key of everything on which a graph or code depends."""
        kind = images.device.type
        tensors = []
        for tensor in (images, *mixture.tensors):
            tensors.append((tensor.shape, tensor.dtype, tensor.requires_grad))
        is_cast = torch.is_autocast_enabled(kind)
        return (
            mixture.support,
            mixture.edge_weights is not None,
            *tensors,
            torch.is_grad_enabled(),
            is_cast and torch.get_autocast_dtype(kind),
            self._supernet.training,
            self._norm.track_running_stats,
        )


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[Sequence[Listener]]:
    """Yield the forward hooks of a module, and disable them inside the block."""
    hooks = dict(module._forward_hooks)
    module._forward_hooks.clear()
    try:
        yield list(hooks.values())
    finally:
        module._forward_hooks.update(hooks)


class _Forward(nn.Module):
    """`run` as a module of tensors, for mixtures with the support of a given one."""

    def __init__(
        self,
        run: Run,
        supernet: Supernet,
        mixture: Mixture,
    ) -> None:
        super().__init__()
        self.run = run
        self.supernet = supernet
        self.support = mixture.support
        self.weighs_edges = mixture.edge_weights is not None

    def forward(self, images: Tensor, *tensors: Tensor) -> Tensor:
        cells = len(self.support)
        weights = tensors[:cells]
        rest = tensors[cells:]
        edge_weights: tuple[Tensor, ...] | None = None
        if self.weighs_edges:
            edge_weights = rest[:cells]
            rest = rest[cells:]
        side_weight = rest[0] if rest else None
        mixture = Mixture(
            weights, self.support, side_weight=side_weight, edge_weights=edge_weights
        )
        return self.run(images, mixture)


class _Graph:
    """A captured CUDA graph of a forward and its backward."""

    def __init__(
        self,
        forward: _Forward,
        images: Tensor,
        mixture: Mixture,
    ) -> None:
        inputs = (images, *mixture.tensors)
        static = tuple(
            tensor.detach().clone().requires_grad_(tensor.requires_grad)
            for tensor in inputs
        )
        # Capturing runs the forward, which changes running statistics.
        buffers = list(forward.supernet.buffers())
        before = [buffer.clone() for buffer in buffers]
        self._replay: Callable[..., Any] = torch.cuda.make_graphed_callables(
            forward, static, allow_unused_input=True
        )
        torch._foreach_copy_(buffers, before)
        self._waiting: weakref.ref[object] | None = None

    def __call__(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Tensor:
        if self._waiting is not None and self._waiting() is not None:
            raise RuntimeError(
                "a second forward under CUDA graphs before the backward of the first: use 'eager'"
            )
        logits: Tensor = self._replay(images, *mixture.tensors)
        if logits.requires_grad:
            self._waiting = weakref.ref(logits.grad_fn)
            logits.register_hook(self._done)
        return logits

    def _done(self, _gradient: Tensor) -> None:
        """Record that the backward has run."""
        self._waiting = None


class _Compiled:
    """Compiled code of a forward and its backward."""

    def __init__(
        self,
        forward: _Forward,
        images: Tensor,
        mixture: Mixture,
    ) -> None:
        self._code: Callable[..., Tensor] = torch.compile(
            forward, fullgraph=True, dynamic=False
        )

    def __call__(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Tensor:
        # torch's default limits count all supports, and a selector makes a new one with
        # every decision.
        names = ("recompile_limit", "accumulated_recompile_limit")
        limits = dict.fromkeys(names, RECOMPILE_LIMIT)
        with torch._dynamo.config.patch(limits):
            return self._code(images, *mixture.tensors)


MAKERS: dict[str, Callable[[_Forward, Tensor, Mixture], Run]] = {
    "cuda-graphs": _Graph,
    "compiled": _Compiled,
}
