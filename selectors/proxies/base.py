"""What a proxy is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy.

    Attributes:
        name: as in the literature.
        summary: one line.
        paper: the source of the formula.
        better: which way a network is the better the more its score goes.
        score: `score(model, forward, images, labels)`; `forward(images)` gives the model's logits, for a supernet
            under the mixture that is scored. The caller has set the batch-norm mode and switched gradients off;
            a proxy that needs gradients switches them on itself.
    """

    name: str
    summary: str
    paper: str
    better: Literal["higher", "lower"]
    score: Callable[[nn.Module, Forward, Tensor, Tensor], float]
