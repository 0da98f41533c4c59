"""Candidate operations and their parts, as torch modules.

Every module takes and returns features (batch, channels, height, width). `replicas`
trains several networks of one shape side by side: channels are stacked replica by
replica and every convolution is grouped, so replicas never mix.

An operation that begins with a ReLU gets features that are already rectified
(`reads_rectified`): each node is rectified only once, for all its readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.space import NONE

Count = int | tuple[int, ...]
"""A number of counts: one for all candidates, or one for each."""


class Rectifier(nn.ReLU):
    """A ReLU whose call passes on how often the papers' code counts it.

    Activation-pattern proxies (selectors.proxies.nwot) need these counts. In the
    papers' code every operation has a separate ReLU. Here a node is rectified once. The
    call tells how many modules of that code would get this input (`seen`), and how many
    would get zeros instead (`blank`). If one call serves several candidates, each can
    be a tuple of one number per candidate.
    """

    def forward(
        self,
        input: Tensor,
        seen: Count = 1,
        blank: Count = 0,
    ) -> Tensor:
        """Return `input` with negative entries set to zero; same shape."""
        return super().forward(input)

    @property
    def is_listened_to(self) -> bool:
        """True if a forward hook with keyword arguments reads `seen` and `blank`."""
        return bool(self._forward_hooks_with_kwargs)


class CappedRectifier(Rectifier):
    """ReLU6: a ReLU whose output is at most six."""

    def forward(
        self,
        input: Tensor,
        seen: Count = 1,
        blank: Count = 0,
    ) -> Tensor:
        """Return `input` clipped to 0..6; same shape."""
        return super().forward(input, seen, blank).clamp(max=6)


class SilencedRectifier(nn.Module):
    """Stand-in for a ReLU of a silenced operation, to which released code feeds zeros.

    It computes nothing; a call only tells a listening proxy the number of zeros.
    """

    def forward(self, length: int) -> None:
        """Tell listeners about a ReLU that gets `length` zeros for each image."""

    @property
    def is_listened_to(self) -> bool:
        """True if a forward hook hears the calls."""
        return bool(self._forward_hooks)


class Counted(NamedTuple):
    """Number of times that the papers' code counts an operation's ReLUs.

    Attributes:
        live: number of times that it counts the input of a live operation.
        silent: number of times that it counts the input of a silenced operation.
        blank: number of times that it counts zeros for a silenced operation.
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


def concatenate(
    features: Sequence[Tensor],
    replicas: int = 1,
) -> Tensor:
    """Return features concatenated along channels, within each replica.

    Args:
        features: (batch, channels, height, width) each.
        replicas: networks side by side.
    """
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
        """True if a proxy counts a ReLU in it even while it is silenced.

        Then it must be computed, although its weight in the mixture is zero.
        """
        return False

    def run_silenced(self, x: Tensor) -> None:
        """Do the calls that proxies count while the operation is silenced.

        It is called if :attr:`runs_when_silenced` is true.

        Args:
            x: features of its source, (batch, channels, height, width).
        """
        self(x)


class ConvNorm(nn.Sequential, Operation):
    """Convolution and normalisation: ReLU-Conv-BN without its ReLU, which runs before.

    The released code of Zero-Cost-PT counts the class `ReLUConvBN` and the ReLU in it.
    While it is silenced, the class gets its input and the ReLU gets zeros.
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
    """Average pooling 3x3; the mean leaves out the padding."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__(3, stride=stride, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return pooled features, (batch, channels, h / stride, w / stride)."""
        on_cpu = x.device.type == "cpu"
        if on_cpu and self.stride == 1 and not torch.compiler.is_compiling():
            return _average_neighbours(x)
        if not has_wrong_gradient(x):
            return super().forward(x)
        pooled = super().forward(x.contiguous())
        return pooled.contiguous(memory_format=torch.channels_last)


def _average_neighbours(x: Tensor) -> Tensor:
    """Return the mean of every pixel's 3x3 neighbourhood, by a convolution per channel.

    On a CPU it is several times as fast as torch's pooling.
    """
    channels, height, width = x.shape[1:]
    kernel = _box(channels, x.dtype)
    sums = F.conv2d(x, kernel, padding=1, groups=channels)
    return sums * _shares(height, width, x.dtype)


