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
            a proxy that needs gradients switches them on itself. It leaves no trace in the model. A score that is
            not defined (a network whose logits do not depend on its images, say) is NaN or an error.
        norm: the batch-norm mode that its definition uses, to be set by a caller who scores as the paper does: "batch"
            where the network is in training mode, "running" where it is in evaluation mode, None where the sources
            differ or the mode changes nothing. A proxy scores in whatever mode the caller has set.
        side_by_side: for a proxy that looks at nothing but what goes through the model's rectifiers and comes out, in
            one forward without gradients: `side_by_side(model, forward, images, labels, candidates)` scores several
            candidates at once. `forward` then may compute the same in another way. What goes through a rectifier is
            of shape (batch, ...), shared by the candidates, or (candidates * batch, ...), candidate by candidate; its
            `seen` and `blank` are numbers, or tuples of one number per candidate.
        formulation: raised when the scores change on purpose; part of the ids of what the proxy scored.
    """

    name: str
    summary: str
    paper: str
    better: Literal["higher", "lower"]
    score: Callable[[nn.Module, Forward, Tensor, Tensor], float]
    norm: Literal["running", "batch"] | None = None
    side_by_side: Callable[[nn.Module, Forward, Tensor, Tensor, int], list[float]] | None = None
    formulation: int = 1
