"""Candidate operations and the fixed blocks around cells, as torch modules.

Every module takes and returns features (batch, channels, height, width). `replicas` trains several networks of one
shape side by side: channels are stacked replica by replica and every convolution is grouped, so replicas never mix.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Rectifier(nn.ReLU):
    """A ReLU whose call says who reads it, so that activation-pattern proxies can count (see selectors.proxies.nwot).

    In the papers' code every ReLU-Conv-BN has a ReLU of its own. Here a node is rectified once, and the call carries
    how many ReLU-Conv-BN read it (`readers`; none for the bare ReLU before the classifier) and how many of them the
    mixture has silenced (`silent`).
    """

    def forward(self, input: Tensor, readers: int = 0, silent: int = 0) -> Tensor:
        """`input` with negative entries set to zero; same shape."""
        return super().forward(input)


def conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, replicas: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps height and width (at stride 1), one group per replica."""
    return nn.Conv2d(
        channels_in * replicas,
        channels_out * replicas,
        kernel,
        stride=stride,
        padding=kernel // 2,
        bias=False,
        groups=replicas,
    )


class ConvNorm(nn.Sequential):
    """Convolution and normalisation of features that are already rectified: the tail of ReLU-Conv-BN."""

    reads_rectified = True

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        affine: bool = True,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            conv(channels_in, channels_out, kernel, stride, replicas),
            nn.BatchNorm2d(channels_out * replicas, affine=affine),
        )


class Skip(nn.Identity):
    """The identity."""

    reads_rectified = False


class Pool(nn.AvgPool2d):
    """Average pooling 3x3 of stride 1; the padding is not counted."""

    reads_rectified = False

    def __init__(self) -> None:
        super().__init__(3, stride=1, padding=1, count_include_pad=False)


class ResidualReduction(nn.Module):
    """NAS-Bench-201's block between stages: two ReLU-Conv3x3-BN, beside average pooling and a 1x1 convolution."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 2, replicas: int = 1) -> None:
        super().__init__()
        self.rectify_a, self.rectify_b = Rectifier(), Rectifier()
        self.conv_a = ConvNorm(channels_in, channels_out, 3, stride, replicas=replicas)
        self.conv_b = ConvNorm(channels_out, channels_out, 3, replicas=replicas)
        self.downsample = nn.Sequential(nn.AvgPool2d(stride), conv(channels_in, channels_out, 1, replicas=replicas))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, h, w) -> (batch, channels_out, h / stride, w / stride)."""
        out = self.conv_b(self.rectify_b(self.conv_a(self.rectify_a(x, readers=1)), readers=1))
        return out + self.downsample(x)


class PoolReduction(nn.Sequential):
    """A stage change that learns next to nothing by itself: average pooling, a 1x1 convolution, normalisation."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 2, replicas: int = 1) -> None:
        super().__init__(
            nn.AvgPool2d(stride),
            conv(channels_in, channels_out, 1, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
        )


BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "residual_reduction": ResidualReduction,
    "pool_reduction": PoolReduction,
}


def build_operation(
    name: str, channels_in: int, channels_out: int, affine: bool, replicas: int = 1
) -> nn.Module | None:
    """The module of a candidate operation, or None for `none`, which adds nothing to its target."""
    match name:
        case "none":
            return None
        case "skip_connect":
            return Skip()
        case "nor_conv_1x1":
            return ConvNorm(channels_in, channels_out, 1, affine=affine, replicas=replicas)
        case "nor_conv_3x3":
            return ConvNorm(channels_in, channels_out, 3, affine=affine, replicas=replicas)
        case "avg_pool_3x3":
            return Pool()
    raise ValueError(f"no module for operation {name!r}")
