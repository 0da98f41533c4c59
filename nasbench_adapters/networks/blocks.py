"""The fixed parts of networks around the cells.

They are stems, blocks between stages, preprocessing of a cell's inputs, heads and
auxiliary heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from archselect.nasbench_adapters.networks.operations import (
    CappedRectifier,
    ConvNorm,
    ConvNormRelu,
    FactorizedReduction,
    InvertedResidual,
    OperationShape,
    Rectifier,
    conv,
)


class AuxiliaryShape(NamedTuple):
    """Settings of an auxiliary head, which depend on the stem.

    Attributes:
        stride: stride of the pooling: 3 for features of 8x8 pixels (32x32 images), 2
            for 7x7 (ImageNet).
        last_norm: whether the last convolution is normalised.
    """

    stride: int = 3
    last_norm: bool = True


USUAL_AUXILIARY = AuxiliaryShape()
"""The auxiliary head for images of 32x32 pixels."""


class Stem(nn.Sequential):
    """A stem of a 3x3 convolution and normalisation.

    Attributes:
        scales: for each output, the factor by which it reduces height and width.
        auxiliary: settings of an auxiliary head in a network with this stem.
    """

    scales: ClassVar[tuple[int, ...]] = (1,)
    auxiliary: ClassVar[AuxiliaryShape] = USUAL_AUXILIARY

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            conv(channels_in, channels_out, 3, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
        )


class ImageNetStem(nn.Module):
    """DARTS' stem for 224x224 images: three 3x3 convolutions of stride 2.

    The first cell reads the outputs of the last two convolutions. The auxiliary head's
    last convolution is not normalised: the released ImageNet code left this out by
    mistake, and kept it so because the published numbers were obtained without it.
    """

    scales: ClassVar[tuple[int, ...]] = (4, 8)
    auxiliary: ClassVar[AuxiliaryShape] = AuxiliaryShape(stride=2, last_norm=False)

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        half = channels_out // 2
        self.stage_a = nn.Sequential(
            conv(channels_in, half, 3, 2, replicas),
            nn.BatchNorm2d(half * replicas),
            Rectifier(),
            conv(half, channels_out, 3, 2, replicas),
            nn.BatchNorm2d(channels_out * replicas),
        )
        self.stage_b = nn.Sequential(
            Rectifier(),
            conv(channels_out, channels_out, 3, 2, replicas),
            nn.BatchNorm2d(channels_out * replicas),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at a quarter and at an eighth of the images' size.

        Each is (batch, channels_out, height, width).
        """
        quarter = self.stage_a(images)
        eighth = self.stage_b(quarter)
        return quarter, eighth


class RectifiedStem(ConvNormRelu):
    """NAS-Bench-101's stem: 3x3 convolution, normalisation, ReLU."""

    scales: ClassVar[tuple[int, ...]] = (1,)
    auxiliary: ClassVar[AuxiliaryShape] = USUAL_AUXILIARY

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        replicas: int = 1,
    ) -> None:
        super().__init__(channels_in, channels_out, 3, replicas)


class CappedStem(nn.Sequential):
    """The stem of MobileNet: 3x3 convolution, normalisation, ReLU6."""

    scales: ClassVar[tuple[int, ...]] = (1,)
    auxiliary: ClassVar[AuxiliaryShape] = USUAL_AUXILIARY

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        replicas: int = 1,
    ) -> None:
        (stride,) = self.scales
        super().__init__(
            conv(channels_in, channels_out, 3, stride, replicas),
            nn.BatchNorm2d(channels_out * replicas),
            CappedRectifier(),
        )


class HalvingCappedStem(CappedStem):
    """The stem of MobileNet with stride 2."""

    scales: ClassVar[tuple[int, ...]] = (2,)


AnyStem = type[Stem] | type[ImageNetStem] | type[RectifiedStem] | type[CappedStem]
STEMS: dict[str, AnyStem] = {
    "conv": Stem,
    "imagenet": ImageNetStem,
    "rectified": RectifiedStem,
    "relu6": CappedStem,
    "relu6_halving": HalvingCappedStem,
}
"""Stems; `stem(images)` returns one tensor of features per entry of `scales`."""


class Head(NamedTuple):
    """The part between the last layer and the pooling before the classifier.

    Attributes:
        is_normalised: whether it normalises and rectifies the features.
    """

    is_normalised: bool


HEADS = {"pool": Head(is_normalised=False), "rectified": Head(is_normalised=True)}
"""Heads by their names in skeletons."""


