"""Outcomes of gates on the changes between two snapshots.

A gate has a row for every selector, metric and place of base or new. A row holds if the
mean change does not exceed the threshold. It fails if the whole 95 % interval, paired
by seed, exceeds it; otherwise it is not proven. The intervals of a gate's changed rows
hold simultaneously. Counts are exact: their change exceeds the threshold or does not. A
row also fails if runs failed or are not finished, if a value is lost, and if base and
new are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Literal, NamedTuple

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.reports.comparison.compare import MetricChange
from archselect.reports.comparison.gate import Gate, gate_error, is_tau
from archselect.reports.comparison.snapshot import SelectorRuns, Snapshot
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.paired import ALPHA

Status = Literal["holds", "failed", "not proven", "not checked"]
HOLDS: Status = "holds"
FAILED: Status = "failed"
NOT_PROVEN: Status = "not proven"
NOT_CHECKED: Status = "not checked"

NOWHERE = "no value in base or new"
"""Reason not to check a row without values.

An example is the τ of a selector without scores.
"""
WHOLE_STUDY = "the study"
"""Name in the row about unfinished runs, whose selectors are not known."""


@dataclass(frozen=True)
class GateOutcome:
    """The outcome of a gate in one row.

    Attributes:
        gate: gate.
        label: label of the selector.
        metric: title of the metric.
        place: landscape or search in which the metric is measured.
        status: whether the gate holds.
        why: explanation of the status.
        size: change in the gate's direction and in `unit`; None if there was no
            comparison.
        low: lower bound of the 95 % interval, simultaneous over the gate's rows; None
            without an interval, as for counts.
        high: upper bound of the interval.
        pairs: number of compared seeds.
        reach: change at which the gate would fail with probability 80 %, given these
            seeds and their spread; None for counts and if not known.
        unit: " points", " %" (of base), " s" or empty.
        exact: whether the metric is a count, of which every change is real.
    """

    gate: Gate
    label: str
    metric: str
    place: str
    status: Status
    why: str
    size: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    reach: float | None = None
    unit: str = ""
    exact: bool = False


def judge_gates(
    gates: Sequence[Gate],
    changes: Sequence[MetricChange],
    base: Snapshot,
    new: Snapshot,
) -> list[GateOutcome]:
    """Return the outcome of every gate in each of its rows.

    The rows are: the changes of the gate's metric; searches of selectors with runs but
    without such a change; selectors without runs; and the study, if runs of new are not
    finished.

    Raises UserError for a metric that neither snapshot has, and for a gate without a
    value in base: such a gate could not fail.
    """
    outcomes: list[GateOutcome] = []
    for gate in gates:
        rows = [change for change in changes if gate.is_on(change.metric.name)]
        if not rows:
            raise _unknown_metric(gate, changes)
        of_gate = _judge_gate(gate, rows, _Snapshots(base, new))
        if all(outcome.status == NOT_CHECKED for outcome in of_gate):
            first = of_gate[0]
            raise gate_error(
                gate.text,
                f"has nothing to check: {first.label}, {first.metric}: {first.why}; "
                "write a new base, or remove the gate",
            )
        outcomes += of_gate
    return outcomes


def _unknown_metric(gate: Gate, changes: Sequence[MetricChange]) -> UserError:
    """Return the error for a gate without rows."""
    known = {change.metric.name for change in changes}
    if gate.metric == "tau":
        metrics = ", ".join(sorted(known))
        return gate_error(
            gate.text,
            f"has nothing to check: no selector has a rank correlation; the metrics are {metrics}",
        )
    if any(map(is_tau, known)):
        known.add("tau")
    return unknown("metric of --fail-if", gate.metric, known)


class _Snapshots(NamedTuple):
    """The two compared snapshots."""

    base: Snapshot
    new: Snapshot


class _Ruling(NamedTuple):
    """The status of a row without a comparison, and the reason."""

    status: Status
    why: str


def _judge_gate(
    gate: Gate, rows: Sequence[MetricChange], snapshots: _Snapshots
) -> list[GateOutcome]:
    """Return the outcomes of a gate, also for selectors and runs without values."""
    moved = [change for change in rows if any(change.seed_differences)]
    together = max(1, len(moved))
    outcomes = []
    for change in rows:
        ruling = _rule_without_comparison(change, snapshots)
        if ruling is None:
            outcomes.append(_judge_change(_Row(gate, change, together)))
        else:
            outcomes.append(
                GateOutcome(
                    gate, change.label, change.metric.title, change.place, *ruling
                )
            )
    return [*outcomes, *_judge_without_values(gate, rows, snapshots)]


# Rows without a comparison


def _rule_without_comparison(
    change: MetricChange, snapshots: _Snapshots
) -> _Ruling | None:
    """Return the status of a change that cannot be compared; None if it can be."""
    label = change.label
    failed = _failed_runs(label, change.search, snapshots)
    if failed:
        return _Ruling(FAILED, failed)
    if change.base is None and change.new is None:
        return _rule_without_any_value(label, change.search, snapshots)
    if change.new is None and change.reason:
        return _Ruling(FAILED, f"undefined in new: {change.reason}")
    if change.new is None:
        return _Ruling(FAILED, _why_vanished(label, change.search, snapshots))
    if change.base is None:
        has_label = label in snapshots.base.labels
        what = "base has no value" if has_label else "not in base"
        return _Ruling(NOT_CHECKED, f"{what}: nothing to compare")
    if not change.comparable:
        return _Ruling(FAILED, change.verdict)
    if change.lost:
        plural = "s" if len(change.lost) > 1 else ""
        seeds = f"seed{plural} {', '.join(map(str, change.lost))}"
        return _Ruling(
            FAILED,
            f"new lacks {seeds} of base: run them, or write a base without them",
        )
    return None


def _failed_runs(label: str, search: str, snapshots: _Snapshots) -> str:
    """Return a text on runs that failed only in new; empty if there are none."""
    before = snapshots.base.runs_of(label, search)
    after = snapshots.new.runs_of(label, search)
    failed = [seeds for seeds in after.failed if seeds not in before.failed]
    if not failed:
        return ""
    if not after.finished:
        return _all_failed(after)
    runs = len(after.failed) + after.finished
    return f"{len(failed)} of {runs} runs failed in new but not in base"


def _all_failed(runs: SelectorRuns) -> str:
    count = len(runs.failed)
    if count == 1:
        return "its only run failed in new"
    return f"all {count} runs failed in new"


def _why_vanished(label: str, search: str, snapshots: _Snapshots) -> str:
    """Return why new has no value although base has a value or runs."""
    new = snapshots.new
    if label not in new.labels:
        return "missing: in base, but not in new"
    runs = new.runs_of(label, search)
    if runs.finished:
        return "missing: base has a value, new has none"
    if runs.failed:
        return _all_failed(runs)
    if new.unfinished:
        return "no run is finished in new"
    return "missing: new has no such run"


def _rule_on_runs(label: str, search: str, snapshots: _Snapshots) -> _Ruling:
    """Return the status of a selector in a search without a change."""
    failed = _failed_runs(label, search, snapshots)
    if failed:
        return _Ruling(FAILED, failed)
    return _rule_without_any_value(label, search, snapshots)


def _rule_without_any_value(label: str, search: str, snapshots: _Snapshots) -> _Ruling:
    """Return the status of a selector without a value in either snapshot."""
    after = snapshots.new.runs_of(label, search)
    if after.finished:
        return _Ruling(NOT_CHECKED, NOWHERE)
    if after.failed:
        return _Ruling(FAILED, f"{NOWHERE}: {_all_failed(after)}")
    return _Ruling(FAILED, _why_vanished(label, search, snapshots))


def _judge_without_values(
    gate: Gate, rows: Sequence[MetricChange], snapshots: _Snapshots
) -> Iterator[GateOutcome]:
    """Yield the outcomes of a gate for selectors and runs without a change."""
    base, new = snapshots
    with_changes = {(change.label, change.search) for change in rows}
    runs = (*new.runs, *base.runs)
    searches = dict.fromkeys((ended.label, ended.search) for ended in runs)
    for label, search in searches:
        if (label, search) in with_changes:
            continue
        ruling = _rule_on_runs(label, search, snapshots)
        yield GateOutcome(gate, label, gate.metric, search, *ruling)
    with_rows = {label for label, _ in (*with_changes, *searches)}
    for label in dict.fromkeys((*new.labels, *base.labels)):
        if label not in with_rows:
            why = _why_vanished(label, "", snapshots)
            yield GateOutcome(gate, label, gate.metric, "", FAILED, why)
    if new.unfinished:
        why = f"{new.unfinished} of its runs are not finished in new: rerun '{new.command}'"
        yield GateOutcome(gate, WHOLE_STUDY, gate.metric, "", FAILED, why)


# Rows with values on both sides


@dataclass(frozen=True)
class _Row:
    """A change with values on both sides, and its gate.

    `together` is the number of changed rows of the gate, whose intervals hold
    simultaneously.
    """

    gate: Gate
    change: MetricChange
    together: int

    @property
    def seeds(self) -> int:
        """Number of compared seeds."""
        return len(self.change.seed_differences)

    @property
    def size(self) -> float:
        """Mean change in the gate's direction, in the unit of the metric."""
        mean = self.change.difference.mean
        assert mean is not None
        return 0.0 + self.gate.sign * mean

    @property
    def interval(self) -> tuple[float, float] | None:
        """Interval of the change in the gate's direction; None if there is none."""
        difference = self.change.difference.among(self.together)
        if self.change.exact or self.all_equal:
            return None
        if difference.low is None or difference.high is None:
            return None
        sign = self.gate.sign
        low, high = sorted((sign * difference.low, sign * difference.high))
        return low, high

    @property
    def all_equal(self) -> bool:
        """Whether the change is the same in all seeds."""
        return len(set(self.change.seed_differences)) == 1


