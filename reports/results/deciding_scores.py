"""The scores behind selectors' decisions, as columns over many records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.records import Decision, OperationScore, Record
from archselect.nasbench_adapters.rank_correlations import Floats, Ints

_BATCH = 5_000
"""Most records to process at once; this limits the memory."""

Oracle = Sequence[Sequence[Sequence[float]]]
"""Oracle values of operations: `oracle[cell][edge][choice]`, in per cent."""


@dataclass(frozen=True)
class DecidingScores:
    """The scores that decided the edges of many records.

    For every decided edge, these are its latest scores up to the step of the decision,
    in order of choices. They are sorted by record, round, cell and edge. There are R
    records, E decided edges and S scores.

    Attributes:
        seeds: supernet seed of each record, R entries.
        edge_counts: number of decided edges of each record, over all rounds, shape
            (R,).
        rounds, cells, edges: round, cell type and index of each edge, shape (E,).
        score_counts: number of scores of each edge, shape (E,).
        choices, values: operation and value of each score, shape (S,); higher is
            better.
    """

    seeds: list[int]
    edge_counts: Ints
    rounds: Ints
    cells: Ints
    edges: Ints
    score_counts: Ints
    choices: Ints
    values: Floats

    @cached_property
    def distinct_rounds(self) -> int:
        """The number of rounds."""
        return len(np.unique(self.rounds))

    @cached_property
    def distinct_edges(self) -> int:
        """The number of decided edges, over all cell types."""
        count = 0
        for cell in np.unique(self.cells):
            of_cell = self.edges[self.cells == cell]
            count += len(np.unique(of_cell))
        return count

    def look_up(self, oracle: Oracle) -> Floats:
        """Return the oracle value of each score's operation, shape (S,)."""
        most_edges = max(len(cell) for cell in oracle)
        most_operations = max(len(row) for row in chain.from_iterable(oracle))
        worth = np.full((len(oracle), most_edges, most_operations), np.nan)
        for cell, cell_rows in enumerate(oracle):
            for edge, row in enumerate(cell_rows):
                worth[cell, edge, : len(row)] = row
        return worth[self._score_cells, self._score_edges, self.choices]

    @cached_property
    def _score_cells(self) -> Ints:
        """The cell type of each score, shape (S,)."""
        return np.repeat(self.cells, self.score_counts)

    @cached_property
    def _score_edges(self) -> Ints:
        """The edge of each score, shape (S,)."""
        return np.repeat(self.edges, self.score_counts)


def deciding_scores(records: Sequence[Record]) -> DecidingScores | None:
    """Return the scores that decided the records' edges.

    Return None if the selector has no operation scores.
    """
    if any(record.selected.operation_scale is None for record in records):
        return None
    starts = range(0, max(len(records), 1), _BATCH)
    batches = [_lay_out(records[start : start + _BATCH]) for start in starts]
    return DecidingScores(
        seeds=[record.inputs.supernet_seed for record in records],
        edge_counts=np.concatenate([batch.edge_counts for batch in batches]),
        rounds=np.concatenate([batch.rounds for batch in batches]),
        cells=np.concatenate([batch.cells for batch in batches]),
        edges=np.concatenate([batch.edges for batch in batches]),
        score_counts=np.concatenate([batch.score_counts for batch in batches]),
        choices=np.concatenate([batch.choices for batch in batches]),
        values=np.concatenate([batch.values for batch in batches]),
    )


class _ScoreRows(NamedTuple):
    """Columns of all scores in a batch of records, as in :class:`OperationScore`."""

    record: Ints
    round: Ints
    step: Ints
    cell: Ints
    edge: Ints
    choice: Ints
    value: Floats


class _DecisionRows(NamedTuple):
    """Columns of decisions in a batch of records, as in :class:`Decision`."""

    record: Ints
    round: Ints
    step: Ints
    cell: Ints
    edge: Ints
    choice: Ints


class _DecidedEdges(NamedTuple):
    """The decided edges of a batch of records, in order of their keys.

    Attributes:
        keys: record, round, cell and edge, combined into one number.
        until: step of the last decision on each edge.
        score_keys: key of the edge of every score, decided or not.
        shape: array shape in which a key is a flat index.
    """

    keys: Ints
    until: Ints
    score_keys: Ints
    shape: tuple[int, ...]


