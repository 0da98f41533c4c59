"""The built-in optimisers by name."""

from __future__ import annotations

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.blank import Blank
from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.benchmarks.optimisers.sdarts_rs import SdartsRS
from archselect.benchmarks.optimisers.snas import Snas
from archselect.benchmarks.optimisers.spos import Spos
from archselect.benchmarks.optimisers.untrained import Untrained
from archselect.nasbench_adapters.errors import unknown

OPTIMISERS: dict[str, type[Optimiser]] = {
    optimiser.name: optimiser for optimiser in (Untrained, Blank, Spos, Darts, SdartsRS, Snas, Dsnas)
}


def get_optimiser(name: str) -> type[Optimiser]:
    """The optimiser class of that name. Raises UserError, with the nearest name, if there is none."""
    if name not in OPTIMISERS:
        raise unknown("recipe of a supernet", name, OPTIMISERS)
    return OPTIMISERS[name]
