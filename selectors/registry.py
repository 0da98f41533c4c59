"""The selectors by name: archselect's own, and those that installed packages declare."""

from __future__ import annotations

import inspect
from typing import Any

from archselect.nasbench_adapters.registry import Registry, check_name
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


def usable(kind: Any) -> type[Selector]:
    """The class, if studies can use it. Raises ValueError, with the mend, if it lacks something."""
    if not inspect.isclass(kind) or not issubclass(kind, Selector):
        raise ValueError("it is no selector: derive a class from archselect.selectors.base.Selector")
    if inspect.isabstract(kind):
        raise ValueError(f"{kind.__name__} has no method select(self, task)")
    for attribute in ("name", "summary"):
        if not isinstance(getattr(kind, attribute, None), str):
            raise ValueError(f'{kind.__name__} lacks a {attribute}: give it {attribute}: ClassVar[str] = "…"')
    return kind


def _accept(name: str, found: Any) -> type[Selector]:
    kind = usable(found)
    check_name(name, kind.name)
    return kind


registry: Registry[type[Selector]] = Registry("selector", "archselect.selectors", SELECTORS, _accept)
"""The selectors here, and those of installed packages."""


def get_selector(name: str) -> type[Selector]:
    """The selector class of that name. Raises UserError, with the nearest name, if there is none."""
    return registry.get(name)
