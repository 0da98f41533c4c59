"""The search spaces, one file each."""

from __future__ import annotations

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces.nb201 import NasBench201

SPACES: dict[str, type[SearchSpace]] = {space.name: space for space in (NasBench201,)}


def get_space(name: str) -> SearchSpace:
    """The space of that name. Raises UserError, with the nearest name, if there is none."""
    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]()
