"""The costs that a study asks for, per space and data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archselect.benchmarks.plan.parts import CostPart, SpacePart
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.opening import (
    check_cost,
    open_cost,
    space_of_cost,
)
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.images import ImageDataset
from archselect.nasbench_adapters.spaces import get_space


class PlannedCost(NamedTuple):
    """A cost that the runs on a space and data set are to have.

    Attributes:
        name: that the study gives it.
        of: the text that opens it.
        unit: of its numbers.
        origin: where they come from, as the command read it.
        network: for which it is counted.
    """

    name: str
    of: str
    unit: str
    origin: str
    network: NetworkShape


def check_costs(
    parts: Sequence[CostPart], spaces: Sequence[SpacePart], faults: Faults
) -> None:
    """Note costs that are not there, or are of none of the spaces.

    Nothing is counted or fitted.
    """
    for part in parts:
        with faults.collect():
            _check_cost(part, spaces)


def _check_cost(part: CostPart, spaces: Sequence[SpacePart]) -> None:
    """Raise UserError unless a cost is there and of one of the spaces."""
    fitting = _spaces_of(part, spaces)
    if not fitting:
        names = ", ".join(space.name for space in spaces)
        raise UserError(
            f"cost '{part.name}' ({part.of}) is of space {space_of_cost(part.of)}, not of {names}"
        )
    for space in fitting:
        check_cost(
            part.of,
            get_space(space.name),
            NetworkShape(space.skeleton),
            gaps_allowed=part.gaps == "allowed",
        )


def _spaces_of(part: CostPart, spaces: Sequence[SpacePart]) -> list[SpacePart]:
    """Return the spaces that a cost is of."""
    name = space_of_cost(part.of)
    return [space for space in spaces if name is None or space.name == name]


def plan_costs(
    parts: Sequence[CostPart], space: SpacePart, dataset: ImageDataset
) -> tuple[PlannedCost, ...]:
    """Return the costs that runs on a space and data set are to have.

    Raises UserError if one is not there.
    """
    side = dataset.image_size
    network = NetworkShape(
        space.skeleton, (dataset.channels, side, side), dataset.classes
    )
    planned = []
    for part in parts:
        if not _spaces_of(part, [space]):
            continue
        cost = open_cost(part.of, get_space(space.name), network)
        planned.append(PlannedCost(part.name, part.of, cost.unit, cost.origin, network))
    return tuple(planned)
