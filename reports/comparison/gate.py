"""Gates: conditions on changes between two snapshots, such as 'accuracy_drop>0.5pt', that fail a build.

A gate has a row for every selector, metric and place of base or new. A row holds where
the mean change is not beyond the threshold. It fails where the whole 95 % interval,
paired by seed, is beyond; in between it is not proven. Where several rows of a gate
moved, their intervals are so wide that all hold together. A count is exact: its change
is beyond or not. A row fails, too, where runs failed or are not finished, where a value
is lost, and where base and new cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isclose, isfinite

from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.reports.comparison.compare import Change
from archselect.reports.comparison.snapshot import Runs, Snapshot
from archselect.reports.results.metrics import COUNTS
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.paired import ALPHA

FORM = (
    "write METRIC_drop>NUMBER or METRIC_increase>NUMBER, such as 'accuracy_drop>0.5pt' (points), "
    "'forwards_increase>10%' (of base) or 'tau_drop>0.05'"
)
_GATE = re.compile(r"\s*(\w+)_(drop|increase)\s*>\s*(\S*?)\s*(%|pt)?\s*", re.ASCII)
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

HOLDS, FAILED, NOT_PROVEN, NOT_CHECKED = "holds", "failed", "not proven", "not checked"
NOWHERE = "no value in base or new"
"""Why a row is not checked that never had a value, such as τ of a selector that ranks
nothing.
"""
WHOLE_STUDY = "the study"
"""The selector of the row that stands for runs of which the selector is not known."""


@dataclass(frozen=True)
class Gate:
    """A condition: the text as it was given, the metric it is on, which way it looks, how far is too far.

    `relative`: the threshold is in per cent of the mean of base. Else it is in points
    of accuracy, or in the unit of the metric itself.
    """

    text: str
    metric: str
    direction: str
    threshold: float
    relative: bool

    @property
    def sign(self) -> int:
        """What turns new minus base into a change in the gate's direction."""
        return -1 if self.direction == "drop" else 1

    def is_on(self, metric: str) -> bool:
        """Whether the gate is on a metric; "tau" stands for all rank correlations."""
        return metric == self.metric or (
            self.metric == "tau" and metric.startswith("tau_")
        )


@dataclass(frozen=True)
class Outcome:
    """What a gate says of one row.

    Attributes:
        gate, label, metric, place: which gate and which row; the title of the metric.
        status: holds, failed, not proven or not checked; `why` in words.
        size: the change in the gate's direction and `unit`; None where nothing was
            compared.
        low, high: its 95 % interval among all rows of the gate; None without one, as
            for counts.
        pairs: how many seeds were compared.
        reach: the change from which on the gate would fail in four of five cases, with
            these seeds and this spread. None where it is exact or not known.
        unit: " points", " %" (of base), " s" or empty.
        exact: whether it is a count, of which every change is real.
    """

    gate: Gate
    label: str
    metric: str
    place: str
    status: str
    why: str
    size: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    reach: float | None = None
    unit: str = ""
    exact: bool = False


