"""NWOT, "neural architecture search without training".

It measures how different the sets of active ReLUs are between images. Mellor et al.,
ICML 2021. The paper of Zero-Cost-PT calls it `jacob`, its code `nwot`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.operations import (
    Count,
    Rectifier,
    SilencedRectifier,
)
from archselect.selectors.proxies.base import Domain, Forward, Proxy, Undefined


def pattern_kernel(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
) -> Tensor:
    """Return how many ReLUs agree between each pair of images.

    The result K is (batch, batch), float64, with whole numbers.

    For a ReLU whose input is x, with b = (x > 0) flattened per image and of length d, K
    gains b b^T + (1 - b)(1 - b)^T = d + 2 b b^T - r 1^T - 1 r^T with r = diag(b b^T).
    So each node takes one matrix product, times the number of times that the released
    code counts it. That code adds every module whose class name contains "ReLU":

    * a ReLU-Conv-BN (an operation of NAS-Bench-201, the preprocessing of a DARTS cell)
      counts its input twice, once for itself and once for the ReLU in it;
    * a ReLU-Conv-BN that the mixture has silenced counts its true input once; the ReLU
      in it gets zeros, which agree for all images, so K gains d everywhere;
    * an inverted residual counts its two ReLUs; if it is silenced, both get zeros;
    * separable and dilated convolutions, factorized reductions and bare ReLUs count
      once, and never if they are silenced.
    """
    return pattern_kernels(model, forward, images, 1)[0]


def pattern_kernels(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    candidates: int,
) -> Tensor:
    """Return K of every candidate, (candidates, batch, batch).

    :func:`pattern_kernel` defines K, and :attr:`.Proxy.side_by_side` the candidates.
    """
    patterns = _Patterns(candidates, len(images), images.device)
    rectifiers = [module for module in model.modules() if isinstance(module, Rectifier)]
    hooks = [
        module.register_forward_hook(patterns.hear, with_kwargs=True)
        for module in rectifiers
    ]
    for module in model.modules():
        if isinstance(module, SilencedRectifier):
            hooks.append(module.register_forward_hook(patterns.hear_zeros))
    try:
        forward(images)
    finally:
        for hook in hooks:
            hook.remove()
    return patterns.kernels()


class _Patterns:
    """Running sums over all rectifiers, from which K is computed.

    K is linear in b b^T and d, so it is enough to sum these.

    Args:
        candidates: number of candidates scored side by side.
        batch: number of images per candidate.
        device: device of the images.
    """

    def __init__(
        self,
        candidates: int,
        batch: int,
        device: torch.device,
    ) -> None:
        self._candidates = candidates
        self._batch = batch
        self._device = device
        self._overlaps = torch.zeros(
            candidates, batch, batch, dtype=torch.float64, device=device
        )
        self._lengths = [0] * candidates
        self._weights: dict[tuple[int, ...], Tensor] = {}

    def hear(
        self,
        _module: nn.Module,
        _inputs: tuple[Tensor],
        counts: dict[str, Any],
        output: Tensor,
    ) -> None:
        """Add the pattern of a rectifier: a forward hook.

        Args:
            counts: the rectifier's `seen` and `blank`.
            output: (batch, ...) or (candidates * batch, ...).
        """
        seen = _for_each(counts.get("seen", 1), self._candidates)
        blank = _for_each(counts.get("blank", 0), self._candidates)
        length = output[0].numel()
        for candidate in range(self._candidates):
            times = seen[candidate] + blank[candidate]
            self._lengths[candidate] += times * length
        overlaps = _overlaps(_active(output, self._batch))
        if len(set(seen)) == 1:
            self._overlaps.add_(overlaps, alpha=seen[0])
        else:
            self._overlaps.addcmul_(overlaps.double(), self._by_candidate(seen))

    def hear_zeros(
        self,
        _module: nn.Module,
        inputs: tuple[int],
        _output: None,
    ) -> None:
        """Add a rectifier that gets zeros, where all images agree: a forward hook."""
        (length,) = inputs
        for candidate in range(self._candidates):
            self._lengths[candidate] += length

    def kernels(self) -> Tensor:
        """Return K of every candidate, (candidates, batch, batch)."""
        active = self._overlaps.diagonal(dim1=1, dim2=2)
        of_columns = active[:, None]
        of_rows = active[:, :, None]
        lengths = _column(self._lengths).to(self._device)
        return 2 * self._overlaps - of_columns - of_rows + lengths

    def _by_candidate(self, seen: tuple[int, ...]) -> Tensor:
        """Return the counts on the device, (candidates, 1, 1).

        They are cached, so that no forward waits for copies.
        """
        if seen not in self._weights:
            self._weights[seen] = _column(seen).to(self._device)
        return self._weights[seen]


def _column(numbers: Sequence[int]) -> Tensor:
    """Return numbers as (numbers, 1, 1), float64."""
    return torch.tensor(numbers, dtype=torch.float64).view(-1, 1, 1)


def _for_each(
    count: Count,
    candidates: int,
) -> tuple[int, ...]:
    """Return a count for each candidate."""
    return (count,) * candidates if isinstance(count, int) else count


def _active(output: Tensor, batch: int) -> Tensor:
    """Return where a rectifier's input is positive, (1 or candidates, batch, entries).

    The output of a rectifier is positive exactly where its input is. The order of an
    image's entries does not matter, so they are read in the order of memory.
    """
    active = output.to(torch.bool)
    if active.dim() == 4 and active.is_contiguous(memory_format=torch.channels_last):
        active = active.permute(0, 2, 3, 1)
    return active.reshape(-1, batch, output[0].numel())


def _overlaps(active: Tensor) -> Tensor:
    """Return how many bits each pair of rows has in common.

    The result is (1 or candidates, batch, batch).

    Processors with AVX512 multiply bytes twice as fast as floats. Whole numbers below
    2^24 are exact in float32, so the order of summation does not matter.
    """
    on_cpu = active.device.type == "cpu"
    if on_cpu and torch.backends.cpu.get_cpu_capability() == "AVX512":
        by_candidate = active.view(torch.int8)
        products = [torch._int_mm(rows, rows.T) for rows in by_candidate]
        return torch.stack(products)
    rows = active.float()
    return rows @ rows.mT


def scores(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
    candidates: int,
) -> list[float]:
    """Return log|det K| of every candidate.

    It is -inf if K is singular: two images then have the same ReLU pattern.
    """
    kernels = pattern_kernels(model, forward, images, candidates)
    logarithms: list[float] = torch.linalg.slogdet(kernels).logabsdet.tolist()
    return logarithms


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return log|det K|.

    Raises Undefined if K is singular: two images then have the same ReLU pattern.
    """
    (value,) = scores(model, forward, images, labels, 1)
    if value == -math.inf:
        raise Undefined("no ReLU tells two of the images apart")
    return value


NWOT = Proxy(
    name="nwot",
    summary="log-determinant of the agreement of ReLU patterns between images",
    paper="Mellor et al., ICML 2021, arXiv 2006.04647",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="rectifiers",
        values="real",
        undefined="two images have the same ReLU pattern (a disconnected cell)",
        equal="no",
        because="the released code also counts the inputs of layers without effect",
    ),
    side_by_side=scores,
)
