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
    DartsAllSkip,
    DartsWithoutSkip,
    SingleCell,
    SingleCellAllSkip,
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
        *(DartsAllSkip, SingleCellAllSkip),
        *(NasBenchGraph, NasBenchMacro, MobileNetLike),
    )
}


def _accept(
    name: str,
    candidate: Any,
) -> type[SearchSpace]:
    """Return the class of a space that a package declares.

    Raises ValueError if it is not a space, or is declared under another name.
    """
    if not isinstance(candidate, type) or not issubclass(candidate, SearchSpace):
        raise ValueError(
            "it is not a class derived from archselect.nasbench_adapters.space.SearchSpace"
        )
    check_entry_name(name, candidate.name)
    return candidate


def _check_labels(space: SearchSpace) -> None:
    """Raise UserError if a cell or operation has a name that reports cannot show."""
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

    For `minimal:2-3=none` it is `minimal`.
    """
    whole, _, _ = name.partition(":")
    return whole


class Spaces(Registry[type[SearchSpace]]):
    """Registry of the classes of spaces. Names may have restrictions."""

    def __contains__(self, name: str) -> bool:
        return unrestricted_name(name) in self.names

    def get(self, name: str) -> type[SearchSpace]:
        """Return the class of a space, whatever its restrictions."""
        return super().get(unrestricted_name(name))

    def source(self, name: str) -> str | None:
        """Return the origin of a space's class, like :meth:`.Registry.source`."""
        return super().source(unrestricted_name(name))


ALIASES = {
    "nasbench201": "nb201",
    "nats-bench-tss": "nb201",
    "nats-tss": "nb201",
    "nasbench101": "nb101",
    "nas-bench-graph": "nbgraph",
    "nas-bench-macro": "nb-macro",
}
"""Other names of the benchmarks' spaces, for hints in messages."""

registry = Spaces("space", "archselect.spaces", SPACES, _accept, ALIASES)
"""Registry of all spaces: built-in and of installed packages."""


@cache
def get_space(name: str) -> SearchSpace:
    """Return the space with a name, which may include restrictions.

    :mod:`.restrictions` explains restrictions. Raises UserError, with the nearest name,
    if there is no such space; also if the restriction is not possible, or if reports
    cannot show a name in the space.
    """
    space = _build(name)
    _check_labels(space)
    return space


def _build(name: str) -> SearchSpace:
    """Return a new space with a name, which may include restrictions."""
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
        f"space {whole} cannot be restricted (':{restrictions}'): only {', '.join(restrictable)} can"
    )
