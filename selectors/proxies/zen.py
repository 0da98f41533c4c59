"""Zen-score: how much do the features change with a small change of the image?

Lin et al., ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy, Undefined
from archselect.selectors.proxies.draws import draw_of, gaussian_weights, normal
from archselect.selectors.proxies.forwards import LINEAR, listening, replaced, working

ALPHA = 0.01
"""Size of the change; the authors' value."""
STREAM = "zen"
"""Name of the random stream of its draws."""


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return log E||f(x) - f(x + alpha e)|| + sum over batch normalisations of log s.

    f(x) are the features before global pooling. The images x, their change e and all
    weights are standard normal; x and e have the shape of `images`. E is the mean over
    the batch, for one draw; the norm is Euclidean. s² is the mean over channels of the
    variance that a normalisation divides by: the batch's variance in batch-norm mode
    "batch", the running variance in mode "running".

    The sum restores the scale that normalisation removes from the features. So a
    normalisation counts only if it has an effect: its input differs between images, and
    the features depend on its output. A layer that reads an empty node, or whose output
    nothing reads, adds nothing. Networks that differ only in such layers have equal
    scores.

    Sources: the paper has chains of layers only, where every layer has an effect.
    The released code (idstcv/ZenNAS) sums absolute values instead of squares, and takes
    s² from running variances, which start at 1 and move a tenth of
    the way at each of its two forwards. There a layer that reads zeros adds log(0.81) /
    2 = -0.105, a layer that is never called adds 0, and a layer whose output nothing
    reads adds its log s.

    Neither the weights of the model nor the pixels of `images` matter. `labels` seed
    all draws; a layer's draw also depends on its name. So candidates that are compared
    on one batch share the draw, whatever other layers they have, and a sum over batches
    averages over draws.

    Raises:
        Undefined: the features do not change with the images, as in a disconnected
            cell; the features are not finite, as in a deep network that is not
            normalised by its batch; or the classifier does not read averaged features.
    """
    if len(images) < 2:
        raise Undefined("zen needs at least two images")
    draw = draw_of(labels)
    weights = gaussian_weights(model, STREAM, draw)
    gaussian = replaced(model, forward, weights)
    x = normal(images, STREAM, draw, "images")
    moved = x + ALPHA * normal(images, STREAM, draw, "change")
    counted = working(model, gaussian, x, nn.BatchNorm2d)
    features, scale = _features(model, gaussian, x, counted)
    features_moved, _ = _features(model, gaussian, moved, counted)
    difference = (features - features_moved).double()
    change = difference.flatten(1).norm(dim=1).mean()
    if not bool(torch.isfinite(change)):
        raise Undefined(
            "the features are not finite; score zen in batch-norm mode 'batch', as the paper does"
        )
    if not bool(change > 0):
        raise Undefined("the features do not depend on the images")
    return float(change.log() + scale)


def _features(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    counted: Set[nn.Module],
) -> tuple[Tensor, Tensor]:
    """Return the features before global pooling, and the sum of log s over `counted`.

    The classifier is the last linear layer that is called, and pooling is not a module.
    So the features, (batch, channels, height, width), are the output of the last module
    that ended before the classifier began. Raises Undefined if that output cannot be
    the classifier's input before pooling.
    """
    heard = _Heard(counted)
    with listening(model, heard.hear), torch.no_grad():
        forward(images)
    features = heard.features
    if features is None or not heard.is_classified(features):
        raise Undefined(
            "zen needs a network whose features are averaged, outside any module, for its classifier"
        )
    if not heard.logs:
        return features, torch.zeros((), dtype=torch.float64)
    return features, torch.stack(heard.logs).sum()


class _Heard:
    """Records of a forward: features, and scales of normalisations.

    Args:
        counted: the normalisations that count.

    Attributes:
        features: output of the last module that ended before the last linear layer
            began; None if there was none.
        classifier_channels: channels of the input of that linear layer.
        logs: log s of each call of a normalisation that counts.
    """

    def __init__(self, counted: Set[nn.Module]) -> None:
        self.features: Tensor | None = None
        self.classifier_channels = 0
        self.logs: list[Tensor] = []
        self._counted = counted
        self._latest: Tensor | None = None

    def is_classified(self, features: Tensor) -> bool:
        """Return whether features can be the classifier's input before pooling."""
        is_image = features.dim() == 4
        return is_image and features.shape[1] == self.classifier_channels

    def hear(
        self,
        module: nn.Module,
        inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        """Record a module's call: a forward hook."""
        if isinstance(module, LINEAR):
            self.features = self._latest
            self.classifier_channels = inputs[0].shape[1]
        elif isinstance(module, nn.BatchNorm2d) and module in self._counted:
            self.logs.append(_log_scale(module, inputs[0]))
        self._latest = output


def _log_scale(
    norm: nn.BatchNorm2d,
    features: Tensor,
) -> Tensor:
    """Return log s of a normalisation.

    s² is the mean of the variances that the normalisation divides by.
    """
    if norm.training or norm.running_var is None:
        variance = features.var(dim=(0, 2, 3), correction=0)
    else:
        variance = norm.running_var
    return variance.double().mean().log() / 2


ZEN = Proxy(
    name="zen",
    summary="log of the change of a Gaussian network's features with a small change of Gaussian images",
    paper="Lin et al., Zen-NAS, ICCV 2021, arXiv 2102.01063",
    better="higher",
    formulation=2,
    score=score,
    domain=Domain(
        needs="at least two images; features that are averaged before the classifier",
        values="real",
        undefined="the features do not depend on the images (a disconnected cell), or are not finite",
        equal="yes",
        because="only normalisations with an effect count, and a layer's draw depends on its name",
    ),
    norm="batch",
)