@lru_cache(maxsize=64)
def _box(channels: int, dtype: torch.dtype) -> Tensor:
    """Return the kernel (channels, 1, 3, 3) that adds up each 3x3 neighbourhood."""
    return torch.ones(channels, 1, 3, 3, dtype=dtype)


@lru_cache(maxsize=64)
def _shares(
    height: int,
    width: int,
    dtype: torch.dtype,
) -> Tensor:
    """Return 1 / (number of neighbours) of each pixel, (height, width).

    A pixel counts itself, but no pixels outside the image.
    """
    rows = _neighbours(height, dtype)
    columns = _neighbours(width, dtype)
    return 1 / (rows[:, None] * columns)


def _neighbours(size: int, dtype: torch.dtype) -> Tensor:
    """Return the number of neighbours of each place in a line, with itself, (size,)."""
    counts = []
    for place in range(size):
        first = max(place - 1, 0)
        end = min(place + 2, size)
        counts.append(end - first)
    return torch.tensor(counts, dtype=dtype)


def has_wrong_gradient(x: Tensor) -> bool:
    """Return whether torch's gradient of a padded average pooling of x is wrong.

    It is wrong on CUDA with channels-last tensors, without a warning (pytorch issue
    188344, fixed in July 2026 or later). With torch 2.11 on an H200, the gradient norms
    of NAS-Bench-201 networks with poolings were 0.17 to 1 times the correct ones.
    """
    return x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)


class MaxPool(nn.MaxPool2d, Operation):
    """Maximum pooling 3x3."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__(3, stride=stride, padding=1)


class NormalisedPool(Operation):
    """Pooling, then normalisation without scale and shift, as in DARTS' supernet."""

    def __init__(
        self,
        pool: AveragePool | MaxPool,
        channels: int,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.norm = nn.BatchNorm2d(channels * replicas, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels, h / stride, w / stride), normalised."""
        pooled = self.pool(x)
        out: Tensor = self.norm(pooled)
        return out


class ConvNormRelu(nn.Sequential, Operation):
    """NAS-Bench-101's convolution with normalisation (scale and shift) and ReLU.

    The benchmark's projections have the same form. The released code of Zero-Cost-PT
    counts the ReLU in it once, also while it is silenced, because that code computes
    operations and then multiplies their outputs by zero.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            conv(channels_in, channels_out, kernel, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
            Rectifier(),
        )

    @property
    def runs_when_silenced(self) -> bool:
        """True if a proxy counts its ReLUs."""
        rectifier = self[2]
        assert isinstance(rectifier, Rectifier)
        return rectifier.is_listened_to

    @property
    def norm(self) -> nn.BatchNorm2d:
        """Normalisation, the step after the convolution."""
        norm = self[1]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm


class ShapeChange(Operation):
    """The identity of a chain's layer that changes channels or size.

    It is a 1x1 convolution with the layer's stride, and normalisation, without a ReLU
    (NAS-Bench-Macro, released code). Pixels are dropped before the convolution, for the
    reason in :class:`FactorizedReduction`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        affine: bool = True,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv = conv(channels_in, channels_out, 1, replicas=replicas)
        self.norm = nn.BatchNorm2d(channels_out * replicas, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels_out, h / stride, w / stride)."""
        kept = x[:, :, :: self.stride, :: self.stride]
        convolved = self.conv(kept)
        out: Tensor = self.norm(convolved)
        return out


class InvertedResidual(Operation):
    """MobileNetV2's block (Sandler et al., CVPR 2018, table 1), without biases.

    1x1 convolution, normalisation, ReLU; depthwise convolution with the stride,
    normalisation, ReLU; 1x1 convolution, normalisation. The input is added if the block
    keeps channels and size. With an expansion of 1 the first three are left out.

    Each ReLU counts when it runs. While the block is silenced, released code computes
    it on zeros; proxies that count these listen to :class:`SilencedRectifier`.

    Args:
        shape: channels, stride, affine and replicas.
        kernel: height and width of the depthwise kernel.
        expansion: channels in the block, as a multiple of the input's.
        rectifier: class of the ReLUs.
    """

    def __init__(
        self,
        shape: OperationShape,
        kernel: int,
        expansion: int,
        rectifier: type[Rectifier] = Rectifier,
    ) -> None:
        super().__init__()
        replicas = shape.replicas
        hidden = shape.channels_in * expansion
        widened = hidden * replicas
        self.keeps_shape = shape.stride == 1 and shape.channels_in == shape.channels_out
        self.widen = nn.Sequential()
        if expansion > 1:
            self.widen = nn.Sequential(
                conv(shape.channels_in, hidden, 1, replicas=replicas),
                nn.BatchNorm2d(widened, affine=shape.affine),
                rectifier(),
            )
        self.depthwise = nn.Sequential(
            conv(hidden, hidden, kernel, shape.stride, replicas, groups=hidden),
            nn.BatchNorm2d(widened, affine=shape.affine),
            rectifier(),
        )
        self.project = nn.Sequential(
            conv(hidden, shape.channels_out, 1, replicas=replicas),
            nn.BatchNorm2d(shape.channels_out * replicas, affine=shape.affine),
        )
        self.silenced = SilencedRectifier()
        self._widened = widened
        self._stride = shape.stride

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels_out, h / stride, w / stride)."""
        widened = self.widen(x)
        filtered = self.depthwise(widened)
        out: Tensor = self.project(filtered)
        return x + out if self.keeps_shape else out

    @property
    def runs_when_silenced(self) -> bool:
        """True if a proxy counts its ReLUs."""
        return self.silenced.is_listened_to

    def run_silenced(self, x: Tensor) -> None:
        """Tell listening proxies about the zeros in each ReLU; compute nothing."""
        height, width = x.shape[2:]
        if len(self.widen):
            self.silenced(self._widened * height * width)
        rows = -(-height // self._stride)
        columns = -(-width // self._stride)
        self.silenced(self._widened * rows * columns)


class Slot(Skip):
    """The identity whose output is one part of a wide target (:func:`fill_slots`)."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place


