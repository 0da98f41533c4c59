"""Candidate operations and the parts they are made of, as torch modules.

Every module takes and returns features (batch, channels, height, width). `replicas`
trains several networks of one shape side by side: channels are stacked replica by
replica and every convolution is grouped, so replicas never mix.

An operation that begins with a ReLU is given features that are already rectified
(`reads_rectified`): a node is rectified once for all that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.space import Cell, Edge, Layer, SearchSpace

Count = int | tuple[int, ...]
"""How often something counts: the same for all candidates, or for each."""


class Rectifier(nn.ReLU):
    """A ReLU whose call says how the papers' code counts it, for activation-pattern proxies (selectors.proxies.nwot).

    In that code every operation has a ReLU of its own. Here a node is rectified once,
    and the call carries how often modules of that code would see this input (`seen`),
    and how many would see zeros in its place (`blank`). Where several candidates go
    through one call either may be a tuple, of a number for each of them.
    """

    def forward(self, input: Tensor, seen: Count = 1, blank: Count = 0) -> Tensor:
        """Return `input` with negative entries set to zero; same shape."""
        return super().forward(input)

    @property
    def is_listened_to(self) -> bool:
        """True if something reads `seen` and `blank`: a forward hook that takes keyword arguments."""
        return bool(self._forward_hooks_with_kwargs)


class Counted(NamedTuple):
    """How often the papers' code counts an operation's ReLUs.

    Attributes:
        live: how often it counts the input while the operation is live.
        silent: how often it counts the input while the operation is silenced.
        blank: how often it counts zeros while the operation is silenced.
    """

    live: int
    silent: int = 0
    blank: int = 0


def conv(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    replicas: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Return a convolution without bias that keeps height and width (at stride 1).

    Channels and groups are those of one replica.
    """
    return nn.Conv2d(
        channels_in * replicas,
        channels_out * replicas,
        kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        bias=False,
        groups=groups * replicas,
    )


def concatenate(features: Sequence[Tensor], replicas: int = 1) -> Tensor:
    """Return features (batch, channels, height, width) concatenated along channels, within each replica."""
    if replicas == 1:
        return torch.cat(list(features), dim=1)
    by_replica = [part.unflatten(1, (replicas, -1)) for part in features]
    return torch.cat(by_replica, dim=2).flatten(1, 2)


class Operation(nn.Module):
    """Base of the candidate operations."""

    reads_rectified: ClassVar[bool] = False
    counted: ClassVar[Counted] = Counted(0)

    @property
    def runs_when_silenced(self) -> bool:
        """True if it must be computed even while silenced, because a proxy counts a ReLU within it."""
        return False


class ConvNorm(nn.Sequential, Operation):
    """Convolution and normalisation of features that are already rectified: the tail of ReLU-Conv-BN.

    The released code of Zero-Cost-PT counts the class `ReLUConvBN` and the ReLU within
    it; while silenced, the class sees its input and the ReLU zeros.
    """

    reads_rectified = True
    counted = Counted(live=2, silent=1, blank=1)

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

    @property
    def conv(self) -> nn.Conv2d:
        """Convolution, the first step."""
        module = self[0]
        assert isinstance(module, nn.Conv2d)
        return module

    @property
    def norm(self) -> nn.BatchNorm2d:
        """Normalisation, the step after the convolution."""
        module = self[1]
        assert isinstance(module, nn.BatchNorm2d)
        return module


class Skip(nn.Identity, Operation):
    """The identity."""


class AveragePool(nn.AvgPool2d, Operation):
    """Average pooling 3x3; the padding is not counted."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__(3, stride=stride, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return pooled features: (batch, channels, h, w) -> (batch, channels, h / stride, w / stride)."""
        if (
            x.device.type == "cpu"
            and self.stride == 1
            and not torch.compiler.is_compiling()
        ):
            # A convolution of every channel by itself is several times as fast as
            # torch's own loop.
            channels = x.shape[1]
            sums = F.conv2d(x, _box(channels, x.dtype), padding=1, groups=channels)
            return sums * _shares(*x.shape[2:], x.dtype)
        if not has_wrong_gradient(x):
            return super().forward(x)
        return (
            super()
            .forward(x.contiguous())
            .contiguous(memory_format=torch.channels_last)
        )


@lru_cache(maxsize=64)
def _box(channels: int, dtype: torch.dtype) -> Tensor:
    """Return the kernel that adds up the 3x3 neighbourhood in every channel, (channels, 1, 3, 3)."""
    return torch.ones(channels, 1, 3, 3, dtype=dtype)


