"""PC-DARTS: DARTS on a part of the channels, with weights of edges beside the alphas.

Xu et al., ICLR 2020.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archselect.benchmarks.optimisers.darts import Darts
from archselect.nasbench_adapters.networks.activation import Activation
from archselect.nasbench_adapters.networks.activation.partial_softmax import (
    PartialEdgeSoftmax,
    PartialSoftmax,
)
from archselect.nasbench_adapters.setting_types import (
    BatchSize,
    Epochs,
    NonNegative,
    Positive,
)


class PcDarts(Darts):
    """As DARTS, on a supernet of which only 1/K of the channels are searched.

    Node j is Σ_i b_ij · shuffle([Σ_o a_ij,o o(x_i,first), x_i,rest]) with a the softmax
    of the alphas of edge (i, j) and b that of the betas of all edges into j.
    The operations read the first 1/K of the channels of x_i. The rest passes by, where
    the image is halved through a maximum pooling 2x2. The betas are the last column of
    the alphas, and step with them. Selectors compare a times b, as the released code
    does for its genotype.

    The released code also has a variant that draws the searched channels for every
    batch (`model_search_random.py`), which is left out here. The defaults are those of
    its search on CIFAR-10 (`train_search.py`); for ImageNet it has
    `channel_divisor = 2` and 35 epochs of warm-up.

    Settings:
        channel_divisor: K; 1 searches all channels.
        edge_normalised: whether there are betas; else all edges weigh the same.
    """

    name: ClassVar[str] = "pc-darts"
    summary: ClassVar[str] = "as darts, on 1/4 of the channels, with weights of edges"
    paper: ClassVar[str] = "Xu et al., PC-DARTS, ICLR 2020, arXiv 1907.05737"
    formulation: ClassVar[int] = 1

    activation: Literal["softmax"] = "softmax"
    epochs: Epochs = 50
    warmup_epochs: Epochs = 15
    batch_size: BatchSize = 256
    learning_rate: Positive = 0.1
    learning_rate_min: NonNegative = 0.0
    alpha_learning_rate: Positive = 6e-4
    channel_divisor: int = Field(4, ge=1, le=64)
    edge_normalised: bool = True

    def build_activation(self) -> Activation:
        """Return the activation, with weights of edges if they are normalised."""
        if self.edge_normalised:
            return PartialEdgeSoftmax(self.channel_divisor)
        return PartialSoftmax(self.channel_divisor)