def parse(text: str) -> Gate:
    """Return the gate of a text.

    Raises UserError, with what to write, if it is none, the unit is not one of the
    metric, or the gate can never fail.
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise _bad(text, f"is no gate: {FORM}")
    metric, direction, number, sign = match.groups()
    gate = Gate(text.strip(), metric, direction, _threshold(text, number), sign == "%")
    _check_unit(gate, number, sign)
    _check_reachable(gate)
    return gate


def parse_all(texts: Sequence[str]) -> list[Gate]:
    """Return the gates of some texts.

    Raises UserError, with all faults, where :func:`parse` does, and for a gate that
    comes twice.
    """
    faults = Faults()
    gates: list[Gate] = []
    conditions = set()
    for text in texts:
        with faults.collect():
            gate = parse(text)
            condition = (gate.metric, gate.direction, gate.threshold, gate.relative)
            if condition in conditions:
                raise _bad(text, "comes twice: remove one of them")
            conditions.add(condition)
            gates.append(gate)
    faults.raise_any()
    return gates


def judge(
    gates: Sequence[Gate], changes: Sequence[Change], base: Snapshot, new: Snapshot
) -> list[Outcome]:
    """Return what every gate says of each of its rows.

    Rows are the changes of the gate's metric, the searches of selectors that have runs
    in base or new and no such change, selectors without any run, and the study where
    runs of new are not finished.

    Raises UserError for a metric that neither has, and for a gate of which base has no
    value to compare with: a gate that cannot fail is no gate.
    """
    outcomes: list[Outcome] = []
    for gate in gates:
        rows = [change for change in changes if gate.is_on(change.metric.name)]
        if not rows:
            raise _unknown_metric(gate, changes)
        together = max(1, sum(any(change.differences) for change in rows))
        judged = [_outcome(gate, change, base, new, together) for change in rows]
        judged += _without_values(gate, rows, base, new)
        if all(outcome.status == NOT_CHECKED for outcome in judged):
            first = judged[0]
            raise _bad(
                gate.text,
                f"could check nothing: {first.label}, {first.metric}: {first.why}; make base anew, or remove the gate",
            )
        outcomes += judged
    return outcomes


def _bad(text: str, why: str) -> UserError:
    return UserError(f"--fail-if {text!r} {why}")


def _threshold(text: str, number: str) -> float:
    """Return the number of a gate."""
    if number.startswith("-"):
        raise _bad(
            text,
            "has a threshold below zero: turn 'drop' into 'increase', or the other way round",
        )
    if _NOT_FINITE.fullmatch(number):
        raise _bad(text, "has no finite threshold: write a number")
    if not _NUMBER.fullmatch(number):
        raise _bad(text, f"is no gate: {FORM}")
    if not isfinite(float(number)):
        raise _bad(text, "has no finite threshold: write a smaller number")
    return float(number)


def _check_unit(gate: Gate, number: str, sign: str | None) -> None:
    """Raise UserError for a unit that the metric has not, or that is missing."""
    head = f"{gate.metric}_{gate.direction}>{number}"
    if gate.metric == "accuracy" and sign is None:
        raise _bad(
            gate.text,
            f"has no unit: write '{head}pt' for points of accuracy, or '{head}%' for per cent of base",
        )
    if _is_tau(gate.metric) and sign is not None:
        raise _bad(
            gate.text,
            "has a unit, and τ is a coefficient without one: write it like 'tau_drop>0.05'",
        )
    if (_is_count(gate.metric) or _is_time(gate.metric)) and sign == "pt":
        raise _bad(
            gate.text,
            f"is in points, which are of accuracy: write '{head}' for a number, or '{head}%' of base",
        )


def _check_reachable(gate: Gate) -> None:
    """Raise UserError for a threshold that no change can be beyond."""
    most = None
    if gate.relative and gate.direction == "drop":
        most, reason = 100.0, "nothing drops by more than 100 % of base"
    elif gate.metric == "accuracy" and not gate.relative:
        most, reason = 100.0, "accuracies are between 0 and 100 points"
    elif _is_tau(gate.metric):
        most, reason = 2.0, "τ is between -1 and 1"
    if most is not None and gate.threshold >= most:
        raise _bad(gate.text, f"can never fail, for {reason}: lower the threshold")


def _is_tau(metric: str) -> bool:
    return metric == "tau" or metric.startswith("tau_")


def _is_count(metric: str) -> bool:
    return metric in COUNTS or metric.endswith(tuple(f"_{count}" for count in COUNTS))


def _is_time(metric: str) -> bool:
    return metric == "seconds" or metric.endswith("_seconds")


def _unknown_metric(gate: Gate, changes: Sequence[Change]) -> UserError:
    """Return the error of a gate without rows."""
    known = {change.metric.name for change in changes}
    if gate.metric == "tau":
        return _bad(
            gate.text,
            f"could check nothing: no selector has a rank correlation; there are {_listed(known)}",
        )
    if any(map(_is_tau, known)):
        known.add("tau")
    return unknown("metric of --fail-if", gate.metric, known)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _outcome(
    gate: Gate, change: Change, base: Snapshot, new: Snapshot, together: int
) -> Outcome:
    """Return what a gate says of one change, of `together` that are looked at together."""
    lost = _lost(change, base, new)
    if lost is None:
        return _compared(gate, change, together)
    status, why = lost
    return Outcome(gate, change.label, change.metric.title, change.place, status, why)


def _lost(change: Change, base: Snapshot, new: Snapshot) -> tuple[str, str] | None:
    """Return the status of a change that cannot be judged, and why; None for one that can."""
    if failed := _failed(change.label, change.search, base, new):
        return FAILED, failed
    if change.base is None and change.new is None:
        return _nowhere(change.label, change.search, base, new)
    if change.new is None and change.reason:
        return FAILED, f"undefined in new: {change.reason}"
    if change.new is None:
        return FAILED, _vanished(change.label, change.search, base, new)
    if change.base is None:
        there = change.label in base.labels
        return (
            NOT_CHECKED,
            f"{'base has no value' if there else 'not in base'}: nothing to compare",
        )
    if not change.comparable:
        return FAILED, change.verdict
    if change.lost:
        seeds = f"seed{'s' * (len(change.lost) > 1)} {', '.join(map(str, change.lost))}"
        return (
            FAILED,
            f"new has no value of {seeds}, which base has: run them, or make base anew without them",
        )
    return None


def _failed(label: str, search: str, base: Snapshot, new: Snapshot) -> str:
    """Return in words which runs failed in new and not in base; empty if there are none."""
    before = base.runs_of(label, search)
    after = new.runs_of(label, search)
    failed = [seeds for seeds in after.failed if seeds not in before.failed]
    if not failed:
        return ""
    if not after.finished:
        return _all_failed(after)
    return f"{len(failed)} of {len(after.failed) + after.finished} runs failed in new and not in base"


def _all_failed(runs: Runs) -> str:
    count = len(runs.failed)
    return (
        "its only run failed in new"
        if count == 1
        else f"all {count} runs failed in new"
    )


def _vanished(label: str, search: str, base: Snapshot, new: Snapshot) -> str:
    """Return in words why new has no value where base has one, or had runs."""
    if label not in new.labels:
        return "vanished: in base, and not in new"
    runs = new.runs_of(label, search)
    if runs.finished:
        return "vanished: base has a value, new has none"
    if runs.failed:
        return _all_failed(runs)
    return (
        "no run is finished in new"
        if new.unfinished
        else "vanished: no such run in new"
    )


def _nowhere(label: str, search: str, base: Snapshot, new: Snapshot) -> tuple[str, str]:
    """Return the status of a selector without a value in either, and why."""
    after = new.runs_of(label, search)
    if after.finished:
        return NOT_CHECKED, NOWHERE
    if after.failed:
        return FAILED, f"{NOWHERE}: {_all_failed(after)}"
    return FAILED, _vanished(label, search, base, new)


def _without_values(
    gate: Gate, rows: Sequence[Change], base: Snapshot, new: Snapshot
) -> Iterator[Outcome]:
    """Yield the rows of a gate that no change stands for."""
    there = {(change.label, change.search) for change in rows}
    searches = dict.fromkeys(
        (runs.label, runs.search) for runs in (*new.runs, *base.runs)
    )
    for label, search in searches:
        if (label, search) in there:
            continue
        failed = _failed(label, search, base, new)
        status, why = (FAILED, failed) if failed else _nowhere(label, search, base, new)
        yield Outcome(gate, label, gate.metric, search, status, why)
    with_rows = {label for label, _ in (*there, *searches)}
    for label in dict.fromkeys((*new.labels, *base.labels)):
        if label not in with_rows:
            yield Outcome(
                gate, label, gate.metric, "", FAILED, _vanished(label, "", base, new)
            )
    if new.unfinished:
        why = f"{new.unfinished} of its runs are not finished in new: run '{new.command}' again"
        yield Outcome(gate, WHOLE_STUDY, gate.metric, "", FAILED, why)


def _compared(gate: Gate, change: Change, together: int) -> Outcome:
    """Return what a gate says of a change that has values on both sides."""
    assert (
        change.base is not None
        and change.new is not None
        and change.found.mean is not None
    )
    if gate.relative and change.base <= 0:
        return _from_zero(gate, change, together)
    scale = 100 / change.base if gate.relative else 1.0
    limit = gate.threshold / scale
    status = _status(gate, change, limit, together)
    low, high = _interval(gate, change, together)
    reach = _reach(change, limit, together)
    size = 0.0 + gate.sign * change.found.mean * scale
    unit = _unit(gate, change)
    outcome = Outcome(
        gate=gate,
        label=change.label,
        metric=change.metric.title,
        place=change.place,
        status=status,
        why="",
        size=size,
        low=None if low is None else low * scale,
        high=None if high is None else high * scale,
        pairs=len(change.differences),
        reach=None if reach is None else reach * scale,
        unit=unit,
        exact=change.exact,
    )
    return _with_words(outcome, change, together)


def _from_zero(gate: Gate, change: Change, together: int) -> Outcome:
    """Return what a relative gate says where base is zero: every change in its direction is beyond every per cent."""
    assert change.base is not None and change.new is not None
    status = _status(gate, change, 0.0, together)
    why = (
        "0 as before"
        if change.base == change.new == 0
        else f"from {change.base:g} to {change.new:g}"
    )
    if status == NOT_PROVEN:
        why += f": {_not_proven(len(change.differences))}"
    return Outcome(
        gate=gate,
        label=change.label,
        metric=change.metric.title,
        place=change.place,
        status=status,
        why=why,
        pairs=len(change.differences),
        exact=change.exact,
    )


def _status(gate: Gate, change: Change, limit: float, together: int) -> str:
    """Return holds, failed or not proven, for a threshold in the unit of the metric."""
    assert change.found.mean is not None
    if not _is_beyond(gate.sign * change.found.mean, limit):
        return HOLDS
    if change.exact or _is_proven(gate, change, limit, together):
        return FAILED
    return NOT_PROVEN


def _is_beyond(size: float, limit: float) -> bool:
    """Whether a change is beyond a threshold by more than rounding."""
    return size > limit and not isclose(size, limit, rel_tol=1e-12)


def _is_proven(gate: Gate, change: Change, limit: float, together: int) -> bool:
    """Whether the seeds prove a change that is beyond the threshold.

    Where all differences are equal there is no interval. There the exact sign-flip test
    of the differences minus the threshold decides: of all patterns of signs only two
    are as far off as what was seen.
    """
    pairs = len(change.differences)
    if pairs < LEAST_SEEDS:
        return False
    if _all_equal(change):
        return 2 * 0.5**pairs < ALPHA / together
    low, _ = _interval(gate, change, together)
    return low is not None and _is_beyond(low, limit)


def _all_equal(change: Change) -> bool:
    return len(set(change.differences)) == 1


def _interval(
    gate: Gate, change: Change, together: int
) -> tuple[float | None, float | None]:
    """Return the interval of a change in the gate's direction; None where there is none."""
    found = change.found.among(together)
    if change.exact or _all_equal(change) or found.low is None or found.high is None:
        return None, None
    low, high = sorted((gate.sign * found.low, gate.sign * found.high))
    return low, high


