"""A MobileNet-like space: a chain of 21 inverted residuals.

It is the space of Zero-Cost-PT's ImageNet search (Xiang et al., AAAI 2023, released
code), of the kind of ProxylessNAS (Cai et al., ICLR 2019).
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
"""Inverted residuals of kernel k and expansion e; a text has their index here."""
SKIPPED = -1
"""Stands for the identity in a text."""
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
"""Channels of the block behind the stem, which no search changes."""
HEAD = 1728
"""Channels of the last convolution."""
LAYERS = sum(stage.layers for stage in STAGES)
LARGE = 224
SMALL = 32
"""Height and width of the images that a skeleton is for."""
HALVING_OF_LARGE = 2
"""How many of the first stages halve large images alone."""


def _operations(place: int) -> tuple[str, ...]:
    """Return the operations of a layer: the first one of a stage is no identity."""
    return BLOCKS if place in first_layers(STAGES) else (*BLOCKS, IDENTITY)


class MobileNetLike(ChainSpace):
    """The space, with the released code's text form and macro skeleton.

    A text has one number per layer, blanks between: 0 to 5 for the blocks of kernel and
    expansion 3/3, 3/6, 5/3, 5/6, 7/3 and 7/6, and -1 for the identity, which the first
    layer of a stage does not have.
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
        """See :meth:`SearchSpace.parse`. Commas may stand between the numbers, too."""
        words = text.replace(",", " ").split()
        check_count("MobileNet-like", text, len(words), LAYERS)
        choices = []
        for place, word in enumerate(words):
            choices.append(self._choice(place, word))
        return chain_of(choices)

    def _choice(self, place: int, word: str) -> int:
        """Return the index of the operation that a number names.

        Raises UserError if the layer has none of that number.
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
        """See :meth:`SearchSpace.format`.

        Raises ValueError unless every layer has one of its operations.
        """
        choices = layer_choices(architecture)
        numbers = []
        for names, choice in zip(self.layer_operations, choices, strict=True):
            if choice not in range(len(names)):
                raise ValueError(f"{choice} is none of {', '.join(names)}")
            is_identity = names[choice] == IDENTITY
            numbers.append(SKIPPED if is_identity else choice)
        return " ".join(map(str, numbers))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: stem, a separable block, six stages, a 1x1 block.

        Settings:
            channels: of the stem (released code: 40). All other layers keep their ratio
                to it, rounded, and have one channel at least.
            resolution: height and width of the images: 224, or 32 for small images,
                where the stem and the first two stages do not halve them.
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
    """Return a layer's channels where the stem has so many."""
    return max(1, round(width * channels / STEM))
