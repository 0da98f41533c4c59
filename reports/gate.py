"""Gates: conditions on changes between two snapshots, such as 'accuracy_drop>0.5%', that fail a build.

A gate fails where the change is beyond its threshold with its whole 95 % interval, paired by seed, so that noise does
not fail it; where several rows of a gate moved, their intervals are so wide that all hold together. Of a count, which
is exact, it fails where the change itself is beyond. It fails, too, where a selector's value or
its runs are lost. Seconds are only judged on one and the same machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archselect.benchmarks.records import UserError, unknown
from archselect.reports.compare import Change
from archselect.reports.snapshot import Snapshot

FORM = "write METRIC_drop>NUMBER or METRIC_increase>NUMBER, such as 'accuracy_drop>0.5%' or 'forwards_increase>10%'"
_GATE = re.compile(r"\s*(\w+)_(drop|increase)\s*>\s*([0-9]*\.?[0-9]+)\s*(%?)\s*")

HOLDS, FAILED, NOT_CHECKED = "holds", "failed", "not checked"


@dataclass(frozen=True)
class Gate:
    """A condition: the text as it was given, the metric it is on, which way it looks, how far is too far.

    `relative`: the threshold is in per cent of base. A per cent of accuracy is a point.
    """

    text: str
    metric: str
    direction: str
    threshold: float
    relative: bool


@dataclass(frozen=True)
class Outcome:
    """What a gate says of one row: holds, failed or not checked, and why in words.

    `reach` is the change from which on the gate would fail in four of five cases, with the seeds and the spread that
    there are, in the threshold's `unit`; None where nothing was checked or, as counts, all is exact.
    """

    gate: Gate
    label: str
    metric: str
    place: str
    status: str
    why: str
    reach: float | None = None
    unit: str = ""


def parse(text: str) -> Gate:
    """The gate of a text. Raises UserError, with the form, if it is none."""
    match = _GATE.fullmatch(text)
    if match is None:
        raise UserError(f"--fail-if {text!r} is no gate: {FORM}")
    metric, direction, number, sign = match.groups()
    if metric.startswith("tau") and sign:
        raise UserError(f"--fail-if {text!r}: τ is a coefficient and has no per cent: write it like 'tau_drop>0.05'")
    return Gate(text.strip(), metric, direction, float(number), bool(sign) and metric != "accuracy")


def judge(gates: Sequence[Gate], found: Sequence[Change], base: Snapshot, new: Snapshot) -> list[Outcome]:
    """What every gate says of every row of its metric ("tau" stands for all rank correlations).

    Raises UserError for a metric that nothing has, and for a gate that could check nothing, seconds on another machine
    apart: a gate that cannot fail is no gate.
    """
    outcomes: list[Outcome] = []
    worse = {label: count for label, count in new.failures.items() if count > base.failures.get(label, 0)}
    for gate in gates:
        rows = [change for change in found if _is_of(gate, change)]
        if not rows:
            raise unknown("metric of --fail-if", gate.metric, {"tau", *(change.metric.name for change in found)})
        moved = sum(change.found.moved and change.comparable for change in rows)
        own = [_outcome(gate, change, worse.get(change.label, 0), max(moved, 1)) for change in rows]
        checked = [outcome for outcome in own if outcome.status != NOT_CHECKED]
        if not checked and not all(change.metric.unit == "seconds" for change in rows):
            raise UserError(f"--fail-if {gate.text!r} could check nothing: {own[0].label}: {own[0].why}")
        outcomes += own
    return outcomes


def _is_of(gate: Gate, change: Change) -> bool:
    name = change.metric.name
    return name == gate.metric or (gate.metric == "tau" and name.startswith("tau_"))


def _outcome(gate: Gate, change: Change, failed: int, rows: int) -> Outcome:
    unit = " %" if gate.relative else " points" if change.metric.unit == "points" else ""

    def outcome(status: str, why: str, reach: float | None = None) -> Outcome:
        return Outcome(gate, change.label, change.metric.title, change.place, status, why, reach, unit)

    if failed:
        return outcome(FAILED, f"{failed} of its runs failed")
    if change.base is not None and change.new is None:
        return outcome(FAILED, "new has no value")
    if change.base is None:
        return outcome(NOT_CHECKED, "base has no value" if change.new is not None else "neither has a value")
    if not change.comparable:
        return outcome(NOT_CHECKED, change.verdict)
    found = change.found.among(rows)
    mean, low, high = found.mean, found.low, found.high
    if change.exact:
        low = high = mean
    if mean is None or low is None or high is None:
        return outcome(NOT_CHECKED, f"{found.reason}: take two seeds or more")
    if gate.direction == "drop":
        mean, low, high = 0.0 - mean, 0.0 - high, 0.0 - low  # not -0.0
    # The whole interval is beyond the threshold as often as it would be beyond zero, were the threshold zero.
    detectable = None if change.exact else found.detectable
    if gate.relative:
        if change.base == 0:
            if mean == 0:
                return outcome(HOLDS, "0 as before")
            return outcome(FAILED if low > 0 else HOLDS, f"from 0 to {change.new:g}")
        mean, low, high = (100 * value / change.base for value in (mean, low, high))
        detectable = None if detectable is None else 100 * detectable / change.base
    reach = None if detectable is None else gate.threshold + detectable
    together = f" ({rows} together)" if rows > 1 else ""
    bounds = "" if low == high else f", 95 % interval{together} [{low:.4g}, {high:.4g}]"
    said = f"{gate.direction} of {mean:.4g}{unit}{bounds}"
    if reach is not None:
        said += f"; would fail in four of five cases from {reach:.3g}{unit} on"
    return outcome(FAILED if low > gate.threshold else HOLDS, said, reach)
