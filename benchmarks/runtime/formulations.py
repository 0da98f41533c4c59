"""The formulation numbers that are part of the ids of runs, supernets, trainings and scores.

Each component has a number beside its code. It is raised when the numbers that the
component produces change on purpose, so that older results are not taken for those of
the present code. Files of users need none: they are hashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from archselect.benchmarks.store.facts import Numbers
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
"""Raised when final trainings (:mod:`.training`) change on purpose."""
SCORING = 1
"""Raised when it changes on purpose how `archselect score` (:mod:`.scorer`) draws
and scores networks.
"""


class Formulated(Protocol):
    """What has a formulation number, such as an optimiser."""

    formulation: ClassVar[int]


def of_run(
    selector: Selector, optimiser: Formulated, space: SearchSpace
) -> Formulations:
    """Return the numbers of a run: of its supernet, and of its selector with its proxies."""
    return Formulations(
        supernet=of_supernet(optimiser, space), selector=of_selector(selector)
    )


def of_supernet(optimiser: Formulated, space: SearchSpace) -> Numbers:
    """Return the numbers of a supernet: of its optimiser, its space, the networks and the images."""
    return {
        "optimiser": optimiser.formulation,
        **_of_networks(space),
        "images": Images.formulation,
    }


def of_selector(selector: Selector) -> Numbers:
    """Return the numbers of a selector and of its proxies.

    A built-in selector asks for the proxies that its settings name. What another one
    asks for stands in its code, so that all built-in proxies count.
    """
    named = [
        value
        for value in selector.model_dump().values()
        if isinstance(value, str) and value in proxies.names
    ]
    built_in = SELECTORS.get(selector.name) is type(selector)
    return {
        "selector": selector.formulation,
        **_of_proxies(named if built_in else [*PROXIES, *named]),
    }


def of_training(space: SearchSpace, data: TrainingData) -> Numbers:
    """Return the numbers of a final training: of the training itself, the space, the networks and the images."""
    pipeline = StreamedImages if data.streamed else Images
    return {"training": TRAINING, **_of_networks(space), "images": pipeline.formulation}


def of_scoring(space: SearchSpace, names: Iterable[str]) -> Numbers:
    """Return the numbers of scores: of the scoring itself, the space, the networks, the images and the proxies."""
    return {
        "scoring": SCORING,
        **_of_networks(space),
        "images": Images.formulation,
        **_of_proxies(names),
    }


def _of_networks(space: SearchSpace) -> Numbers:
    return {"space": space.formulation, "network": networks.FORMULATION}


def _of_proxies(names: Iterable[str]) -> Numbers:
    return {f"proxy {name}": get_proxy(name).formulation for name in names}
