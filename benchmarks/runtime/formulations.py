"""Formulation numbers in the ids of runs, supernets, trainings and scores.

Each component has a number beside its code. Raise it when the results of the component
change on purpose, so that older results are not taken for those of the present code.
Files of users need none: they are hashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from archselect.benchmarks.store.facts import FormulationNumbers
from archselect.benchmarks.store.records import Formulations, TrainingData
from archselect.nasbench_adapters import networks
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.streamed import StreamedImages
from archselect.nasbench_adapters.space import SearchSpace
from archselect.selectors.base import Selector
from archselect.selectors.proxies import PROXIES, get_proxy
from archselect.selectors.proxies import registry as proxies
from archselect.selectors.registry import SELECTORS

TRAINING = 1
"""Number to raise when final trainings (:mod:`.training`) change on purpose."""
SCORING = 1
"""Number to raise when `archselect score` (:mod:`.scorer`) changes on purpose.

It covers how networks are drawn and scored.
"""


class Formulated(Protocol):
    """Component with a formulation number, such as an optimiser."""

    formulation: ClassVar[int]


def run_formulations(
    selector: Selector, optimiser: Formulated | None, space: SearchSpace
) -> Formulations:
    """Return the numbers of a run: of its supernet, its selector and its proxies.

    Without an optimiser there is no supernet: only the space's number remains.
    """
    numbers = {"space": space.formulation}
    if optimiser is not None:
        numbers = supernet_formulations(optimiser, space)
    return Formulations(supernet=numbers, selector=selector_formulations(selector))


def supernet_formulations(
    optimiser: Formulated, space: SearchSpace
) -> FormulationNumbers:
    """Return the numbers of a supernet: optimiser, space, networks and images."""
    return {
        "optimiser": optimiser.formulation,
        **_network_formulations(space),
        "images": Images.formulation,
    }


def selector_formulations(selector: Selector) -> FormulationNumbers:
    """Return the numbers of a selector and of its proxies.

    A built-in selector uses the proxies that its settings name. Any other selector may
    use any proxy in its code, so all built-in proxies count.
    """
    settings = selector.model_dump()
    names = [
        value
        for value in settings.values()
        if isinstance(value, str) and value in proxies.names
    ]
    is_built_in = SELECTORS.get(selector.name) is type(selector)
    if not is_built_in:
        names = [*PROXIES, *names]
    return {"selector": selector.formulation, **_proxy_formulations(names)}


def training_formulations(space: SearchSpace, data: TrainingData) -> FormulationNumbers:
    """Return the numbers of a final training: training, space, networks and images."""
    pipeline = StreamedImages if data.streamed else Images
    return {
        "training": TRAINING,
        **_network_formulations(space),
        "images": pipeline.formulation,
    }


def scoring_formulations(
    space: SearchSpace, names: Iterable[str]
) -> FormulationNumbers:
    """Return the numbers of scores: scoring, space, networks, images and proxies."""
    return {
        "scoring": SCORING,
        **_network_formulations(space),
        "images": Images.formulation,
        **_proxy_formulations(names),
    }


def _network_formulations(space: SearchSpace) -> FormulationNumbers:
    return {"space": space.formulation, "network": networks.FORMULATION}


def _proxy_formulations(names: Iterable[str]) -> FormulationNumbers:
    chosen = [get_proxy(name) for name in names]
    return {f"proxy {proxy.name}": proxy.formulation for proxy in chosen}
