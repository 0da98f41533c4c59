from typing import ClassVar

from archselect.benchmarks.optimisers.dsnas import Dsnas


class WrongSign(Dsnas):
    """DSNAS with the alphas' gradient turned around."""

    name: ClassVar[str] = "wrong-sign"
    summary: ClassVar[str] = "dsnas, up the loss"

    def surrogate(self, soft, drawn, costs):
        return -super().surrogate(soft, drawn, costs)
