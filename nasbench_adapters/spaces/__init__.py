"""The search spaces, one file each."""

from __future__ import annotations

from functools import cache
from typing import Any

from archselect.nasbench_adapters.registry import Registry, check_name
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces.darts import S1, S2, S3, S4, Darts, DartsWithNone
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShot1, OneShot2, OneShot3
from archselect.nasbench_adapters.spaces.nb101 import NasBench101
from archselect.nasbench_adapters.spaces.nb201 import NasBench201

SPACES: dict[str, type[SearchSpace]] = {
    space.name: space
    for space in (NasBench201, Darts, DartsWithNone, S1, S2, S3, S4, NasBench101, OneShot1, OneShot2, OneShot3)
}


def _accept(name: str, found: Any) -> type[SearchSpace]:
    if not isinstance(found, type) or not issubclass(found, SearchSpace):
        raise ValueError("it is no class derived from archselect.nasbench_adapters.space.SearchSpace")
    check_name(name, found.name)
    return found


registry: Registry[type[SearchSpace]] = Registry("space", "archselect.spaces", SPACES, _accept)
"""The spaces here, and those of installed packages."""


@cache
def get_space(name: str) -> SearchSpace:
    """The space of that name. Raises UserError, with the nearest name, if there is none."""
    return registry.get(name)()
