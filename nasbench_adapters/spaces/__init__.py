"""The search spaces, one file each."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.plugins.registry import Registry, check_entry_name
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces.confopt import (
    DartsWithoutSkip,
    SingleCell,
    SingleCellWithoutSkip,
)
from archselect.nasbench_adapters.spaces.darts import (
    S1,
    S2,
    S3,
    S4,
    DartsSpace,
    DartsWithNone,
)
from archselect.nasbench_adapters.spaces.mobilenet import MobileNetLike
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShot1, OneShot2, OneShot3
from archselect.nasbench_adapters.spaces.nb101 import NasBench101
from archselect.nasbench_adapters.spaces.nb201 import NasBench201
from archselect.nasbench_adapters.spaces.nb_macro import NasBenchMacro
from archselect.nasbench_adapters.spaces.nbgraph import NasBenchGraph
from archselect.nasbench_adapters.spaces.restrictions import RestrictableSpace
from archselect.nasbench_adapters.spaces.wiring import FullWiring, MinimalWiring

SPACES: dict[str, type[SearchSpace]] = {
    space.name: space
    for space in (
        *(NasBench201, DartsSpace, DartsWithNone, S1, S2, S3, S4),
        *(NasBench101, OneShot1, OneShot2, OneShot3, MinimalWiring, FullWiring),
        *(DartsWithoutSkip, SingleCell, SingleCellWithoutSkip),
        *(NasBenchGraph, NasBenchMacro, MobileNetLike),
    )
}


def _accept(
    name: str,
    candidate: Any,
) -> type[SearchSpace]:
    """Return the class of a space that a package declares.

    Raises ValueError if it is no space, or is declared under another name.
    """
    if not isinstance(candidate, type) or not issubclass(candidate, SearchSpace):
        raise ValueError(
            "it is no class derived from archselect.nasbench_adapters.space.SearchSpace"
        )
    check_entry_name(name, candidate.name)
    return candidate


def _check_labels(space: SearchSpace) -> None:
    """Raise UserError for a name that drawings and tables cannot show.

    The names of cells and operations are looked at.
    """
    labels = [cell.name for cell in space.cells]
    for cell in space.cells:
        labels += chain.from_iterable(cell.operations)
    for label in dict.fromkeys(labels):
        try:
            check_label(label)
        except ValueError as error:
            raise UserError(
                f"space {space.name}: the name of a cell or an operation: {error}"
            ) from error


def unrestricted_name(name: str) -> str:
    """Return the name of a space without its restrictions.

    That of `minimal:2-3=none` is `minimal`.
    """
    whole, _, _ = name.partition(":")
    return whole


class Spaces(Registry[type[SearchSpace]]):
    """The classes of spaces.

    All names may have restrictions, which tell spaces of one class apart.
    """

    def __contains__(self, name: str) -> bool:
        return unrestricted_name(name) in self.names

    def get(self, name: str) -> type[SearchSpace]:
        """See :meth:`.Registry.get`."""
        return super().get(unrestricted_name(name))

    def source(self, name: str) -> str | None:
        """See :meth:`.Registry.source`."""
        return super().source(unrestricted_name(name))


ALIASES = {
    "nasbench201": "nb201",
    "nats-bench-tss": "nb201",
    "nats-tss": "nb201",
    "nasbench101": "nb101",
    "nas-bench-graph": "nbgraph",
    "nas-bench-macro": "nb-macro",
}
"""Other usual names of the benchmarks' spaces, for hints."""

registry = Spaces("space", "archselect.spaces", SPACES, _accept, ALIASES)
"""The spaces here, and those of installed packages."""


@cache
def get_space(name: str) -> SearchSpace:
    """Return the space of a name, restricted as the name says.

    See :mod:`.restrictions`. Raises UserError if there is none, with the nearest name,
    if it cannot be restricted like this, or if a word of it cannot be shown.
    """
    space = _build(name)
    _check_labels(space)
    return space


def _build(name: str) -> SearchSpace:
    """Return a new space of a name, restricted as the name says."""
    space_class = registry.get(name)
    whole, colon, restrictions = name.partition(":")
    if not colon:
        return space_class()
    if issubclass(space_class, RestrictableSpace):
        return space_class(restrictions)
    restrictable = []
    for other, other_class in registry.all().items():
        if issubclass(other_class, RestrictableSpace):
            restrictable.append(other)
    raise UserError(
        f"space {whole} cannot be restricted (':{restrictions}'), only {', '.join(restrictable)} can"
    )