class ResidualReduction(nn.Module):
    """NAS-Bench-201's block between stages.

    The sum of two branches: two ReLU-Conv3x3-BN, and average pooling with a 1x1
    convolution.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 2,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.rectify_a = Rectifier()
        self.rectify_b = Rectifier()
        self.conv_a = ConvNorm(channels_in, channels_out, 3, stride, replicas=replicas)
        self.conv_b = ConvNorm(channels_out, channels_out, 3, replicas=replicas)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(stride),
            conv(channels_in, channels_out, 1, replicas=replicas),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels_out, h / stride, w / stride).

        Args:
            x: input features, (batch, channels_in, h, w).
        """
        seen = ConvNorm.counted.live
        rectified = self.rectify_a(x, seen=seen)
        half_way = self.conv_a(rectified)
        rectified = self.rectify_b(half_way, seen=seen)
        out = self.conv_b(rectified)
        return out + self.downsample(x)


class PoolReduction(nn.Sequential):
    """A block between stages that can learn very little.

    Average pooling, a 1x1 convolution, normalisation.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 2,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            nn.AvgPool2d(stride),
            conv(channels_in, channels_out, 1, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
        )


class MaxPoolReduction(nn.MaxPool2d):
    """NAS-Bench-1Shot1's block between stages, which keeps the channels.

    Because of its padding, 32 rows become 17, and 17 rows become 9.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 2,
        replicas: int = 1,
    ) -> None:
        assert channels_in == channels_out
        super().__init__(2, stride=stride, padding=1)


class Preprocess(nn.Module):
    """Conversion of a cell's input to the cell's channels and size.

    ReLU, 1x1 convolution (or factorised reduction), normalisation.

    Raises ValueError for an input that has neither the cell's size nor twice that size.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        scale: int,
        affine: bool,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.rectify = Rectifier()
        self.project: ConvNorm | FactorizedReduction
        if scale == 1:
            self.project = ConvNorm(
                channels_in, channels_out, 1, affine=affine, replicas=replicas
            )
        elif scale == 2:
            self.project = FactorizedReduction(
                channels_in, channels_out, affine, replicas
            )
        else:
            raise ValueError(
                f"an input must have the cell's size or twice that size, not {scale} times"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (batch, channels_out, h / scale, w / scale).

        Args:
            x: input features, (batch, channels_in, h, w).
        """
        rectified = self.rectify(x, seen=self.project.counted.live)
        return self.project(rectified)


class Projection(Preprocess):
    """NAS-Bench-1Shot1's last block before the classifier.

    ReLU, 1x1 convolution, normalisation without scale.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        replicas: int = 1,
    ) -> None:
        super().__init__(
            channels_in, channels_out, stride, affine=False, replicas=replicas
        )


class Pointwise(ConvNormRelu):
    """The last block of a chain: 1x1 convolution, normalisation, ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        replicas: int = 1,
    ) -> None:
        assert stride == 1
        super().__init__(channels_in, channels_out, 1, replicas)


class CappedPointwise(nn.Sequential):
    """The last block of a chain with ReLU6 instead of ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        replicas: int = 1,
    ) -> None:
        assert stride == 1
        super().__init__(
            conv(channels_in, channels_out, 1, replicas=replicas),
            nn.BatchNorm2d(channels_out * replicas),
            CappedRectifier(),
        )


class SeparableBlock(InvertedResidual):
    """MobileNet's first block: an inverted residual of kernel 3 and expansion 1."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        replicas: int = 1,
    ) -> None:
        shape = OperationShape(channels_in, channels_out, stride, replicas=replicas)
        super().__init__(shape, kernel=3, expansion=1, rectifier=CappedRectifier)


BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "residual_reduction": ResidualReduction,
    "pool_reduction": PoolReduction,
    "max_pool_reduction": MaxPoolReduction,
    "projection": Projection,
    "pointwise": Pointwise,
    "pointwise_relu6": CappedPointwise,
    "separable": SeparableBlock,
}
"""Blocks between cells, and after the last cell."""


class AuxiliaryHead(nn.Sequential):
    """The second classifier of DARTS, attached at two thirds of the depth in training.

    Args:
        channels: number of input channels.
        classes: number of classes.
        shape: settings of the head.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        shape: AuxiliaryShape = USUAL_AUXILIARY,
    ) -> None:
        norms = [nn.BatchNorm2d(768)] if shape.last_norm else []
        stride = shape.stride
        super().__init__(
            Rectifier(),
            nn.AvgPool2d(5, stride=stride, padding=0, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            Rectifier(),
            nn.Conv2d(128, 768, 2, bias=False),
            *norms,
            Rectifier(),
            nn.Conv2d(768, classes, 1),
            nn.Flatten(),
        )
