"""Many records kept small: of scores their columns, of equal parts one.

A study of thousands of seeds repeats itself: what its records share is kept once. Scores and decisions, of which a
record may have hundreds, are kept as columns, and made into facts when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar, overload

import numpy as np

from archselect.benchmarks.records import Decision, EdgeScore, Fact, Folder, OperationScore, Record
from archselect.reports.ranks import Floats

Item = TypeVar("Item", bound=Fact)
Part = TypeVar("Part")


class Columns(Sequence[Item], Generic[Item]):
    """Facts of one kind, all of whose fields are numbers, as a matrix with a column for each field."""

    def __init__(self, kind: type[Item], values: Floats) -> None:
        self.kind, self.values = kind, values

    @classmethod
    def of(cls, kind: type[Item], items: Sequence[Item]) -> Columns[Item]:
        """Of facts."""
        names = tuple(kind.model_fields)
        flat = chain.from_iterable(map(attrgetter(*names), items))
        return cls(kind, np.fromiter(flat, np.float64, len(names) * len(items)).reshape(-1, len(names)))

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and np.array_equal(self.values, other.values, equal_nan=True)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        if isinstance(place, slice):
            return Columns(self.kind, self.values[place])
        return self.kind.model_validate(dict(zip(self.kind.model_fields, self.values[place].tolist(), strict=True)))


def read_records(folder: Folder) -> Iterator[Record]:
    """Every record, in order of file name. Raises UserError as :meth:`Folder.read_all` does."""
    known: dict[object, Any] = {}

    def once(key: object, part: Part) -> Part:
        """The first part of that key, if this one is equal to it."""
        first: Part = known.setdefault(key, part)
        return first if first == part else part

    def equal(part: Item) -> Item:
        return once((type(part), part.model_dump_json()), part)

    for record in folder.read_all(Record):
        inputs, selected, cost = record.inputs, record.selected, record.cost
        space, cell = inputs.space, (inputs.space, selected.architecture)
        setting = space, inputs.supernet.recipe, inputs.selector.label, *cost.counts
        _lighten(
            inputs,
            data=once(inputs.data, inputs.data),
            supernet=equal(inputs.supernet),
            selector=equal(inputs.selector),
        )
        _lighten(
            selected,
            architecture=once(("architecture", cell), selected.architecture),
            canonical=once(("canonical", cell), selected.canonical),
            graph=once(("graph", cell), selected.graph),
            operations=once(("operations", space), selected.operations),
            edges=once(("edges", space), selected.edges),
            operation_scores=_packed(OperationScore, selected.operation_scores),
            edge_scores=_packed(EdgeScore, selected.edge_scores),
            decisions=_packed(Decision, selected.decisions),
        )
        _lighten(
            cost,
            counts=once(setting, cost.counts),
            machine=once(cost.machine, cost.machine),
            supernet_machine=once(cost.supernet_machine, cost.supernet_machine),
        )
        for part in (record, *record.accuracies, *cost.phases.values()):
            _lighten(part)
        yield record


def _packed(kind: type[Item], items: Sequence[Item]) -> Sequence[Item]:
    return Columns.of(kind, items) if items else items


def _lighten(fact: Fact, **changes: object) -> None:
    """Change a fact that nobody has seen yet, and let it forget which fields its file gave: half of its memory."""
    vars(fact).update(changes)
    object.__setattr__(fact, "__pydantic_fields_set__", _all_fields(type(fact)))


@cache
def _all_fields(kind: type[Fact]) -> set[str]:
    return set(kind.model_fields)
