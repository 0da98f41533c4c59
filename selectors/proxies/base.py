"""The class of zero-cost proxies, and where a proxy has a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]
"""Function from images (batch, channels, height, width) to logits (batch, classes)."""


class Undefined(ValueError):
    """A proxy has no score for this network and batch. The message is the reason."""


@dataclass(frozen=True)
class Domain:
    """Where a proxy has a score, and which values the score can take.

    Attributes:
        needs: what the network and the batch must have, besides images and labels.
        values: "real" for every finite number, "non-negative" for numbers of at least
            0.
        undefined: networks and batches for which there is no score.
        equal: whether two networks that compute the same function with the same weights
            have the same score, up to rounding.
        because: reason for the value of `equal`.
    """

    needs: str
    values: Literal["real", "non-negative"]
    undefined: str
    equal: Literal["yes", "no"]
    because: str


UNKNOWN = Domain(
    needs="not stated",
    values="real",
    undefined="not stated",
    equal="no",
    because="not stated",
)
"""The domain of a proxy that states none: every finite number is a score."""


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy. Call :meth:`measure` to score; it refuses invalid scores.

    A study names one of a user's file as `proxy = "my_proxy.py:MY_PROXY"`; an installed
    package declares it under the entry-point group `archselect.proxies`.

    Attributes:
        name: name in the literature.
        summary: description in one line.
        paper: source of the formula.
        better: whether a higher or a lower score means a better network.
        score: `score(model, forward, images, labels)`. `forward(images)` gives the
            model's logits; for a supernet, under the mixture to score. The caller sets
            the batch-norm mode and switches gradients off; a proxy that needs gradients
            switches them on again. The model must be unchanged afterwards. If there is
            no score, for example because the logits do not depend on the images, it
            raises Undefined with the reason. A value that is not finite means the same,
            without a reason.
        domain: where the proxy has a score.
        norm: batch-norm mode in the paper: "batch" if the network is in training mode,
            "running" if it is in evaluation mode, None if the sources differ or the
            mode does not matter. The proxy scores in the mode that the caller sets.
        side_by_side: `side_by_side(model, forward, images, labels, candidates)` scores
            several candidates at once. Only a proxy that needs nothing but the inputs
            and outputs of the model's rectifiers, in one forward without gradients, can
            have it. `forward` may then compute the same values in another way. A
            rectifier's tensors are of shape (batch, ...), shared by all candidates, or
            (candidates * batch, ...), one candidate after the other; its `seen` and
            `blank` are numbers, or tuples of one number per candidate. A candidate
            without a score gets a value that is not finite, which the caller passes to
            :meth:`check`.
        formulation: number that is raised when the scores change on purpose; part of
            the ids of scored results.
    """

    name: str
    summary: str
    paper: str
    better: Literal["higher", "lower"]
    score: Callable[[nn.Module, Forward, Tensor, Tensor], float]
    domain: Domain = UNKNOWN
    norm: Literal["running", "batch"] | None = None
    side_by_side: (
        Callable[[nn.Module, Forward, Tensor, Tensor, int], list[float]] | None
    ) = None
    formulation: int = 1

    def measure(
        self,
        model: nn.Module,
        forward: Forward,
        images: Tensor,
        labels: Tensor,
    ) -> float:
        """Return the score, a finite number.

        Args:
            model: the network, in the batch-norm mode for the score.
            forward: gives the model's logits.
            images: normalised images, (batch, channels, height, width).
            labels: class of each image, (batch,).

        Raises:
            Undefined: there is no score; the message is the reason.
            ValueError: the score is a value that the proxy's domain rules out.
        """
        return self.check(self.score(model, forward, images, labels))

    def check(self, value: float) -> float:
        """Return the value if it is a valid score; else raise like :meth:`measure`."""
        if not math.isfinite(value):
            raise Undefined(f"not finite: {value}")
        if self.domain.values == "non-negative" and value < 0:
            raise ValueError(
                f"proxy {self.name} declares that no score is negative, and gave {value}"
            )
        return value
