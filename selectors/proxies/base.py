"""What a proxy is, and where it has a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]
"""A way to compute the logits (batch, classes) of images (batch, channels, height,
width).
"""


class Undefined(ValueError):
    """A proxy has no score of this network on this batch. Its text is the reason."""


@dataclass(frozen=True)
class Domain:
    """Where a proxy has a score, and which values the score can take.

    Attributes:
        needs: what the proxy needs of a network and a batch, besides images and labels,
            in words.
        values: "real" for every finite number, "non-negative" for those of at least 0.
        undefined: on which networks and batches there is no score, in words.
        equal: whether two networks that compute the same function with the same weights
            have the same score, up to rounding.
        because: the reason, in words.
    """

    needs: str
    values: Literal["real", "non-negative"]
    undefined: str
    equal: Literal["yes", "no"]
    because: str


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy. Score with :meth:`measure`, which refuses what is no score.

    Attributes:
        name: as in the literature.
        summary: one line.
        paper: the source of the formula.
        better: which way a network is the better the more its score goes.
        score: `score(model, forward, images, labels)`; `forward(images)` gives the
            model's logits, for a supernet under the mixture that is scored. The caller
            has set the batch-norm mode and switched gradients off; a proxy that needs
            gradients switches them on itself. It leaves no trace in the model. Where
            there is no score (a network whose logits do not depend on its images, say)
            it raises Undefined with the reason; a value that is not finite means the
            same, without a reason.
        domain: where it has a score.
        norm: the batch-norm mode that its definition uses, to be set by a caller who
            scores as the paper does: "batch" where the network is in training mode,
            "running" where it is in evaluation mode, None where the sources differ or
            the mode changes nothing. A proxy scores in whatever mode the caller has
            set.
        side_by_side: for a proxy that looks at nothing but what goes through the
            model's rectifiers and comes out, in one forward without gradients:
            `side_by_side(model, forward, images, labels, candidates)` scores several
            candidates at once. `forward` then may compute the same in another way. What
            goes through a rectifier is of shape (batch, ...), shared by the candidates,
            or (candidates * batch, ...), candidate by candidate; its `seen` and `blank`
            are numbers, or tuples of one number per candidate. A candidate without a
            score gets a value that is not finite, so that the caller can say which one
            it is: see :meth:`check`.
        formulation: raised when the scores change on purpose; part of the ids of what
            the proxy scored.
    """

    name: str
    summary: str
    paper: str
    better: Literal["higher", "lower"]
    score: Callable[[nn.Module, Forward, Tensor, Tensor], float]
    domain: Domain
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
            model: in the batch-norm mode to score in.
            forward: gives the model's logits.
            images: (batch, channels, height, width), normalised.
            labels: (batch,).

        Raises:
            Undefined: there is no score; the text is the reason.
            ValueError: the score is a value that the proxy's domain rules out.
        """
        return self.check(self.score(model, forward, images, labels))

    def check(self, value: float) -> float:
        """Return a value that is a score of this proxy.

        Raises as :meth:`measure` where it is none.
        """
        if not math.isfinite(value):
            raise Undefined(f"not finite: {value}")
        if self.domain.values == "non-negative" and value < 0:
            raise ValueError(
                f"proxy {self.name} declares that no score is negative, and gave {value}"
            )
        return value
