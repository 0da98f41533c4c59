"""The scores by which a selector decided on operations, laid out as columns over many records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.records import Decision, OperationScore, Record
from archselect.nasbench_adapters.rank_correlations import Floats, Ints

_BATCH = 5_000
"""Records that are laid out in one go, so that memory stays bounded."""


@dataclass(frozen=True)
class Decided:
    """Of every edge on which an operation was decided its latest scores up to the step of the decision, by choice.

    Records are in order; within one, rounds, cells and edges are.

    Attributes:
        seeds: of each record, of its supernet.
        edges: of each record, how many edges it decided, over all rounds.
        rounds, cells, places: of each of these, the round, the cell and the edge's
            place in it.
        sizes: how many scores each of these has.
        choices, values: of each score; of the values, higher is better.
    """

    seeds: list[int]
    edges: Ints
    rounds: Ints
    cells: Ints
    places: Ints
    sizes: Ints
    choices: Ints
    values: Floats

    @cached_property
    def distinct_rounds(self) -> int:
        """How many rounds there are."""
        return len(np.unique(self.rounds))

    @cached_property
    def distinct_edges(self) -> int:
        """How many edges were decided, over all cells."""
        return sum(
            len(np.unique(self.places[self.cells == cell]))
            for cell in np.unique(self.cells)
        )

    def by(self, oracle: list[list[list[float]]]) -> Floats:
        """What `oracle[cell][edge][choice]` has for each score."""
        shape = (
            len(oracle),
            max(map(len, oracle)),
            max(len(row) for cell in oracle for row in cell),
        )
        table = np.full(shape, np.nan)
        for c, cell in enumerate(oracle):
            for e, row in enumerate(cell):
                table[c, e, : len(row)] = row
        return table[*self._edges_of_scores, self.choices]

    @cached_property
    def _edges_of_scores(self) -> tuple[Ints, Ints]:
        """Cell and place of each score's edge."""
        return np.repeat(self.cells, self.sizes), np.repeat(self.places, self.sizes)


def decided(records: Sequence[Record]) -> Decided | None:
    """The scores by which the records' operations were decided; None where the selector gives none."""
    if any(record.selected.operation_scale is None for record in records):
        return None
    parts = [
        _laid_out(records[start : start + _BATCH])
        for start in range(0, max(len(records), 1), _BATCH)
    ]
    edges, rounds, cells, places, sizes, choices, values = map(
        np.concatenate, zip(*parts, strict=True)
    )
    seeds = [record.inputs.supernet_seed for record in records]
    return Decided(seeds, edges, rounds, cells, places, sizes, choices, values)


def _laid_out(
    records: Sequence[Record],
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Floats]:
    """The columns of :class:`Decided`."""
    scores = _columns(
        OperationScore, [record.selected.operation_scores for record in records]
    )
    of, round_, step, cell, edge, choice, score = scores
    decisions = _columns(Decision, [record.selected.decisions for record in records])
    # An edge that was dropped is no operation chosen.
    its_record, its_round, until, its_cell, its_edge, _ = (
        own[decisions[-1] >= 0] for own in decisions
    )
    where, decided = (
        (of, round_, cell, edge),
        (its_record, its_round, its_cell, its_edge),
    )
    # Record, round, cell and edge as one number; the last decision on an edge counts.
    shape = [
        1 + max(a.max(initial=0), b.max(initial=0))
        for a, b in zip(where, decided, strict=True)
    ]
    keys, last = np.unique(
        np.ravel_multi_index(decided, shape)[::-1], return_index=True
    )
    until, own = until[::-1][last], np.ravel_multi_index(where, shape)
    row = np.searchsorted(keys, own)
    known = np.flatnonzero(np.append(keys, -1)[row] == own)
    row = row[known]
    early = step[known] <= until[row]
    known, row = known[early], row[early]
    latest = np.full(len(keys), -1)
    np.maximum.at(latest, row, step[known])
    deciding = step[known] == latest[row]
    known, row = known[deciding], row[deciding]
    place = row * (1 + choice[known].max(initial=0)) + choice[known]
    if (place[1:] < place[:-1]).any():
        order = np.argsort(place, kind="stable")
        known, row = known[order], row[order]
    record, rounds, cells, places = np.unravel_index(keys, shape)
    scales = [record.selected.operation_scale for record in records]
    signs = np.array(
        [-1.0 if scale and scale.better == "lower" else 1.0 for scale in scales]
    )
    return (
        np.bincount(record, minlength=len(records)),
        *(rounds, cells, places),
        np.bincount(row, minlength=len(keys)),
        choice[known],
        score[known] * signs[of[known]],
    )


def _columns(
    kind: type[NamedTuple], parts: Sequence[Columns[Any]]
) -> list[npt.NDArray[Any]]:
    """Of every row the place of its part, then its fields in order; the parts' rows in order, the parts in any."""
    of, found = Columns.gather(kind, parts)
    return [of, *(found[name] for name in kind._fields)]