def _reach(change: Change, limit: float, together: int) -> float | None:
    """Return the change that would be found beyond the threshold in four of five cases; None where it is not known.

    The whole interval is beyond the threshold as often as it would be beyond zero, were
    the threshold zero.
    """
    if change.exact or _all_equal(change) or len(change.differences) < LEAST_SEEDS:
        return None
    detectable = change.found.among(together).detectable
    return None if detectable is None else limit + detectable


def _unit(gate: Gate, change: Change) -> str:
    if gate.relative:
        return " %"
    return {"points": " points", "seconds": " s"}.get(change.metric.unit, "")


def _with_words(outcome: Outcome, change: Change, together: int) -> Outcome:
    """Return the outcome with its numbers in words."""
    assert change.found.mean is not None
    said = f"{outcome.gate.direction} of {outcome.size:.4g}{outcome.unit}"
    if outcome.gate.relative:
        said += " of base"
    if outcome.gate.relative and change.metric.unit == "points":
        said += f" ({0.0 + outcome.gate.sign * change.found.mean:.4g} points)"
    if outcome.low is not None and outcome.high is not None:
        rows = f" ({together} together)" if together > 1 else ""
        said += f", 95 % interval{rows} [{outcome.low:.4g}, {outcome.high:.4g}]"
    elif not change.exact:
        said += f", no interval: {change.found.reason}"
        if outcome.status != HOLDS and outcome.pairs >= LEAST_SEEDS:
            said += ", so the exact sign-flip test decides"
    if outcome.status == NOT_PROVEN:
        return replace(outcome, why=f"{said}: {_not_proven(outcome.pairs)}")
    if outcome.status == FAILED:
        return replace(outcome, why=said)
    if outcome.reach is not None:
        said += f"; would fail in four of five cases from {outcome.reach:.3g}{outcome.unit} on"
    elif not change.exact and outcome.pairs < LEAST_SEEDS:
        said += f"; fewer than {LEAST_SEEDS} seeds prove no change: take four or more"
    return replace(outcome, why=said)


def _not_proven(pairs: int) -> str:
    return f"beyond the threshold, not proven with {pairs} seed{'s' * (pairs != 1)}"
