"""Costs by the text that names them. No torch here."""

from __future__ import annotations

from archselect.nasbench_adapters.costs.base import Cost, NetworkShape
from archselect.nasbench_adapters.space import SearchSpace


def open_cost(of: str, space: SearchSpace, network: NetworkShape) -> Cost:
    """Return the cost that a text names.

    Args:
        of: `params`, `macs`, `table:NAME/COLUMN`, `additive:NAME/COLUMN@N`,
            `mlp:NAME/COLUMN@N`, FILE.py:CLASS, or a name that an installed package
            declares.
        space: of the architectures.
        network: the network and images for which parameters and multiply-adds are
            counted.

    Raises:
        UserError: the text names no cost, or one that does not fit the space.
    """
    raise NotImplementedError
