"""NWOT, "neural architecture search without training": do images activate different ReLUs? (Mellor et al., ICML 2021)

The Zero-Cost-PT paper and code call it `jacob` and `nwot`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.operations import Rectifier
from archselect.selectors.proxies.base import Forward, Proxy


def pattern_kernel(model: nn.Module, forward: Forward, images: Tensor) -> Tensor:
    """How many ReLUs each pair of images agrees on: K of shape (batch, batch), float64, whole numbers.

    For a ReLU whose input is x, with b = (x > 0) flattened per image and of length d, K gains
    b b^T + (1 - b)(1 - b)^T = d + 2 b b^T - r 1^T - 1 r^T with r = diag(b b^T): one matrix product per node, taken as
    often as the released code counts it. That code listens to every module whose class name contains "ReLU", so that

    * a ReLU-Conv-BN (an operation of NAS-Bench-201, the preprocessing of a DARTS cell) counts its input twice, once
      for itself and once for the ReLU within;
    * one that the mixture has silenced counts its true input once, and the ReLU within sees zeros, on which all
      images agree: K gains d everywhere;
    * separable and dilated convolutions, factorized reductions and bare ReLUs count once, silenced ones not at all.
    """
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)

    def add(module: nn.Module, inputs: tuple[Tensor], counts: dict[str, int], output: Tensor) -> None:
        # The output is positive exactly where the input is. The order of a row's entries is of no account, so they
        # are taken as they lie in memory.
        active = torch.sign(output)
        if active.dim() == 4 and active.is_contiguous(memory_format=torch.channels_last):
            active = active.permute(0, 2, 3, 1)
        active = active.flatten(1)
        length = active.shape[1]
        both = _overlaps(active).double()
        rows = both.diagonal()
        agreements = 2 * both - rows - rows[:, None] + length
        kernel.add_(agreements, alpha=counts.get("seen", 1)).add_(counts.get("blank", 0) * length)

    hooks = [
        module.register_forward_hook(add, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, Rectifier)
    ]
    try:
        forward(images)
    finally:
        for hook in hooks:
            hook.remove()
    return kernel


def _overlaps(active: Tensor) -> Tensor:
    """active @ active.T for rows of zeros and ones.

    Whole numbers below 2^24 are exact in float32, so the order of summation does not matter. Processors with AVX512
    multiply bytes twice as fast.
    """
    if active.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512":
        active = active.to(torch.int8)
        return torch._int_mm(active, active.T)
    return active @ active.T


def score(model: nn.Module, forward: Forward, images: Tensor, labels: Tensor) -> float:
    """log|det K|; -inf where K is singular (two images that no ReLU tells apart)."""
    return float(torch.linalg.slogdet(pattern_kernel(model, forward, images)).logabsdet)


NWOT = Proxy(
    name="nwot",
    summary="log-determinant of the agreement of ReLU patterns between images",
    paper="Mellor et al., ICML 2021, arXiv 2006.04647",
    better="higher",
    score=score,
    features_only=True,
)
