"""The colour of each operation and each selector: the same in all reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archselect.reports.drawing.palette import SERIES, series
from archselect.reports.results.results import Results

OPERATIONS = {
    # Convolutional cells
    "max_pool_3x3": 0,
    "maxpool3x3": 0,
    "max_pool_reduction": 0,
    "avg_pool_3x3": 1,
    "skip_connect": 2,
    "sep_conv_3x3": 3,
    "nor_conv_3x3": 3,
    "conv3x3-bn-relu": 3,
    "sep_conv_5x5": 4,
    "nor_conv_1x1": 4,
    "conv1x1-bn-relu": 4,
    "dil_conv_3x3": 5,
    "dil_conv_5x5": 6,
    "noise": 7,
    # Layers of graph networks
    "gat": 0,
    "gcn": 1,
    "skip": 2,
    "gin": 3,
    "cheb": 4,
    "sage": 5,
    "arma": 6,
    "graph": 7,
    "fc": 8,
    # Chains
    "identity": 2,
    "mb3_k3": 3,
    "mb6_k5": 4,
}
"""The place in the palette of each known operation; no space has one place twice."""

SELECTORS = {
    "magnitude": 0,
    "darts-pt": 1,
    "zero-cost-pt": 2,
    "zero-cost-pt-macro": 2,
    "random": 3,
    "sgas": 4,
    "operation-scores": 5,
    "threshold": 6,
    "is-darts": 7,
    "radars-style": 8,
    "evolution": 0,
    "local-search": 1,
    "predictor-search": 2,
    "random-search": 3,
    "conservative": 4,
    "seminas": 5,
    "random-pruning": 6,
}
"""The place in the palette of each selector.

Selectors with one place do not meet in a study: one has a supernet, the other queries.
"""


def operation_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each operation.

    An unknown operation gets the first colour that no other one has.
    """
    places = {name: OPERATIONS.get(name) for name in names}
    return _assign(places)


def selector_colours(results: Results) -> dict[str, str]:
    """Return the colour of each group of a study, by the group's name.

    Groups with the same label have one colour. A label has the colour of its selector,
    and the first free one if another label has that already.
    """
    places = {}
    for group in results.groups:
        places[group.label] = SELECTORS.get(group.inputs.selector.name)
    colours = _assign(places)
    return {group.name: colours[group.label] for group in results.groups}


def _assign(places: Mapping[str, int | None]) -> dict[str, str]:
    """Return a colour for each name: its own place if that is free, else a free one.

    Colours repeat when all are in use.
    """
    assigned: dict[str, int] = {}
    for name, place in places.items():
        if place is not None and place not in assigned.values():
            assigned[name] = place
    free = [place for place in range(len(SERIES)) if place not in assigned.values()]
    for name in places:
        if name not in assigned:
            assigned[name] = free.pop(0) if free else len(assigned)
    return {name: series(assigned[name]) for name in places}