def fill_slots(
    features: Mapping[int, Tensor],
    slots: int,
) -> Tensor:
    """Return the concatenated features of all places, with zeros for missing ones.

    Args:
        features: features of at least one place, (batch, channels, height, width).
        slots: number of places.

    Returns:
        features, (batch, slots * channels, height, width).
    """
    if len(features) < slots:
        example = next(iter(features.values()))
        zeros = torch.zeros_like(example)
        parts = [features.get(place, zeros) for place in range(slots)]
    else:
        parts = [features[place] for place in range(slots)]
    return torch.cat(parts, dim=1)


class DilatedConv(nn.Sequential, Operation):
    """Depthwise convolution of dilation 2, pointwise convolution, normalisation.

    The caller applies the ReLU before them.
    """

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
    """Twice: depthwise convolution, pointwise convolution and normalisation.

    The caller applies the first ReLU.
    """

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
    """Two 1x1 convolutions of stride 2, one shifted by a pixel; they halve the image.

    Because of the shift, no pixel is lost. Here every other pixel is selected before
    the convolution, which gives the same result. The reason: torch 2.13's weight
    gradient of a 1x1 convolution of stride 2 writes out of bounds on the CPU for some
    sizes (56 pixels, fewer than 16 channels).
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
        half = channels_out // 2
        rest = channels_out - half
        self.conv_a = conv(channels_in, half, 1, replicas=replicas)
        self.conv_b = conv(channels_in, rest, 1, replicas=replicas)
        self.norm = nn.BatchNorm2d(channels_out * replicas, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels_out, h / 2, w / 2); h and w must be even."""
        even_pixels = x[:, :, ::2, ::2]
        odd_pixels = x[:, :, 1::2, 1::2]
        half_a = self.conv_a(even_pixels)
        half_b = self.conv_b(odd_pixels)
        both = concatenate([half_a, half_b], self.replicas)
        out: Tensor = self.norm(both)
        return out


