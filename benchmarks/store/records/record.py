"""The record of a finished run, and the record of a failed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import Fact, Id
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    FINITE,
    LARGEST,
    MOST_COUNTED,
    PER_CENT,
    Impossible,
    are_between,
    check_numbers,
)
from archselect.benchmarks.store.records.accuracy import Accuracy
from archselect.benchmarks.store.records.architecture_cost import ArchitectureCost
from archselect.benchmarks.store.records.cost import SearchCost, check_cost, dump_counts
from archselect.benchmarks.store.records.inputs import Inputs
from archselect.benchmarks.store.records.memory import MemoryRefusal, StepMemoryFacts
from archselect.benchmarks.store.records.mixture_cost import SupernetMixtureCost
from archselect.benchmarks.store.records.selected import Selected
from archselect.benchmarks.store.row_checks import (
    OperationCounts,
    are_within,
    check_rows,
    safe_limits,
)
from archselect.selectors.selection import (
    Closing,
    Decision,
    EdgeScore,
    OperationScore,
)


class Record(Fact):
    """A finished run.

    `accuracies` are the accuracies of the selected architecture, `costs` the costs of
    it that the study asks for, and `cost` the cost of the run itself. `mixture_cost` is
    the cost of the supernet's weights, if its training records one; `memory` is the
    memory of a training step, if supernet or selector have a memory budget.
    `code_version` and `commit` are the version and the commit of archselect that made
    the record, `supernet_commit` is the commit that made the supernet. A commit is None
    if it is unknown or if several commits took part (:func:`.machine.commit`).
    """

    schema_version: Literal[3] = 3
    id: Id
    inputs: Inputs
    selected: Selected
    accuracies: list[Accuracy]
    costs: list[ArchitectureCost] = Field([])
    mixture_cost: SupernetMixtureCost | None = None
    memory: StepMemoryFacts | None = None
    cost: SearchCost
    code_version: str
    commit: str | None = None
    supernet_commit: str | None = None

    def check(self) -> None:
        """Raise Impossible for values that no run can have measured."""
        _check_record(self)
        selected = self.selected
        limits = safe_limits(selected.operations)
        every: list[Columns[Any]] = [
            selected.operation_scores,
            selected.edge_scores,
            selected.decisions,
            self.closings,
        ]
        if not all(are_within(rows, limits) for rows in every):
            _check_rows([self])

    @property
    def closings(self) -> Columns[Closing]:
        """Operations that the selector closed one by one."""
        return self.memory.closings if self.memory else Columns(Closing)

    def facts(self) -> dict[str, Any]:
        """Return what is the same on every repetition on the CPU.

        This is everything except times, memory, machine, version and commits.
        """
        apart = {"cost", "code_version", "commit", "supernet_commit"}
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude=apart)
        return dumped | {"counts": dump_counts(self.cost)}


def check_records(records: Sequence[Record]) -> None:
    """Raise Impossible for the first record with values that no run can have measured.

    There can be thousands of records. So all are checked together first, and one by one
    only after a fault, to name it.
    """
    if not _are_possible(records):
        for record in records:
            _check_record(record)
    _check_rows(records)


def _check_record(record: Record) -> None:
    """Raise Impossible for a fault of a record, apart from its rows."""
    inputs = record.inputs
    selected = record.selected
    selected.check_cells()
    scores = selected.architecture_scores.column("value").tolist()
    check_numbers("architecture_scores", scores, -FINITE, FINITE)
    seeds = f"{inputs.supernet_seed}/{inputs.selection_seed}"
    who = f" of {inputs.selector.label}, seed {seeds},"
    for accuracy in record.accuracies:
        accuracy.check_as(who, len(selected.architecture_scores))
    if _has_landscape_twice(record):
        raise Impossible("accuracies has two of one landscape")
    for cost in record.costs:
        cost.check_as(who, len(selected.architecture_scores))
    if _has_cost_twice(record):
        raise Impossible("costs has two of one name")
    if record.mixture_cost is not None:
        record.mixture_cost.check_as(who)
    if record.memory is not None:
        record.memory.check_as(who)
    check_cost(who, record.cost)


def _check_rows(records: Sequence[Record]) -> None:
    """Raise Impossible for a score or decision of a missing edge or operation."""
    selected = [record.selected for record in records]
    counts = OperationCounts.of_records([each.operations for each in selected])
    operation_scores = [each.operation_scores for each in selected]
    edge_scores = [each.edge_scores for each in selected]
    decisions = [each.decisions for each in selected]
    check_rows("operation_scores", OperationScore, operation_scores, counts)
    check_rows("edge_scores", EdgeScore, edge_scores, counts)
    check_rows("decisions", Decision, decisions, counts)
    closings = [record.closings for record in records]
    check_rows("memory.closings", Closing, closings, counts)


# --- many records at once


def _are_possible(records: Sequence[Record]) -> bool:
    """Return whether :func:`_check_record` accepts all records."""
    if not _have_possible_cells(records):
        return False
    numbers = _Numbers()
    for record in records:
        if _has_landscape_twice(record) or not _has_matching_lists(record):
            return False
        if _has_cost_twice(record) or not _has_possible_fits(record):
            return False
        if not _has_possible_memory(record):
            return False
        numbers.add(record)
    return numbers.are_possible()


def _have_possible_cells(records: Sequence[Record]) -> bool:
    """Return whether the cells of all records can be drawn, and have operations."""
    seen = set()
    for record in records:
        selected = record.selected
        # Records read from one file share their cells.
        parts = (selected.operations, selected.edges, selected.graph)
        cells = tuple(map(id, parts))
        if cells in seen:
            continue
        seen.add(cells)
        try:
            selected.check_cells()
        except Impossible:
            return False
    return True


def _has_landscape_twice(record: Record) -> bool:
    """Return whether two accuracies of a record are of one landscape."""
    accuracies = record.accuracies
    if len(accuracies) < 2:
        return False
    return len({accuracy.landscape for accuracy in accuracies}) < len(accuracies)


def _has_cost_twice(record: Record) -> bool:
    """Return whether two costs of a record have one name."""
    return len({cost.name for cost in record.costs}) < len(record.costs)


def _has_possible_fits(record: Record) -> bool:
    """Return whether all numbers of the fits of a record's costs are possible."""
    try:
        for cost in record.costs:
            if cost.fit is not None:
                cost.fit.check_as("")
    except Impossible:
        return False
    return True


