"""NAS-Bench-Macro (Su et al., CVPR 2021): a chain of eight layers.

Each layer is the identity or one of two inverted residuals, which makes 6,561 networks.
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

OPERATIONS = (IDENTITY, "mb3_k3", "mb6_k5")
"""Identity, and inverted residuals with kernel/expansion 3/3 and 5/6."""
STAGES = (Stage(2, 2, 2), Stage(4, 3, 2), Stage(8, 3, 2))
"""The benchmark's stages; channels are multiples of the stem's."""
LAYERS = sum(stage.layers for stage in STAGES)
HEAD = 40
"""Channels of the last convolution, as a multiple of the stem's."""


class NasBenchMacro(ChainSpace):
    """The space, with the benchmark's text form, classes and macro skeleton.

    A text has one digit per layer, the index of its operation, such as `22212220`.
    """

    name = "nb-macro"
    summary = "NAS-Bench-Macro: 8 layers, 3 operations, 6,561 networks in 3,969 classes"
    formulation = 1
    whole_tables = True
    skeleton_defaults: ClassVar[Mapping[str, object]] = {"channels": 32}
    cells = chain_cells((OPERATIONS,) * LAYERS)
    stage_starts = first_layers(STAGES)

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text; surrounding blanks are allowed.

        Raises UserError, which names the layer, if the text is malformed.
        """
        digits = text.strip()
        check_count("NAS-Bench-Macro", text, len(digits), LAYERS)
        choices = []
        for place, digit in enumerate(digits):
            if digit not in "012":
                raise UserError(
                    f"layer {place} of the NAS-Bench-Macro network {text!r} is {digit!r}: "
                    "write 0 (identity), 1 (mb3_k3) or 2 (mb6_k5)"
                )
            choices.append(int(digit))
        return chain_of(choices)

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError unless every layer has one of the three operations.
        """
        choices = layer_choices(architecture)
        if len(choices) != LAYERS or not set(choices) <= set(range(len(OPERATIONS))):
            raise ValueError(
                "a NAS-Bench-Macro network needs an operation in all 8 layers"
            )
        return "".join(map(str, choices))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: three stages of layers, then a 1x1 convolution.

        The first layer of a stage halves the image. The stages have 2, 4 and 8 times
        the stem's channels, and the last convolution has 40 times as many.

        Settings:
            channels: channels of the stem (32 in the benchmark).
        """
        chosen = skeleton_settings(self.name, settings, self.skeleton_defaults)
        channels = chosen.number("channels")
        stages = []
        for stage in STAGES:
            stages.append(stage._replace(channels=channels * stage.channels))
        layers = chain_layers(stages)
        layers.append(Layer("pointwise", HEAD * channels))
        return Skeleton(channels, tuple(layers), stem="rectified")