class _ScorePlaces(NamedTuple):
    """A subset of the scores.

    Attributes:
        place: index of each score among all scores.
        edge: index of its edge among the decided edges.
    """

    place: Ints
    edge: Ints

    def only(self, chosen: npt.NDArray[Any]) -> _ScorePlaces:
        """Return the scores that a mask or an index array chooses."""
        return _ScorePlaces(self.place[chosen], self.edge[chosen])


def _lay_out(records: Sequence[Record]) -> DecidingScores:
    """Return the columns of one batch, without seeds."""
    scores = _ScoreRows(
        *_columns(
            OperationScore, [record.selected.operation_scores for record in records]
        )
    )
    decisions = _DecisionRows(
        *_columns(Decision, [record.selected.decisions for record in records])
    )
    decided = _find_decided_edges(scores, decisions)
    latest = _find_latest_scores(scores, decided)
    record, rounds, cells, edges = np.unravel_index(decided.keys, decided.shape)
    return DecidingScores(
        seeds=[],
        edge_counts=np.bincount(record, minlength=len(records)),
        rounds=rounds,
        cells=cells,
        edges=edges,
        score_counts=np.bincount(latest.edge, minlength=len(decided.keys)),
        choices=scores.choice[latest.place],
        values=_better_is_higher(records, scores, latest.place),
    )


def _find_decided_edges(scores: _ScoreRows, decisions: _DecisionRows) -> _DecidedEdges:
    """Return the edges with a decided operation; the last decision counts."""
    # A decision without a choice drops its edge.
    keeps_operation = decisions.choice >= 0
    of_scores = (scores.record, scores.round, scores.cell, scores.edge)
    of_decisions = tuple(
        column[keeps_operation]
        for column in (
            decisions.record,
            decisions.round,
            decisions.cell,
            decisions.edge,
        )
    )
    shape = tuple(
        1 + max(one.max(initial=0), other.max(initial=0))
        for one, other in zip(of_scores, of_decisions, strict=True)
    )
    latest_first = np.ravel_multi_index(of_decisions, shape)[::-1]
    keys, latest = np.unique(latest_first, return_index=True)
    steps = decisions.step[keeps_operation]
    return _DecidedEdges(
        keys=keys,
        until=steps[::-1][latest],
        score_keys=np.ravel_multi_index(of_scores, shape),
        shape=shape,
    )


def _find_latest_scores(scores: _ScoreRows, decided: _DecidedEdges) -> _ScorePlaces:
    """Return each edge's scores of the latest step up to its decision, by choice."""
    kept = _scores_of_decided_edges(decided)
    in_time = scores.step[kept.place] <= decided.until[kept.edge]
    kept = kept.only(in_time)
    latest_step = np.full(len(decided.keys), -1)
    np.maximum.at(latest_step, kept.edge, scores.step[kept.place])
    is_latest = scores.step[kept.place] == latest_step[kept.edge]
    kept = kept.only(is_latest)
    choice = scores.choice[kept.place]
    by_edge_and_choice = kept.edge * (1 + choice.max(initial=0)) + choice
    if (np.diff(by_edge_and_choice) < 0).any():
        kept = kept.only(np.argsort(by_edge_and_choice, kind="stable"))
    return kept


def _scores_of_decided_edges(decided: _DecidedEdges) -> _ScorePlaces:
    """Return the scores of edges with a decided operation."""
    edge = np.searchsorted(decided.keys, decided.score_keys)
    # A key after the last one belongs to no decided edge.
    padded_keys = np.append(decided.keys, -1)
    place = np.flatnonzero(padded_keys[edge] == decided.score_keys)
    return _ScorePlaces(place, edge[place])


def _better_is_higher(
    records: Sequence[Record], scores: _ScoreRows, places: Ints
) -> Floats:
    """Return the values of scores, signed so that higher is better."""
    scales = [record.selected.operation_scale for record in records]
    signs = [-1.0 if scale and scale.better == "lower" else 1.0 for scale in scales]
    return scores.value[places] * np.array(signs)[scores.record[places]]


def _columns(
    kind: type[NamedTuple], parts: Sequence[Columns[Any]]
) -> list[npt.NDArray[Any]]:
    """Return the index of every row's part, then the fields of the rows.

    Rows keep their order within a part; the parts can be in any order.
    """
    places, columns = Columns.gather(kind, parts)
    return [places, *(columns[name] for name in kind._fields)]