@lru_cache(maxsize=64)
def _shares(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Return one over how many of a pixel's neighbours, itself among them, lie within the image, (height, width)."""
    return 1 / (_neighbours(height, dtype)[:, None] * _neighbours(width, dtype))


def _neighbours(size: int, dtype: torch.dtype) -> Tensor:
    """Return how many of a place's neighbours, itself among them, lie on a line of a size, (size,)."""
    counts = [min(place + 2, size) - max(place - 1, 0) for place in range(size)]
    return torch.tensor(counts, dtype=dtype)


def has_wrong_gradient(x: Tensor) -> bool:
    """Return whether torch gives, without a warning, a wrong gradient of a padded average pooling of such features.

    It does on CUDA and channels-last: pytorch issue 188344, mended in July 2026 or
    later. With torch 2.11 on an H200 the gradient norms of NAS-Bench-201 networks with
    poolings came out at 0.17 to 1 times what they are.
    """
    return x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)


class MaxPool(nn.MaxPool2d, Operation):
    """Maximum pooling 3x3."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__(3, stride=stride, padding=1)


class NormalisedPool(Operation):
    """A pooling followed by normalisation without scale and shift, as in DARTS' supernet."""

    def __init__(
        self, pool: AveragePool | MaxPool, channels: int, replicas: int = 1
    ) -> None:
        super().__init__()
        self.pool = pool
        self.norm = nn.BatchNorm2d(channels * replicas, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features, normalised: (batch, channels, h, w) -> (batch, channels, h / s, w / s)."""
        out: Tensor = self.norm(self.pool(x))
        return out


class ConvNormRelu(nn.Sequential, Operation):
    """Convolution, normalisation with scale and shift, ReLU: NAS-Bench-101's convolutions and projections.

    The released code of Zero-Cost-PT counts the ReLU within it once, and while silenced
    too, as it computes whatever is multiplied by zero afterwards.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, replicas: int = 1
    ) -> None:
        super().__init__(
            conv(channels_in, channels_out, kernel, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
            Rectifier(),
        )

    @property
    def runs_when_silenced(self) -> bool:
        """See :attr:`Operation.runs_when_silenced`."""
        rectifier = self[2]
        assert isinstance(rectifier, Rectifier)
        return rectifier.is_listened_to

    @property
    def norm(self) -> nn.BatchNorm2d:
        """Normalisation, the step after the convolution."""
        norm = self[1]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm


class Slot(Skip):
    """The identity, whose output the cell puts at one place of a wide target: see :func:`fill_slots`."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place


def fill_slots(features: Mapping[int, Tensor], slots: int) -> Tensor:
    """Return features by place side by side, zeros where there are none.

    Args:
        features: (batch, channels, height, width) of at least one place.
        slots: number of places.

    Returns:
        (batch, slots * channels, height, width).
    """
    if len(features) < slots:
        zeros = torch.zeros_like(next(iter(features.values())))
        features = dict.fromkeys(range(slots), zeros) | dict(features)
    return torch.cat([features[place] for place in range(slots)], dim=1)


class DilatedConv(nn.Sequential, Operation):
    """Depthwise convolution of dilation 2, pointwise convolution, normalisation; the ReLU before is the caller's."""

    reads_rectified = True
    counted = Counted(live=1)

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int = 1,
        affine: bool = True,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            conv(
                channels,
                channels,
                kernel,
                stride,
                replicas,
                dilation=2,
                groups=channels,
            ),
            conv(channels, channels, 1, replicas=replicas),
            nn.BatchNorm2d(channels * replicas, affine=affine),
        )


class SeparableConv(nn.Sequential, Operation):
    """Twice depthwise convolution, pointwise convolution, normalisation; the first ReLU is the caller's."""

    reads_rectified = True
    counted = Counted(live=1)

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int = 1,
        affine: bool = True,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            conv(channels, channels, kernel, stride, replicas, groups=channels),
            conv(channels, channels, 1, replicas=replicas),
            nn.BatchNorm2d(channels * replicas, affine=affine),
            Rectifier(),
            conv(channels, channels, kernel, 1, replicas, groups=channels),
            conv(channels, channels, 1, replicas=replicas),
            nn.BatchNorm2d(channels * replicas, affine=affine),
        )


class FactorizedReduction(Operation):
    """Halves height and width without losing pixels: two 1x1 convolutions of stride 2, one shifted by a pixel.

    Every other pixel is taken before the convolution, which is the same. torch 2.13's
    weight gradient of a 1x1 convolution of stride 2 writes out of bounds on the CPU for
    some sizes (56 pixels, fewer than 16 channels).
    """

    reads_rectified = True
    counted = Counted(live=1)

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        affine: bool = True,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.replicas = replicas
        self.conv_a = conv(channels_in, channels_out // 2, 1, replicas=replicas)
        self.conv_b = conv(
            channels_in, channels_out - channels_out // 2, 1, replicas=replicas
        )
        self.norm = nn.BatchNorm2d(channels_out * replicas, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels_out, h / 2, w / 2) of (batch, channels_in, h, w); h and w are even."""
        half_a = self.conv_a(x[:, :, ::2, ::2])
        half_b = self.conv_b(x[:, :, 1::2, 1::2])
        out: Tensor = self.norm(concatenate([half_a, half_b], self.replicas))
        return out


class Noise(Operation):
    """Standard normal noise in place of the input (the space S4 of Zela et al., ICLR 2020), without a random state.

    Every number is a hash of its place and of all bits of what it replaces: fresh for
    every batch and every change of the network before it, yet the same whenever the
    same is scored again.

    Args:
        stride: only every stride-th row and column is replaced.
        place: tells apart the noise of edges that read the same node.
    """

    def __init__(self, stride: int = 1, place: int = 0) -> None:
        super().__init__()
        self.stride = stride
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        """Return noise of the input's shape (batch, channels, h, w), or of every `stride`-th row and column of it."""
        x = x.detach()[:, :, :: self.stride, :: self.stride]
        pairs = -(-x.numel() // 2)
        bits_of_input = x.float().contiguous().view(torch.int32).sum(dtype=torch.int64)
        seed = _split_mix(_split_mix(bits_of_input) + self.place)
        bits = _split_mix(torch.arange(pairs, device=x.device) + seed)
        # Two 31-bit uniforms of each hash, then Box and Muller's transform.
        uniform = ((bits & 0x7FFFFFFF).float() + 1) / 2**31
        radius = torch.sqrt(-2 * torch.log(uniform))
        angle = ((bits >> 32) & 0x7FFFFFFF).float() * (2 * torch.pi / 2**31)
        noise = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)])
        return noise[: x.numel()].view_as(x).to(x.dtype)


