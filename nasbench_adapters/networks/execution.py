"""How a supernet's forwards and backwards are run.

They run operation by operation, are replayed from CUDA graphs, or are compiled. What is
computed is the same. A graph is launched as one, and so takes no time of the processor
between its kernels; compiled code (torch.compile) has fewer kernels, whose rounding is
another. Both hold for one support of the mixture and one shape of images, and cost time
when they are made: 4 forwards and backwards for a graph, minutes for code.
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
"""A way to compute the logits of images under a mixture, as :meth:`.Supernet.forward`.
"""
Listener = Callable[[nn.Module, tuple[Tensor, Mixture], Tensor], object]
"""A forward hook of a supernet."""
KEPT = 8
"""How many graphs are kept; each holds the memory of its activations."""
RECOMPILE_LIMIT = 1000
"""How many pieces of code are made before torch refuses; its own limit, 8, is less than
DARTS-PT has supports.
"""


def executed(
    run: Run,
    supernet: Supernet,
    execution: Execution,
) -> Run:
    """Return `run`, which runs `supernet`, executed as the setting says.

    What comes a second time is replayed or compiled: the same support, shapes, mode and
    precision. A replay raises
    RuntimeError if a forward comes before the backward of the one before it: both have
    their activations in the same memory. Gradients lie in memory that the next replay
    writes to.

    Raises UserError for graphs without a GPU.
    """
    if execution == "cuda-graphs" and next(supernet.parameters()).device.type != "cuda":
        raise UserError(
            "execution 'cuda-graphs' needs a CUDA device: choose 'eager' or 'compiled', or --device cuda"
        )
    if execution == "eager":
        return run
    return _Repeated(run, supernet, MAKERS[execution])


class _Repeated:
    """Makes a graph or code for what comes a second time, and runs it from then on."""

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
        """See :data:`Run`."""
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
        """Drop the oldest of what was made, so that one more may be kept."""
        while len(self._made) >= KEPT:
            oldest = next(iter(self._made))
            del self._made[oldest]

    def _key(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Hashable:
        """Return all that a graph or code assumes: what differs needs another one."""
        kind = images.device.type
        tensors = []
        for tensor in (images, *mixture.tensors):
            tensors.append((tensor.shape, tensor.dtype, tensor.requires_grad))
        is_cast = torch.is_autocast_enabled(kind)
        return (
            mixture.support,
            *tensors,
            torch.is_grad_enabled(),
            is_cast and torch.get_autocast_dtype(kind),
            self._supernet.training,
            self._norm.track_running_stats,
        )


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[Sequence[Listener]]:
    """Yield the forward hooks of a module, which are not called within it."""
    hooks = dict(module._forward_hooks)
    module._forward_hooks.clear()
    try:
        yield list(hooks.values())
    finally:
        module._forward_hooks.update(hooks)


class _Forward(nn.Module):
    """`run` under mixtures like a given one, as a module that is given tensors."""

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
        self.tables = len(mixture.weights)

    def forward(self, images: Tensor, *tensors: Tensor) -> Tensor:
        weights = tensors[: self.tables]
        side_weight = tensors[self.tables] if len(tensors) > self.tables else None
        mixture = Mixture(weights, self.support, side_weight=side_weight)
        return self.run(images, mixture)


class _Graph:
    """A forward and its backward, captured."""

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
        # Capturing runs the forward, which moves running statistics.
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
        """Note that the backward has run."""
        self._waiting = None


class _Compiled:
    """A forward and its backward as code made for them."""

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
        # The limits that torch has by itself count all supports, which are as many as a
        # selector decides edges.
        names = ("recompile_limit", "accumulated_recompile_limit")
        limits = dict.fromkeys(names, RECOMPILE_LIMIT)
        with torch._dynamo.config.patch(limits):
            return self._code(images, *mixture.tensors)


MAKERS: dict[str, Callable[[_Forward, Tensor, Mixture], Run]] = {
    "cuda-graphs": _Graph,
    "compiled": _Compiled,
}
