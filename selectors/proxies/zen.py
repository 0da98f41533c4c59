"""Zen-score: how much do the features change with a small change of the image? (Lin et al., ICCV 2021)"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Forward, Proxy
from archselect.selectors.proxies.forwards import LINEAR, listening, replaced

ALPHA = 0.01
"""Size of the change; the authors' value."""


def score(model: nn.Module, forward: Forward, images: Tensor, labels: Tensor) -> float:
    """log E||f(x) - f(x + alpha e)|| + the sum over batch normalisations of log s.

    f(x) are the features before global pooling; x and e, of the shape of the images, and all weights are standard
    normal; s² is the mean over channels of the variance that the normalisation divides by: the batch's in batch-norm
    mode "batch", the running one in mode "running". The mean over images, one draw. The norm is Euclidean (the released
    code adds up absolute values). The paper has networks without branches; here the sum is over all normalisations
    that the forward calls, as in NASLib.

    Neither the weights nor the images of the batch matter. The draw is seeded by the batch's labels: candidates
    compared on one batch share it, and a sum over batches averages over draws. Raises OverflowError where the features
    are not finite, as in a deep network that is not normalised by its batch.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(labels.cpu().numpy().tobytes()))
    gaussian = replaced(model, forward, _gaussian_weights(model, generator))
    x, e = (torch.randn(images.shape, generator=generator, dtype=images.dtype).to(images.device) for _ in range(2))
    features, scale = _features(model, gaussian, x)
    moved, _ = _features(model, gaussian, x + ALPHA * e)
    if not bool(torch.isfinite(features).all() & torch.isfinite(moved).all()):
        raise OverflowError("zen's features are not finite; score it in batch-norm mode 'batch', as the paper does")
    return float((features - moved).double().flatten(1).norm(dim=1).mean().log() + scale)


def _gaussian_weights(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """By name: standard normal weights of convolutions and linear maps; biases zero, normalisation's scales one."""
    tensors: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if not isinstance(module, (*LINEAR, nn.BatchNorm2d)):
            continue
        for key, parameter in module.named_parameters(recurse=False):
            if key == "bias":
                value = torch.zeros_like(parameter)
            elif isinstance(module, nn.BatchNorm2d):
                value = torch.ones_like(parameter)
            else:
                value = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype).to(parameter.device)
            tensors[f"{name}.{key}"] = value
    return tensors


def _features(model: nn.Module, forward: Forward, images: Tensor) -> tuple[Tensor, Tensor]:
    """The features before global pooling, (batch, channels, h, w), and the sum of log s.

    They are what the last module gave that ended before the classifier, the last linear layer to be called, began:
    pooling is no module. Raises ValueError if that cannot be the classifier's input before it was pooled.
    """
    ended: list[Tensor] = []
    found: list[tuple[Tensor, int]] = []
    logs: list[Tensor] = []

    def hear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, LINEAR):
            found[:] = [(ended[0], inputs[0].shape[1])] if ended else []
        elif isinstance(module, nn.BatchNorm2d):
            batch = module.training or module.running_var is None
            variance = inputs[0].var(dim=(0, 2, 3), correction=0) if batch else module.running_var
            assert variance is not None
            logs.append(variance.double().mean().log() / 2)
        ended[:] = [output]

    with listening(model, hear), torch.no_grad():
        forward(images)
    if not found or found[0][0].dim() != 4 or found[0][0].shape[1] != found[0][1]:
        raise ValueError("zen needs a network whose features are averaged, outside any module, for its classifier")
    return found[0][0], torch.stack(logs).sum() if logs else torch.zeros((), dtype=torch.float64)


ZEN = Proxy(
    name="zen",
    summary="log of the change of a Gaussian network's features with a small change of Gaussian images",
    paper="Lin et al., Zen-NAS, ICCV 2021, arXiv 2102.01063",
    better="higher",
    formulation=1,
    score=score,
    norm="batch",
)