def _has_possible_memory(record: Record) -> bool:
    """Return whether all numbers of a record's memory are possible."""
    if record.memory is None:
        return True
    try:
        record.memory.check_as("")
    except Impossible:
        return False
    return True


def _has_matching_lists(record: Record) -> bool:
    """Return whether lists that belong together have the same length."""
    architectures = len(record.selected.architecture_scores)
    for cost in record.costs:
        if cost.scored and len(cost.scored) != architectures:
            return False
    for accuracy in record.accuracies:
        if len(accuracy.trials) != len(accuracy.trial_seeds):
            return False
        if accuracy.scored and len(accuracy.scored) != architectures:
            return False
    return True


@dataclass
class _Numbers:
    """All numbers of some records that have a range, by their range."""

    per_cents: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    amounts: list[float] = field(default_factory=list)
    fitted: list[float] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Add the numbers of a record."""
        for accuracy in record.accuracies:
            self.per_cents += accuracy.per_cents()
            if accuracy.rank is not None:
                self.ranks.append(accuracy.rank)
            if accuracy.surrogate_tau is not None:
                self.coefficients.append(accuracy.surrogate_tau)
        scores = record.selected.architecture_scores
        if len(scores):
            self.scores += scores.column("value").tolist()
        for cost in record.costs:
            amounts = self.amounts if cost.fit is None else self.fitted
            amounts += cost.amounts()
        mixture_cost = record.mixture_cost
        if mixture_cost is not None:
            self.fitted += mixture_cost.numbers()
            self.ranks.append(mixture_cost.draws)
        self.amounts += record.cost.amounts()

    def are_possible(self) -> bool:
        """Return whether all of them are in their ranges."""
        return (
            are_between(self.per_cents, 0, PER_CENT)
            and are_between(self.ranks, 1, MOST_COUNTED)
            and are_between(self.coefficients, -COEFFICIENT, COEFFICIENT)
            and are_between(self.scores, -FINITE, FINITE)
            and are_between(self.amounts, 0, LARGEST)
            and are_between(self.fitted, -LARGEST, LARGEST)
        )


class Failure(Fact):
    """A run that raised an error; rerunning the study's command repeats it.

    `commit` is that of :class:`Record`. `memory` is the memory that was needed, if
    there was too little.
    """

    schema_version: Literal[1] = 1
    id: Id
    inputs: Inputs
    error: str
    memory: MemoryRefusal | None = None
    traceback: str
    commit: str | None = None
