"""The search spaces, one file each."""

from __future__ import annotations

from functools import cache

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces.darts import S1, S2, S3, S4, Darts, DartsWithNone
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShot1, OneShot2, OneShot3
from archselect.nasbench_adapters.spaces.nb101 import NasBench101
from archselect.nasbench_adapters.spaces.nb201 import NasBench201

SPACES: dict[str, type[SearchSpace]] = {
    space.name: space
    for space in (NasBench201, Darts, DartsWithNone, S1, S2, S3, S4, NasBench101, OneShot1, OneShot2, OneShot3)
}


@cache
def get_space(name: str) -> SearchSpace:
    """The space of that name. Raises UserError, with the nearest name, if there is none."""
    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]()
