"""Two snapshots, what changed between them, and what the gates say of that."""

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
    """Two snapshots, what changed between them, and what the gates say of that.

    `strict`: a change that is beyond its threshold and not proven fails, too.
    """

    base: Snapshot
    new: Snapshot
    changes: tuple[MetricChange, ...]
    outcomes: tuple[GateOutcome, ...]
    strict: bool = False

    @property
    def failed(self) -> bool:
        """True if a gate failed."""
        return any(map(self.fails, self.outcomes))

    def fails(self, outcome: GateOutcome) -> bool:
        """Return whether one of the outcomes fails the build."""
        if self.strict and outcome.status == NOT_PROVEN:
            return True
        return outcome.status == FAILED

    @property
    def gates(self) -> list[str]:
        """Texts of all gates, in order."""
        return _gates_of(self.outcomes)

    @property
    def failed_gates(self) -> list[str]:
        """Texts of the gates that fail the build, in order."""
        return _gates_of(list(filter(self.fails, self.outcomes)))

    def outcomes_with(self, status: Status) -> list[GateOutcome]:
        """Return the outcomes of one status, in order."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    def gates_with(self, status: Status) -> list[str]:
        """Return the texts of the gates with an outcome of one status, in order."""
        return _gates_of(self.outcomes_with(status))


def _gates_of(outcomes: Sequence[GateOutcome]) -> list[str]:
    return list(dict.fromkeys(outcome.gate.text for outcome in outcomes))


def compare_snapshots(
    base: Snapshot, new: Snapshot, gates: Sequence[Gate] = (), strict: bool = False
) -> Comparison:
    """Return the comparison.

    Raises UserError where :func:`.outcomes.judge_gates` does.
    """
    changes = find_changes(base, new)
    outcomes = judge_gates(gates, changes, base, new)
    return Comparison(base, new, tuple(changes), tuple(outcomes), strict)
