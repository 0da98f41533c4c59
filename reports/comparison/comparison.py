"""A comparison: two snapshots, the changes between them, and the gates' outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archselect.reports.comparison.compare import MetricChange, find_changes
from archselect.reports.comparison.gate import Gate
from archselect.reports.comparison.outcomes import (
    FAILED,
    NOT_PROVEN,
    GateOutcome,
    Status,
    judge_gates,
)
from archselect.reports.comparison.snapshot import Snapshot


@dataclass(frozen=True)
class Comparison:
    """Two snapshots, the changes between them, and the outcomes of the gates.

    `strict`: a change that exceeds its threshold without proof also fails.
    """

    base: Snapshot
    new: Snapshot
    changes: tuple[MetricChange, ...]
    outcomes: tuple[GateOutcome, ...]
    strict: bool = False

    @property
    def failed(self) -> bool:
        """Whether a gate failed."""
        return any(map(self.fails, self.outcomes))

    def fails(self, outcome: GateOutcome) -> bool:
        """Return whether an outcome fails the build."""
        if self.strict and outcome.status == NOT_PROVEN:
            return True
        return outcome.status == FAILED

    @property
    def gates(self) -> list[str]:
        """The texts of all gates, in order."""
        return _gates_of(self.outcomes)

    @property
    def failed_gates(self) -> list[str]:
        """The texts of the gates that fail the build, in order."""
        return _gates_of(list(filter(self.fails, self.outcomes)))

    def outcomes_with(self, status: Status) -> list[GateOutcome]:
        """Return the outcomes with a status, in order."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    def gates_with(self, status: Status) -> list[str]:
        """Return the texts of the gates with an outcome of a status, in order."""
        return _gates_of(self.outcomes_with(status))


def _gates_of(outcomes: Sequence[GateOutcome]) -> list[str]:
    return list(dict.fromkeys(outcome.gate.text for outcome in outcomes))


def compare_snapshots(
    base: Snapshot, new: Snapshot, gates: Sequence[Gate] = (), strict: bool = False
) -> Comparison:
    """Return the comparison of two snapshots.

    Raises UserError in the same cases as :func:`.outcomes.judge_gates`.
    """
    changes = find_changes(base, new)
    outcomes = judge_gates(gates, changes, base, new)
    return Comparison(base, new, tuple(changes), tuple(outcomes), strict)