def _judge_change(row: _Row) -> GateOutcome:
    """Return the outcome for a change with values on both sides."""
    gate = row.gate
    change = row.change
    assert change.base is not None
    if gate.relative and change.base <= 0:
        return _judge_from_zero(row)
    scale = 100 / change.base if gate.relative else 1.0
    limit = gate.threshold / scale
    interval = row.interval
    reach = _reach(row, limit)
    outcome = GateOutcome(
        gate=gate,
        label=change.label,
        metric=change.metric.title,
        place=change.place,
        status=_status(row, limit),
        why="",
        size=row.size * scale,
        low=None if interval is None else interval[0] * scale,
        high=None if interval is None else interval[1] * scale,
        pairs=row.seeds,
        reach=None if reach is None else reach * scale,
        unit=_unit(gate, change),
        exact=change.exact,
    )
    return replace(outcome, why=_why(outcome, row))


def _judge_from_zero(row: _Row) -> GateOutcome:
    """Return the outcome of a relative gate if base is zero.

    Every change in the gate's direction then exceeds every percentage.
    """
    change = row.change
    status = _status(row, 0.0)
    assert change.base is not None and change.new is not None
    is_zero = change.base == change.new == 0
    why = "still 0" if is_zero else f"from {change.base:g} to {change.new:g}"
    if status == NOT_PROVEN:
        why += f": {_not_proven(row.seeds)}"
    return GateOutcome(
        gate=row.gate,
        label=change.label,
        metric=change.metric.title,
        place=change.place,
        status=status,
        why=why,
        pairs=row.seeds,
        exact=change.exact,
    )


