"""MeCo: how little do the channels of a layer's features correlate?

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
    """Return the sum over layers of the smallest eigenvalue of a correlation matrix.

    The matrix holds Pearson's correlation of each pair of channels of the layer's
    features, over their positions. A layer is a module without sub-modules, such as a
    convolution or a normalisation. Constant channels have no correlation and are left
    out.

    The network gets one image of standard normal numbers, 64x64. The labels of the
    batch seed it, and `images` only gives the number of channels. Features without
    height and width, such as pooled ones, add nothing.
    """
    return _score(model, forward, images, labels, as_released=False)


def score_as_released(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the score by the rules of the released code.

    HamsterMimi/MeCo adds the outputs of every module, so the output of a container
    counts in addition to the output of its last layer. In that code the features of a
    ReLU-Conv-BN count three times; here they count twice, because our networks have
    fewer containers. All correlations of a constant channel are set to zero, also that
    with itself, so a layer with a constant channel adds nothing.
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
    """Return the smallest eigenvalue of the correlations between channels.

    It is zero if all channels are constant.

    Args:
        channels: (channels, positions).
        as_released: whether a constant channel has correlations of zero; if not, it is
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
    # The smallest eigenvalue of a correlation matrix is at most one, so a one on the
    # diagonal leaves a channel out.
    least = eigenvalues(correlations + constant.double().diag())[0]
    return least.where(~constant.all(), 0)


DOMAIN = Domain(
    needs="features of several channels",
    values="real",
    undefined="the features are not finite",
    equal="no",
    because="it adds up every layer that is called, even one without effect",
)

MECO = Proxy(
    name="meco",
    summary="sum over layers of the smallest eigenvalue of the correlations between channels",
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
