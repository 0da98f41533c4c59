"""A MobileNet-like space: a chain of 21 inverted residuals.

It is the space of Zero-Cost-PT's ImageNet search (Xiang et al., AAAI 2023, released
code), and similar to that of ProxylessNAS (Cai et al., ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    Architecture,
    Layer,
    Skeleton,
    skeleton_settings,
)
from archselect.nasbench_adapters.spaces.chains import (
    IDENTITY,
    ChainSpace,
    Stage,
    chain_cells,
    chain_layers,
    chain_of,
    check_count,
    first_layers,
    layer_choices,
)

BLOCKS = tuple(f"mb{e}_k{k}_relu6" for k in (3, 5, 7) for e in (3, 6))
"""Inverted residuals of kernel k and expansion e; a text holds their index here."""
SKIPPED = -1
"""The number of the identity in a text."""
STAGES = (
    Stage(32, 4, 2),
    Stage(56, 4, 2),
    Stage(112, 4, 2),
    Stage(128, 4, 1),
    Stage(256, 4, 2),
    Stage(432, 1, 1),
)
STEM = 40
FIRST = 24
"""Channels of the fixed block after the stem."""
HEAD = 1728
"""Channels of the last convolution."""
LAYERS = sum(stage.layers for stage in STAGES)
LARGE = 224
SMALL = 32
"""Heights and widths of the images that a skeleton can have."""
HALVING_OF_LARGE = 2
"""Number of first stages that halve large images but not small ones."""


def _operations(place: int) -> tuple[str, ...]:
    """Return the operations of a layer; the first layer of a stage has no identity."""
    return BLOCKS if place in first_layers(STAGES) else (*BLOCKS, IDENTITY)


class MobileNetLike(ChainSpace):
    """The space, with the released code's text form and macro skeleton.

    A text has one number per layer, separated by blanks. 0 to 5 are the blocks with
    kernel/expansion 3/3, 3/6, 5/3, 5/6, 7/3 and 7/6. -1 is the identity, which the
    first layer of a stage cannot have.
    """

    name = "mobilenet"
    summary = "MobileNet-like: 21 layers, 6 inverted residuals or the identity, 2.2e17 networks"
    formulation = 1
    enumerable = False
    skeleton_defaults: ClassVar[Mapping[str, object]] = {
        "channels": STEM,
        "resolution": LARGE,
    }
    cells = chain_cells(tuple(map(_operations, range(LAYERS))))
    stage_starts = first_layers(STAGES)

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text; commas may also separate the numbers.

        Raises UserError, which names the layer, if it is not one of this space.
        """
        words = text.replace(",", " ").split()
        check_count("MobileNet-like", text, len(words), LAYERS)
        choices = []
        for place, word in enumerate(words):
            choices.append(self._choice(place, word))
        return chain_of(choices)

    def _choice(self, place: int, word: str) -> int:
        """Return the index of the operation with a number.

        Raises UserError if the layer has no such operation.
        """
        names = self.layer_operations[place]
        numbers = [str(number) for number in range(len(BLOCKS))]
        if IDENTITY in names:
            numbers.append(str(SKIPPED))
        if word not in numbers:
            raise UserError(
                f"layer {place} of a MobileNet-like network has no operation {word!r}: "
                f"write one of {', '.join(numbers)}"
            )
        return numbers.index(word)

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError unless every layer has one of its operations.
        """
        choices = layer_choices(architecture)
        numbers = []
        for names, choice in zip(self.layer_operations, choices, strict=True):
            if choice not in range(len(names)):
                raise ValueError(f"{choice} is not an index of {', '.join(names)}")
            is_identity = names[choice] == IDENTITY
            numbers.append(SKIPPED if is_identity else choice)
        return " ".join(map(str, numbers))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: stem, a separable block, six stages, a 1x1 block.

        Settings:
            channels: channels of the stem (40 in the released code). All other layers
                scale with it, rounded, and have at least one channel.
            resolution: height and width of the images: 224, or 32 for small images,
                which the stem and the first two stages do not halve.
        """
        chosen = skeleton_settings(self.name, settings, self.skeleton_defaults)
        channels = chosen.number("channels")
        resolution = chosen.number("resolution")
        if resolution not in (LARGE, SMALL):
            raise UserError(
                f"skeleton setting 'resolution' of {self.name} must be {LARGE} or {SMALL}, not {resolution}"
            )
        is_small = resolution == SMALL
        stages = []
        for place, stage in enumerate(STAGES):
            keeps_size = is_small and place < HALVING_OF_LARGE
            stride = 1 if keeps_size else stage.stride
            width = _scaled(stage.channels, channels)
            stages.append(Stage(width, stage.layers, stride))
        return Skeleton(
            channels,
            (
                Layer("separable", _scaled(FIRST, channels)),
                *chain_layers(stages),
                Layer("pointwise_relu6", _scaled(HEAD, channels)),
            ),
            stem="relu6" if is_small else "relu6_halving",
            initial="normal",
        )


def _scaled(width: int, channels: int) -> int:
    """Return a layer's channels for a stem with `channels` channels."""
    return max(1, round(width * channels / STEM))
