"""The record of a run that finished, and the record of one that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from archselect.benchmarks.store.facts import (
    Fact,
    Id,
)
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    FINITE,
    LARGEST,
    MOST_COUNTED,
    PER_CENT,
    Cells,
    Impossible,
    Limits,
    are_between,
    are_within,
    check_numbers,
    check_rows,
)
from archselect.benchmarks.store.records.accuracy import Accuracy
from archselect.benchmarks.store.records.cost import Cost, check_cost
from archselect.benchmarks.store.records.inputs import (
    Inputs,
)
from archselect.benchmarks.store.records.selected import (
    Decision,
    EdgeScore,
    OperationScore,
    Selected,
    _check_cells,
)


class Record(Fact):
    """One finished run.

    `code_version` is the version of the archselect that made it, `commit` the commit,
    and `supernet_commit` that of the archselect that made the supernet; None where it
    is not known, or several commits had a part in it. See :func:`.machine.commit`.
    """

    schema_version: Literal[3] = 3
    id: Id
    inputs: Inputs
    selected: Selected
    accuracies: list[Accuracy]
    cost: Cost
    code_version: str
    commit: str | None = None
    supernet_commit: str | None = None

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        _check_record(self)
        selected = self.selected
        limits = Limits.of(selected.operations)
        every = (selected.operation_scores, selected.edge_scores, selected.decisions)
        if not all(are_within(rows, limits) for rows in every):
            check_records([self])

    def facts(self) -> dict[str, Any]:
        """Return all but times, memory, machine, version and commits: the same on every repetition on the CPU."""
        apart = {"cost", "code_version", "commit", "supernet_commit"}
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude=apart)
        return dumped | {
            "counts": {k: v.model_dump() for k, v in self.cost.counts.items()}
        }


def check_records(records: Sequence[Record]) -> None:
    """Raise Impossible for what no run can have measured, of the first record that says such a thing.

    What is common is looked at together, for records come by the thousand; each by
    itself only where that is not right.
    """
    if not _are_plainly_possible(records):
        for record in records:
            _check_record(record)
    selected = [record.selected for record in records]
    cells = Cells.of_all([own.operations for own in selected])
    check_rows(
        "operation_scores",
        OperationScore,
        [own.operation_scores for own in selected],
        cells,
    )
    check_rows("edge_scores", EdgeScore, [own.edge_scores for own in selected], cells)
    check_rows("decisions", Decision, [own.decisions for own in selected], cells)


def _are_plainly_possible(records: Sequence[Record]) -> bool:
    """Return whether :func:`_check_record` refuses none of some records; False where only it can tell."""
    drawn = set()
    for record in records:
        selected = record.selected
        # Records that are read from one file share their cells.
        cell = (id(selected.operations), id(selected.edges), id(selected.graph))
        if cell not in drawn:
            drawn.add(cell)
            try:
                _check_cells(selected)
            except Impossible:
                return False
        if not all(_fits(accuracy, selected) for accuracy in record.accuracies):
            return False
        if len(record.accuracies) > 1 and len(
            {own.landscape for own in record.accuracies}
        ) < len(record.accuracies):
            return False
    accuracies = [accuracy for record in records for accuracy in record.accuracies]
    scores = [record.selected.architecture_scores for record in records]
    return (
        are_between(
            [value for own in accuracies for value in own.per_cents()], 0, PER_CENT
        )
        and are_between(
            [own.rank for own in accuracies if own.rank is not None], 1, MOST_COUNTED
        )
        and are_between(
            [own.surrogate_tau for own in accuracies if own.surrogate_tau is not None],
            -COEFFICIENT,
            COEFFICIENT,
        )
        and are_between(
            [
                value
                for own in scores
                if len(own)
                for value in own.column("value").tolist()
            ],
            -FINITE,
            FINITE,
        )
        and are_between(
            [value for record in records for value in record.cost.amounts()], 0, LARGEST
        )
    )


def _fits(accuracy: Accuracy, selected: Selected) -> bool:
    """Return whether the lists of an accuracy have the lengths that they should have."""
    if len(accuracy.trials) != len(accuracy.trial_seeds):
        return False
    return not accuracy.scored or len(accuracy.scored) == len(
        selected.architecture_scores
    )


def _check_record(record: Record) -> None:
    """Raise Impossible for a fault of a record, its rows apart."""
    inputs, selected = record.inputs, record.selected
    _check_cells(selected)
    check_numbers(
        "architecture_scores",
        selected.architecture_scores.column("value").tolist(),
        -FINITE,
        FINITE,
    )
    who = f" of {inputs.selector.label}, seed {inputs.supernet_seed}/{inputs.selection_seed},"
    for accuracy in record.accuracies:
        accuracy.check_as(who, len(selected.architecture_scores))
    landscapes = [accuracy.landscape for accuracy in record.accuracies]
    if len(set(landscapes)) != len(landscapes):
        raise Impossible("accuracies has two of one landscape")
    check_cost(who, record.cost)


class Failure(Fact):
    """One run that raised: never averaged away, made anew when the study runs again.

    `commit`: see :class:`Record`.
    """

    schema_version: Literal[1] = 1
    id: Id
    inputs: Inputs
    error: str
    traceback: str
    commit: str | None = None