LOW_31_BITS = 0x7FFFFFFF
"""Mask of the bits of a hash that give one uniform number."""


class Noise(Operation):
    """Standard normal noise instead of the input (S4 of Zela et al., ICLR 2020).

    It has no random state. Every number is a hash of its place and of all bits of the
    number that it replaces. So the noise changes with every batch and with every change
    of the network before it, but repeated scores are equal.

    Args:
        stride: step between the rows and columns that are kept.
        place: number that gives edges from the same node different noise.
    """

    def __init__(
        self,
        stride: int = 1,
        place: int = 0,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        """Return noise of the shape of every `stride`-th row and column of x.

        Args:
            x: (batch, channels, height, width).
        """
        kept = x.detach()[:, :, :: self.stride, :: self.stride]
        pairs = -(-kept.numel() // 2)
        bits_of_input = kept.float().contiguous().view(torch.int32)
        digest = bits_of_input.sum(dtype=torch.int64)
        seed = _split_mix(_split_mix(digest) + self.place)
        places = torch.arange(pairs, device=kept.device)
        bits = _split_mix(places + seed)
        # Two 31-bit uniform numbers from each hash, then the Box-Muller transform.
        low = (bits & LOW_31_BITS).float()
        high = ((bits >> 32) & LOW_31_BITS).float()
        uniform = (low + 1) / 2**31
        radius = torch.sqrt(-2 * torch.log(uniform))
        angle = high * (2 * torch.pi / 2**31)
        cosines = radius * torch.cos(angle)
        sines = radius * torch.sin(angle)
        noise = torch.cat([cosines, sines])[: kept.numel()]
        return noise.view_as(kept).to(kept.dtype)


def _split_mix(z: Tensor) -> Tensor:
    """Return SplitMix64's finaliser of int64 numbers (Steele et al., OOPSLA 2014).

    Products wrap around. A masked arithmetic shift equals a logical shift.
    """
    shifted = (z >> 30) & (2**34 - 1)
    z = (z ^ shifted) * -0x40A7B892E31B1A47
    shifted = (z >> 27) & (2**37 - 1)
    z = (z ^ shifted) * -0x6B2FB644ECCEEE15
    shifted = (z >> 31) & (2**33 - 1)
    return z ^ shifted


@dataclass(frozen=True)
class OperationShape:
    """Settings of a candidate operation, besides its name.

    Attributes:
        channels_in: number of channels of its source, per replica.
        channels_out: number of channels of its target, per replica.
        stride: factor by which it reduces height and width.
        affine: whether normalisation has learnable scale and shift.
        replicas: number of networks side by side.
        normalised_pools: whether poolings are normalised.
        place: number of the edge, for :class:`Noise`.
    """

    channels_in: int
    channels_out: int
    stride: int = 1
    affine: bool = True
    replicas: int = 1
    normalised_pools: bool = False
    place: int = 0


Builder = Callable[[OperationShape], Operation | None]
"""Function that builds the module of an operation; None adds nothing to its target."""


def _build_nothing(_shape: OperationShape) -> None:
    """Return None: `none` adds nothing to its target."""


def _build_noise(shape: OperationShape) -> Operation:
    return Noise(shape.stride, shape.place)


def _build_skip(shape: OperationShape) -> Operation:
    """Return the identity, or a factorised reduction if the image is halved."""
    if shape.stride == 1:
        return Skip()
    return FactorizedReduction(
        shape.channels_in, shape.channels_out, shape.affine, shape.replicas
    )


def _build_average_pool(shape: OperationShape) -> Operation:
    return _normalise_pool(AveragePool(shape.stride), shape)


def _build_max_pool(shape: OperationShape) -> Operation:
    return _normalise_pool(MaxPool(shape.stride), shape)


def _normalise_pool(
    pool: AveragePool | MaxPool,
    shape: OperationShape,
) -> Operation:
    """Return a pooling, with normalisation after it if the cell normalises poolings."""
    if not shape.normalised_pools:
        return pool
    return NormalisedPool(pool, shape.channels_in, shape.replicas)


def _build_convolution(
    kernel: int,
    shape: OperationShape,
) -> Operation:
    return ConvNorm(
        shape.channels_in,
        shape.channels_out,
        kernel,
        shape.stride,
        shape.affine,
        shape.replicas,
    )


def _build_separable(
    kernel: int,
    shape: OperationShape,
) -> Operation:
    return SeparableConv(
        shape.channels_in, kernel, shape.stride, shape.affine, shape.replicas
    )


def _build_dilated(
    kernel: int,
    shape: OperationShape,
) -> Operation:
    return DilatedConv(
        shape.channels_in, kernel, shape.stride, shape.affine, shape.replicas
    )


def _build_nb101_convolution(
    kernel: int,
    shape: OperationShape,
) -> Operation:
    return ConvNormRelu(shape.channels_in, shape.channels_out, kernel, shape.replicas)


def _build_identity(shape: OperationShape) -> Operation:
    """Return the identity, or a :class:`ShapeChange` if the layer changes the shape."""
    if shape.stride == 1 and shape.channels_in == shape.channels_out:
        return Skip()
    return ShapeChange(
        shape.channels_in,
        shape.channels_out,
        shape.stride,
        shape.affine,
        shape.replicas,
    )


def _build_inverted_residual(
    kernel: int,
    expansion: int,
    rectifier: type[Rectifier],
    shape: OperationShape,
) -> Operation:
    return InvertedResidual(shape, kernel, expansion, rectifier)


def _build_slot(
    place: int,
    shape: OperationShape,
) -> Operation:
    """Return the identity at one place of a wide target.

    Raises ValueError for replicas, which wide targets do not support.
    """
    if shape.replicas > 1:
        raise ValueError(f"no module for operation 'slot_{place}' with replicas")
    return Slot(place)


NB101_KERNELS = {"projection": 1, "conv1x1-bn-relu": 1, "conv3x3-bn-relu": 3}
"""Operations with parameters in NAS-Bench-101 and its sub-spaces, and the side of each
kernel.
"""

BUILDERS: dict[str, Builder] = {
    NONE: _build_nothing,
    "noise": _build_noise,
    "skip_connect": _build_skip,
    "avg_pool_3x3": _build_average_pool,
    "max_pool_3x3": _build_max_pool,
    "maxpool3x3": _build_max_pool,
    "projection": partial(_build_nb101_convolution, 1),
    "conv1x1-bn-relu": partial(_build_nb101_convolution, 1),
    "conv3x3-bn-relu": partial(_build_nb101_convolution, 3),
    "identity": _build_identity,
    "mb3_k3": partial(_build_inverted_residual, 3, 3, Rectifier),
    "mb6_k5": partial(_build_inverted_residual, 5, 6, Rectifier),
    **{
        f"mb{expansion}_k{kernel}_relu6": partial(
            _build_inverted_residual, kernel, expansion, CappedRectifier
        )
        for kernel in (3, 5, 7)
        for expansion in (3, 6)
    },
}
"""Builders of operations, by name in the spaces."""

FAMILIES: dict[str, Callable[[int, OperationShape], Operation]] = {
    "nor_conv": _build_convolution,
    "sep_conv": _build_separable,
    "dil_conv": _build_dilated,
    "slot": _build_slot,
}
"""Builders of operations with a number in the name, by the part before the number.

The number is the side of the kernel, or the place of a slot: `sep_conv_5x5`, `slot_1`.
"""


def build_operation(
    name: str,
    shape: OperationShape,
) -> Operation | None:
    """Return the module of a candidate operation.

    It is None for `none`, which adds nothing to its target.

    Args:
        name: name in the spaces, such as `sep_conv_3x3`.
        shape: settings of the operation.

    Raises ValueError for an unknown operation, and for a slot with replicas.
    """
    build = BUILDERS.get(name)
    if build is not None:
        return build(shape)
    family, _, detail = name.rpartition("_")
    build_numbered = FAMILIES.get(family)
    if build_numbered is None:
        raise ValueError(f"no module for operation {name!r}")
    number, _, _ = detail.partition("x")
    return build_numbered(int(number), shape)
