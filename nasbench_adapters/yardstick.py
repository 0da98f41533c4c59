"""Yardsticks: a space's reference architectures, with their ground truth.

It is a separate file, so that a record can be read without the ground truths. This file
does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Yardstick:
    """An architecture given by a simple rule, to compare selected ones with.

    Attributes:
        name: description of the rule.
        architecture: the architecture, in the text form of the space.
        mean: mean accuracy of its trials, in per cent.
        rank: 1 + number of architectures with a strictly higher mean.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "ser_json_inf_nan": "strings",
    }

    name: str
    architecture: str
    mean: float
    rank: int
