"""The costs that a study asks for, by space and data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archselect.benchmarks.plan.parts import CostPart, SpacePart, SupernetPart
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.classes import COUNTED
from archselect.nasbench_adapters.costs.opening import (
    check_cost,
    open_cost,
    space_of_cost,
)
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.images import ImageDataset
from archselect.nasbench_adapters.spaces import get_space


class PlannedCost(NamedTuple):
    """A cost that the runs on a space and data set get.

    Attributes:
        name: name that the study gives the cost.
        of: text that opens the cost.
        unit: unit of the cost.
        origin: origin of the cost, found when the command started.
        network: shape of the network for which the cost is counted.
    """

    name: str
    of: str
    unit: str
    origin: str
    network: NetworkShape


def check_costs(
    parts: Sequence[CostPart], spaces: Sequence[SpacePart], faults: Faults
) -> None:
    """Add a fault for each cost that is missing, or that fits none of the spaces.

    This check counts and fits nothing.
    """
    for part in parts:
        with faults.collect():
            _check_cost(part, spaces)


def _check_cost(part: CostPart, spaces: Sequence[SpacePart]) -> None:
    """Raise UserError unless a cost exists and fits one of the spaces."""
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


def check_mixture_costs(
    supernets: Sequence[SupernetPart],
    spaces: Sequence[SpacePart],
    faults: Faults,
) -> None:
    """Add a fault for each supernet's cost that is missing or cannot be penalised.

    This check fits costs, which takes seconds.
    """
    for supernet in supernets:
        for space in spaces:
            is_trained_on = supernet.spaces is None or space.title in supernet.spaces
            if is_trained_on:
                with faults.collect():
                    _check_mixture_cost(supernet, space)


def _check_mixture_cost(supernet: SupernetPart, space: SpacePart) -> None:
    """Raise UserError unless a supernet's cost can be opened for a space."""
    optimiser = supernet.build()
    network = NetworkShape(space.skeleton)
    optimiser.open_mixture_cost(get_space(space.name), network)


def _spaces_of(part: CostPart, spaces: Sequence[SpacePart]) -> list[SpacePart]:
    """Return the spaces that a cost fits."""
    name = space_of_cost(part.of)
    return [space for space in spaces if name is None or space.name == name]


def plan_costs(
    parts: Sequence[CostPart], space: SpacePart, dataset: ImageDataset | None
) -> tuple[PlannedCost, ...]:
    """Return the costs that runs on a space and data set get.

    Args:
        parts: the costs of the study.
        space: space of the runs.
        dataset: data set of the runs; None if they read no images.

    Raises UserError if a cost is missing, or must be counted but there are no images.
    """
    network = NetworkShape(space.skeleton)
    if dataset is not None:
        side = dataset.image_size
        shape = (dataset.channels, side, side)
        network = NetworkShape(space.skeleton, shape, dataset.classes)
    planned = []
    for part in parts:
        if not _spaces_of(part, [space]):
            continue
        if dataset is None and part.of in COUNTED:
            raise UserError(
                f"cost '{part.name}' counts {part.of} on images, but no selector of the study reads "
                "images: use a cost from a table, or remove this one"
            )
        cost = open_cost(part.of, get_space(space.name), network)
        planned.append(PlannedCost(part.name, part.of, cost.unit, cost.origin, network))
    return tuple(planned)
