"""MeCo: how little are the channels of a layer's features correlated?

Jiang et al., NeurIPS 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.draws import draw_of, normal
from archselect.selectors.proxies.forwards import listening, total
from archselect.selectors.proxies.spectra import eigenvalues

SIDE = 64
"""Height and width of the image, in pixels; the authors' value."""


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over layers of the least eigenvalue of a correlation matrix.

    The matrix has Pearson's correlation of each pair of channels of the layer's
    features, over their positions. A layer is a module without modules of its own, such
    as a convolution or a normalisation. Channels that are constant have no correlation
    and are left out.

    The network sees one image of standard normal numbers, 64x64, drawn by the labels of
    the batch; `images` gives its channels only. Features of no extent, such as pooled
    ones, add nothing.
    """
    return _score(model, forward, images, labels, as_released=False)


def score_as_released(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the score with the released code's rules.

    HamsterMimi/MeCo listens to every module. What a container gives counts once more
    than what its last layer gives: there the features of a ReLU-Conv-BN count three
    times, here twice, since our networks have fewer containers. The correlations of a
    constant channel are set to zero, its own with itself, too, so that a layer with
    such a channel adds nothing.
    """
    return _score(model, forward, images, labels, as_released=True)


def _score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
    as_released: bool,
) -> float:
    least = []

    def hear(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: object,
    ) -> None:
        is_container = any(True for _ in module.children())
        if is_container and not as_released:
            return
        if isinstance(output, Tensor) and output.dim() == 4:
            channels = output[0].detach().flatten(1)
            least.append(_least_eigenvalue(channels, as_released))

    blank = images.new_empty(1, images.shape[1], SIDE, SIDE)
    image = normal(blank, "meco", draw_of(labels), "image")
    with listening(model, hear), torch.no_grad():
        forward(image)
    return total(least)


def _least_eigenvalue(channels: Tensor, as_released: bool) -> Tensor:
    """Return the least eigenvalue of the correlations between channels.

    It is zero where all channels are constant.

    Args:
        channels: (channels, positions).
        as_released: whether a constant channel has correlations of zero; else it is
            left out.
    """
    exact = channels.double()
    constant = (exact == exact[:, :1]).all(dim=1)
    centred = exact - exact.mean(dim=1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    unit = (centred / norms).masked_fill(constant[:, None], 0)
    correlations = unit @ unit.T
    if as_released:
        return eigenvalues(correlations)[0]
    # The least eigenvalue of a correlation matrix is at most one: a one on the diagonal
    # leaves a channel out.
    least = eigenvalues(correlations + constant.double().diag())[0]
    return least.where(~constant.all(), 0)


DOMAIN = Domain(
    needs="features of several channels",
    values="real",
    undefined="the features are not finite",
    equal="no",
    because="it adds up every layer that is called, at work or not",
)

MECO = Proxy(
    name="meco",
    summary="sum over layers of the least eigenvalue of the correlations between channels",
    paper="Jiang et al., MeCo, NeurIPS 2023",
    better="higher",
    formulation=1,
    score=score,
    domain=DOMAIN,
    norm="batch",
)

MECO_AS_RELEASED = Proxy(
    name="meco_as_released",
    summary="meco over all modules, containers included, as in its released code",
    paper="Jiang et al., MeCo, NeurIPS 2023, released code",
    better="higher",
    formulation=1,
    score=score_as_released,
    domain=DOMAIN,
    norm="batch",
)
