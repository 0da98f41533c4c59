"""What the values of a record can be. A record with another value was damaged or edited, and is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf, isfinite

from archselect.benchmarks.records import Folder, Record, StudyInfo, UserError


def refuse_impossible(source: Folder, info: StudyInfo, records: Iterable[Record]) -> None:
    """Raise UserError for the first record with a value that is not finite, or that nothing measured can be."""
    for record in records:
        for name, value, highest in _measured(record):
            if isfinite(value) and 0 <= value <= highest:
                continue
            fault = f"not between 0 and {highest:g}" if isfinite(value) else "not finite"
            inputs = record.inputs
            raise UserError(
                f"{source.path(Record, record.id)}: {name} of {inputs.selector.label}, "
                f"seed {inputs.supernet_seed}/{inputs.selection_seed}, is {value}, which is {fault}: remove the file "
                f"and run '{info.command}' again"
            )


def _measured(record: Record) -> Iterator[tuple[str, float, float]]:
    """Yield all values that tables are made of, each with its name and the highest that it can be."""
    for accuracy in record.accuracies:
        for value in (accuracy.mean, *accuracy.trials, *accuracy.scored):
            if value is not None:
                yield "accuracy", value, 100.0
    for phase, time in record.cost.phases.items():
        yield f"{phase}_seconds", time.seconds, inf
