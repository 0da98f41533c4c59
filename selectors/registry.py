"""The built-in selectors by name."""

from __future__ import annotations

from archselect.nasbench_adapters.errors import unknown
from archselect.selectors.base import Selector
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.operation_scores import OperationScores
from archselect.selectors.random_search import Random
from archselect.selectors.sgas import Sgas
from archselect.selectors.zero_cost_pt import ZeroCostPT

SELECTORS: dict[str, type[Selector]] = {
    selector.name: selector for selector in (Random, Magnitude, DartsPT, ZeroCostPT, Sgas, OperationScores)
}


def get_selector(name: str) -> type[Selector]:
    """The selector class of that name. Raises UserError, with the nearest name, if there is none."""
    if name not in SELECTORS:
        raise unknown("selector", name, SELECTORS)
    return SELECTORS[name]
