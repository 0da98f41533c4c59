"""Zen-score: how much do the features change with a small change of the image? (Lin et al., ICCV 2021)"""

from __future__ import annotations

import zlib
from collections.abc import Set

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.streams import stream_seed
from archselect.selectors.proxies.base import Domain, Forward, Proxy, Undefined
from archselect.selectors.proxies.forwards import LINEAR, listening, replaced, working

ALPHA = 0.01
"""Size of the change; the authors' value."""


def score(model: nn.Module, forward: Forward, images: Tensor, labels: Tensor) -> float:
    """Return log E||f(x) - f(x + alpha e)|| + the sum over batch normalisations of log s.

    f(x) are the features before global pooling. The images x, their change e and all weights are standard normal; x and
    e have the shape of `images`. E is the mean over the batch, of one draw; the norm is Euclidean. s² is the variance
    that a normalisation divides by, mean over its channels: the batch's in batch-norm mode "batch", the running one in
    mode "running".

    The sum makes up for the scale that normalisation takes away from the features, so a normalisation counts only if it
    is at work: its input differs between images, and the features depend on its output. A layer that reads an empty
    node, or whose output nothing reads, adds nothing, and networks that differ only in such layers have equal scores.

    Sources: the paper has chains of layers, all at work, and says nothing of others. The released code (idstcv/ZenNAS)
    sums absolute values instead of squares, and takes s² from running variances, which start at 1 and move a tenth of
    the way at each of its two forwards: there a layer that reads zeros adds log(0.81) / 2 = -0.105, one that is never
    called adds 0, and one whose output nothing reads adds its log s.

    Neither the weights of the model nor the pixels of `images` matter. All draws are seeded by `labels`, those of a
    layer by its name, too: candidates compared on one batch share the draw, whatever other layers they have, and a sum
    over batches averages over draws.

    Raises:
        Undefined: the features do not change with the images, as in a disconnected cell; they are not finite, as in a
            deep network that is not normalised by its batch; or the network has no features that are averaged for its
            classifier.
    """
    if len(images) < 2:
        raise Undefined("zen needs at least two images")
    draw = zlib.crc32(labels.cpu().numpy().tobytes())
    gaussian = replaced(model, forward, _gaussian_weights(model, draw))
    x = _normal(images, draw, "images")
    moved = x + ALPHA * _normal(images, draw, "change")
    counted = working(model, gaussian, x, nn.BatchNorm2d)
    features, scale = _features(model, gaussian, x, counted)
    features_moved, _ = _features(model, gaussian, moved, counted)
    change = (features - features_moved).double().flatten(1).norm(dim=1).mean()
    if not bool(torch.isfinite(change)):
        raise Undefined("the features are not finite; score zen in batch-norm mode 'batch', as the paper does")
    if not bool(change > 0):
        raise Undefined("the features do not depend on the images")
    return float(change.log() + scale)


def _normal(like: Tensor, draw: int, name: str) -> Tensor:
    """Return standard normal numbers of the shape, type, device and layout of `like`, seeded by draw and name."""
    generator = torch.Generator().manual_seed(stream_seed("zen", draw, name))
    return torch.empty_like(like).copy_(torch.randn(like.shape, generator=generator, dtype=like.dtype))


def _gaussian_weights(model: nn.Module, draw: int) -> dict[str, Tensor]:
    """Return parameters by name: convolutions and linear maps standard normal, biases zero, normalisation's scales one.

    A layer's numbers depend on the draw and its name alone.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if not isinstance(module, (*LINEAR, nn.BatchNorm2d)):
            continue
        for key, parameter in module.named_parameters(recurse=False):
            full = f"{name}.{key}"
            if key == "bias":
                tensors[full] = torch.zeros_like(parameter)
            elif isinstance(module, nn.BatchNorm2d):
                tensors[full] = torch.ones_like(parameter)
            else:
                tensors[full] = _normal(parameter.detach(), draw, full)
    return tensors


def _features(model: nn.Module, forward: Forward, images: Tensor, counted: Set[nn.Module]) -> tuple[Tensor, Tensor]:
    """Return the features before global pooling, (batch, channels, h, w), and the sum of log s over `counted`.

    The features are what the last module gave that ended before the classifier, the last linear layer to be called,
    began: pooling is no module. Raises Undefined if that cannot be the classifier's input before it was pooled.
    """
    ended: list[Tensor] = []
    found: list[tuple[Tensor, int]] = []
    logs: list[Tensor] = []

    def hear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, LINEAR):
            found[:] = [(ended[0], inputs[0].shape[1])] if ended else []
        elif isinstance(module, nn.BatchNorm2d) and module in counted:
            batch = module.training or module.running_var is None
            variance = inputs[0].var(dim=(0, 2, 3), correction=0) if batch else module.running_var
            assert variance is not None
            logs.append(variance.double().mean().log() / 2)
        ended[:] = [output]

    with listening(model, hear), torch.no_grad():
        forward(images)
    if not found or found[0][0].dim() != 4 or found[0][0].shape[1] != found[0][1]:
        raise Undefined("zen needs a network whose features are averaged, outside any module, for its classifier")
    return found[0][0], torch.stack(logs).sum() if logs else torch.zeros((), dtype=torch.float64)


ZEN = Proxy(
    name="zen",
    summary="log of the change of a Gaussian network's features with a small change of Gaussian images",
    paper="Lin et al., Zen-NAS, ICCV 2021, arXiv 2102.01063",
    better="higher",
    score=score,
    domain=Domain(
        needs="at least two images; features that are averaged for a classifier",
        values="real",
        undefined="the features do not depend on the images (a disconnected cell), or are not finite",
        equal="yes",
        because="only normalisations at work count, and a layer's draw goes with its name",
    ),
    norm="batch",
)