def _split_mix(z: Tensor) -> Tensor:
    """Return SplitMix64's finaliser (Steele et al., OOPSLA 2014) of int64 numbers, whose products wrap around."""
    z = (z ^ ((z >> 30) & (2**34 - 1))) * -0x40A7B892E31B1A47
    z = (z ^ ((z >> 27) & (2**37 - 1))) * -0x6B2FB644ECCEEE15
    return z ^ ((z >> 31) & (2**33 - 1))


NB101_KERNELS = {"projection": 1, "conv1x1-bn-relu": 1, "conv3x3-bn-relu": 3}
"""Operations of NAS-Bench-101 and its sub-spaces that have parameters, and the side of
their kernels.
"""


def build_operation(
    name: str,
    channels_in: int,
    channels_out: int,
    *,
    stride: int = 1,
    affine: bool = True,
    replicas: int = 1,
    normalised_pools: bool = False,
    place: int = 0,
) -> Operation | None:
    """Return the module of a candidate operation, or None for `none`, which adds nothing to its target.

    Args:
        name: as the spaces write it, such as `sep_conv_3x3`.
        channels_in, channels_out: of its source and target, per replica.
        stride: by which it divides height and width.
        affine: whether normalisation has learnable scale and shift.
        replicas: networks side by side.
        normalised_pools: whether poolings are normalised.
        place: of the edge; see :class:`Noise`.

    Raises ValueError for an unknown operation.
    """
    if name == "none":
        return None
    if name == "noise":
        return Noise(stride, place)
    if name in ("avg_pool_3x3", "max_pool_3x3", "maxpool3x3"):
        pool = AveragePool(stride) if name == "avg_pool_3x3" else MaxPool(stride)
        return NormalisedPool(pool, channels_in, replicas) if normalised_pools else pool
    if name in NB101_KERNELS:
        return ConvNormRelu(channels_in, channels_out, NB101_KERNELS[name], replicas)
    kind, _, detail = name.rpartition("_")
    if kind == "slot" and replicas == 1:
        return Slot(int(detail))
    if kind == "skip" and stride == 1:
        return Skip()
    if kind == "skip":
        return FactorizedReduction(channels_in, channels_out, affine, replicas)
    if kind in ("nor_conv", "sep_conv", "dil_conv"):
        kernel = int(detail[0])
        if kind == "nor_conv":
            return ConvNorm(channels_in, channels_out, kernel, stride, affine, replicas)
        depthwise = SeparableConv if kind == "sep_conv" else DilatedConv
        return depthwise(channels_in, kernel, stride, affine, replicas)
    raise ValueError(f"no module for operation {name!r}")


def operation_parameters(space: SearchSpace) -> list[list[list[int]]]:
    """Return [c][e][k], how many parameters operation k on edge e of cell type c has.

    They are those of a stand-alone network with the space's default skeleton, in the
    first layer of the cell type.
    """
    layers = [layer for layer in space.skeleton().layers if layer.block == "cell"]
    by_cell: list[list[list[int]]] = []
    for place, cell in enumerate(space.cells):
        first_layer = next(layer for layer in layers if layer.cell == place)
        by_cell.append(
            [_edge_parameters(cell, edge, first_layer) for edge in space.edges[place]]
        )
    return by_cell


def _edge_parameters(cell: Cell, edge: Edge, layer: Layer) -> list[int]:
    """Return how many parameters each operation of an edge has in a layer."""
    counts = []
    for name in edge.operations:
        with torch.device("meta"):
            operation = build_operation(
                name,
                layer.channels * cell.width(edge.source),
                layer.channels * cell.width(edge.target),
                stride=layer.stride if edge.source < cell.inputs else 1,
            )
        parameters = operation.parameters() if operation else ()
        counts.append(sum(parameter.numel() for parameter in parameters))
    return counts
