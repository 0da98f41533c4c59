"""Supernets at the papers' size, beside plain ones with the same weights, and the work that is timed on them.

ARCHSELECT_PERF_DEVICE and ARCHSELECT_PERF_BATCH say where they are and how many images
they are given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch.nn import functional as F

from archselect.benchmarks.runtime.machine import open_device
from archselect.nasbench_adapters.networks import (
    Mixture,
    Supernet,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.space import Decisions
from archselect.nasbench_adapters.spaces import get_space
from support import naive, naive_darts

BATCH = int(os.environ.get("ARCHSELECT_PERF_BATCH", "64"))
IMAGE = (3, 32, 32)
CLASSES = 10
DEVICE = open_device(os.environ.get("ARCHSELECT_PERF_DEVICE", "cpu"))


@dataclass(frozen=True)
class SupernetPair:
    """A supernet, the plain one with the same weights, and what they are given.

    Attributes:
        supernet: ours, laid out with channels last.
        plain: the plain one, laid out channel by channel as the papers' code has it.
        alphas: per cell type, edges × operations.
        images: a batch, random.
        labels: of the images, random.
    """

    supernet: Supernet
    plain: nn.Module
    alphas: tuple[torch.Tensor, ...]
    images: torch.Tensor
    labels: torch.Tensor

    @property
    def mixture(self) -> Mixture:
        """The mixture of the alphas, with gradients."""
        return mixture_of(self.supernet.space, self.alphas)

    def weights(self) -> list[torch.Tensor]:
        """Return the mixture as the plain supernet takes it."""
        return [torch.softmax(alpha, dim=1) for alpha in self.alphas]

    @cached_property
    def flops(self) -> float:
        """FLOPs of one forward of the batch: convolutions and classifier."""
        return self.flops_of([self.mixture])

    def flops_of(self, mixtures: Sequence[Mixture]) -> float:
        """Return the FLOPs of one forward of the batch under each of these mixtures."""
        cost = ForwardCost(self.supernet, IMAGE)
        return BATCH * sum(map(cost, mixtures))


def new_darts() -> SupernetPair:
    """Return the DARTS supernet of 16 channels and 8 layers, untrained.

    The plain one has torch's own poolings in place of its slow ones.
    """

    def pool(self: naive_darts.Pool, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "max":
            out = F.max_pool2d(x, 3, self.stride, 1)
        else:
            out = F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        return self.bn(out) if self.normalised else out

    naive_darts.Pool.forward = pool
    return _new_pair("darts", naive_darts.copy_of)


def new_nb201() -> SupernetPair:
    """Return NAS-Bench-201's supernet of 16 channels and 5 cells a stage, untrained.

    The plain one has torch's own poolings in place of its slow ones.
    """

    def pool(
        self: naive.AveragePool,
        x: torch.Tensor,
        blocked: bool = False,
    ) -> torch.Tensor:
        return F.avg_pool2d(x * 0 if blocked else x, 3, 1, 1, count_include_pad=False)

    naive.AveragePool.forward = pool
    return _new_pair("nb201", lambda supernet: naive.copy_of(supernet, 16, 5))


def _new_pair(name: str, copy_of: Callable[[Supernet], nn.Module]) -> SupernetPair:
    """Return the supernets of a space, and random images for them."""
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    supernet = Supernet(space, space.skeleton(), 3, CLASSES, 0)
    plain = copy_of(supernet)
    images = torch.randn(BATCH, *IMAGE, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    alphas = new_alphas(space, generator, DEVICE)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    return SupernetPair(
        supernet=supernet.to(DEVICE, memory_format=torch.channels_last),
        plain=plain.to(DEVICE),
        alphas=tuple(alpha.requires_grad_() for alpha in alphas),
        images=images.to(DEVICE),
        labels=labels.to(DEVICE),
    )


def decisions_after(pair: SupernetPair, edges: int) -> Decisions:
    """Return the decisions after so many edges.

    They are convolutions of both sizes and a skip, as nwot likes them.
    """
    decisions = pair.supernet.space.undecided()
    for edge, choice in enumerate((3, 2, 3, 1, 2, 3)[:edges]):
        decisions = decisions.decide(0, edge, choice)
    return decisions


def candidate_mixtures(pair: SupernetPair) -> Iterator[list[Mixture]]:
    """Yield, edge by edge, the mixtures that one iteration of Zero-Cost-PT scores.

    Every operation is masked in turn.
    """
    alphas = [alpha.detach() for alpha in pair.alphas]
    for edge in range(6):
        mixture = mixture_of(pair.supernet.space, alphas, decisions_after(pair, edge))
        yield [mixture.without(0, edge, choice) for choice in range(5)]


def released_kernel(
    network: nn.Module,
    forward: Callable[[torch.Tensor], object],
    images: torch.Tensor,
) -> torch.Tensor:
    """Return NWOT's K as the released code computes it, images × images.

    It takes both products of every pattern, in every module named after a ReLU.
    """
    size = len(images)
    total = torch.zeros(size, size, dtype=torch.float64, device=images.device)

    def listen(
        module: nn.Module,
        inputs: tuple[torch.Tensor, ...],
        output: object,
    ) -> None:
        active = (inputs[0].reshape(size, -1) > 0).float()
        inactive = 1 - active
        total.add_((active @ active.T).double() + (inactive @ inactive.T).double())

    hooks = [
        module.register_forward_hook(listen)
        for module in network.modules()
        if "ReLU" in type(module).__name__
    ]
    try:
        forward(images)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def forward_and_backward(
    model: nn.Module,
    alphas: Sequence[torch.Tensor],
    forward: Callable[[], torch.Tensor],
    labels: torch.Tensor,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the loss of one step, and the alphas' gradients."""
    model.zero_grad()
    for alpha in alphas:
        alpha.grad = None
    loss = F.cross_entropy(forward(), labels)
    loss.backward()
    return loss.detach(), [alpha.grad.clone() for alpha in alphas]
