"""What a ground truth says of an architecture that a space names as a yardstick.

It stands alone so that a record of it is read without the ground truths. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Yardstick:
    """An architecture that a plain rule gives, to hold selected ones against.

    Attributes:
        name: the rule, in words.
        architecture: in the text form of the space.
        mean: of its trials, in per cent.
        rank: 1 + how many architectures have a strictly higher mean.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "ser_json_inf_nan": "strings",
    }

    name: str
    architecture: str
    mean: float
    rank: int
