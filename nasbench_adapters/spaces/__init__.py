"""The search spaces, one file each."""

from __future__ import annotations

from functools import cache
from typing import Any

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.plugins.registry import Registry, check_name
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces.darts import (
    S1,
    S2,
    S3,
    S4,
    DartsSpace,
    DartsWithNone,
)
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShot1, OneShot2, OneShot3
from archselect.nasbench_adapters.spaces.nb101 import NasBench101
from archselect.nasbench_adapters.spaces.nb201 import NasBench201
from archselect.nasbench_adapters.spaces.restrictions import RestrictableSpace
from archselect.nasbench_adapters.spaces.wiring import FullWiring, MinimalWiring

SPACES: dict[str, type[SearchSpace]] = {
    space.name: space
    for space in (
        *(NasBench201, DartsSpace, DartsWithNone, S1, S2, S3, S4),
        *(NasBench101, OneShot1, OneShot2, OneShot3, MinimalWiring, FullWiring),
    )
}


def _accept(name: str, candidate: Any) -> type[SearchSpace]:
    """Return what a package declares.

    Raises ValueError if it is no space, or is declared under another name.
    """
    if not isinstance(candidate, type) or not issubclass(candidate, SearchSpace):
        raise ValueError(
            "it is no class derived from archselect.nasbench_adapters.space.SearchSpace"
        )
    check_name(name, candidate.name)
    return candidate


def _check_words(space: SearchSpace) -> None:
    """Raises UserError for a cell or an operation whose name drawings and tables cannot show."""
    words = [cell.name for cell in space.cells]
    words += [
        operation
        for cell in space.cells
        for own in cell.operations
        for operation in own
    ]
    for word in dict.fromkeys(words):
        try:
            check_label(word)
        except ValueError as error:
            raise UserError(
                f"space {space.name}: the name of a cell or an operation: {error}"
            ) from error


def whole(name: str) -> str:
    """Return the name of a space without its restrictions: `minimal` of `minimal:2-3=none`."""
    return name.partition(":")[0]


class Spaces(Registry[type[SearchSpace]]):
    """The classes of spaces.

    All names may have restrictions, which tell spaces of one class apart.
    """

    def __contains__(self, name: str) -> bool:
        return whole(name) in self.names

    def get(self, name: str) -> type[SearchSpace]:
        """See :meth:`.Registry.get`."""
        return super().get(whole(name))

    def source(self, name: str) -> str | None:
        """See :meth:`.Registry.source`."""
        return super().source(whole(name))


ALIASES = {
    "nasbench201": "nb201",
    "nats-bench-tss": "nb201",
    "nats-tss": "nb201",
    "nasbench101": "nb101",
}
"""Other usual names of the benchmarks' spaces, for hints."""

registry = Spaces("space", "archselect.spaces", SPACES, _accept, ALIASES)
"""The spaces here, and those of installed packages."""


@cache
def get_space(name: str) -> SearchSpace:
    """Return the space of that name, restricted as the name says; see :mod:`.restrictions`.

    Raises UserError if there is none, with the nearest name, if it cannot be restricted
    like this, or if a word of it cannot be shown.
    """
    space = _build(name)
    _check_words(space)
    return space


def _build(name: str) -> SearchSpace:
    kind = registry.get(name)
    _, colon, restrictions = name.partition(":")
    if not colon:
        return kind()
    if not issubclass(kind, RestrictableSpace):
        others = [
            other
            for other, space in registry.all().items()
            if issubclass(space, RestrictableSpace)
        ]
        raise UserError(
            f"space {whole(name)} cannot be restricted (':{restrictions}'), only {', '.join(others)} can"
        )
    return kind(restrictions)