def _status(row: _Row, limit: float) -> Status:
    """Return the status for a threshold in the unit of the metric."""
    if not _is_beyond(row.size, limit):
        return HOLDS
    if row.change.exact or _is_proven(row, limit):
        return FAILED
    return NOT_PROVEN


def _is_beyond(size: float, limit: float) -> bool:
    """Return whether a change exceeds a threshold by more than a rounding error."""
    return size > limit and not isclose(size, limit, rel_tol=1e-12)


def _is_proven(row: _Row, limit: float) -> bool:
    """Return whether the seeds prove a change beyond the threshold.

    If all differences are equal, there is no interval. Then the exact sign-flip test of
    the differences minus the threshold decides: only two of all patterns of signs are
    as extreme as the observed one.
    """
    if row.seeds < LEAST_SEEDS:
        return False
    if row.all_equal:
        p = 2 * 0.5**row.seeds
        return p < ALPHA / row.together
    interval = row.interval
    return interval is not None and _is_beyond(interval[0], limit)


def _reach(row: _Row, limit: float) -> float | None:
    """Return the change that the gate would detect with probability 80 %.

    It is the threshold plus the smallest detectable difference; None if not known.
    """
    if row.change.exact or row.all_equal or row.seeds < LEAST_SEEDS:
        return None
    detectable = row.change.difference.among(row.together).detectable
    return None if detectable is None else limit + detectable


def _unit(gate: Gate, change: MetricChange) -> str:
    if gate.relative:
        return " %"
    return {"points": " points", "seconds": " s"}.get(change.metric.unit, "")


def _why(outcome: GateOutcome, row: _Row) -> str:
    """Return a text with the numbers of an outcome."""
    change = row.change
    is_relative = outcome.gate.relative
    text = f"{outcome.gate.direction} of {outcome.size:.4g}{outcome.unit}"
    if is_relative:
        text += " of base"
    if is_relative and change.metric.unit == "points":
        text += f" ({row.size:.4g} points)"
    if outcome.low is not None and outcome.high is not None:
        rows = f" ({row.together} rows)" if row.together > 1 else ""
        text += f", 95 % interval{rows} [{outcome.low:.4g}, {outcome.high:.4g}]"
    elif not change.exact:
        text += f", no interval: {change.difference.reason}"
        if outcome.status != HOLDS and outcome.pairs >= LEAST_SEEDS:
            text += ", so the exact sign-flip test decides"
    if outcome.status == NOT_PROVEN:
        return f"{text}: {_not_proven(outcome.pairs)}"
    if outcome.status == FAILED:
        return text
    return f"{text}{_reach_in_words(outcome)}"


def _reach_in_words(outcome: GateOutcome) -> str:
    """Return the change that a gate that holds would have detected, as text."""
    if outcome.reach is not None:
        return f"; would detect {outcome.reach:.3g}{outcome.unit} with probability 80 %"
    if not outcome.exact and outcome.pairs < LEAST_SEEDS:
        return (
            f"; fewer than {LEAST_SEEDS} seeds cannot prove a change: use at least four"
        )
    return ""


def _not_proven(pairs: int) -> str:
    plural = "" if pairs == 1 else "s"
    return f"beyond the threshold, but not proven with {pairs} seed{plural}"
