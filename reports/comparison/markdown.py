"""Export of a comparison as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archselect.reports.comparison.compare import (
    NOT_COMPARABLE,
    MetricChange,
    differing_settings,
)
from archselect.reports.comparison.comparison import Comparison
from archselect.reports.comparison.outcomes import (
    FAILED,
    HOLDS,
    NOT_CHECKED,
    NOT_PROVEN,
    NOWHERE,
    GateOutcome,
    Status,
)
from archselect.reports.escaping import code, markdown
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.tables.differences import interval, p_value
from archselect.reports.tables.table import NONE

SUMMARY_LIMIT = 1_000_000
"""Most bytes of a GitHub step summary; GitHub drops one of more than 1 MiB."""

VERDICTS = ("worse", "better", "no evidence", "undefined", NOT_COMPARABLE)
_MARKS = {"better": "✅ better", "worse": "❌ worse"}
_DIGITS = {"points": 2, "coefficient": 3, "count": 0, "seconds": 2}
"""Decimals of a metric, by unit."""
_LEGEND = (
    "Change: new minus base, paired by supernet seed, with Student's interval. Verdicts are at 5 %, Holm-adjusted "
    "over "
    "the rows of a metric in which a seed changed; intervals match the verdicts. Counts are exact: any change is "
    "real. "
    "A gate fails if the whole interval exceeds its threshold (intervals of the gate's changed rows hold "
    "simultaneously); if all differences are equal, the exact sign-flip test decides. A gate also fails if a value "
    "or a "
    "run is lost. ⚠: the mean exceeds the threshold, but the interval includes it."
)


def to_markdown(comparison: Comparison) -> str:
    """Return a comparison as Markdown: verdicts, gates, changes, differing settings."""
    base = comparison.base
    new = comparison.new
    lines = [f"## archselect: {markdown(new.title)}", "", _headline(comparison), ""]
    if comparison.outcomes:
        lines += [
            "| Gate | Result | Selector | Metric, where | |",
            "|---|---|---|---|---|",
            *_gate_lines(comparison),
            "",
        ]
    shown = [
        change
        for change in comparison.changes
        if _is_shown(change, comparison.outcomes)
    ]
    if shown:
        lines += [
            "| Selector | Metric | Where | Base | New | Change, 95 % interval | p (Holm) | Verdict |",
            "|---|---|---|--:|--:|--:|--:|---|",
            *map(_change_line, shown),
            "",
        ]
    hidden = len(comparison.changes) - len(shown)
    if hidden:
        lines += [
            f"{hidden} costs are left out: they did not change, or they have no gate and are not comparable.",
            "",
        ]
    lines.append(f"* Base: {code(base.command)}; new: {code(new.command)}.")
    lines += [f"* {markdown(note)}" for note in notes(comparison)]
    lines += ["", _LEGEND]
    return "\n".join(lines) + "\n"


def cut_to_bytes(text: str, limit: int) -> str:
    """Return a text, or its first lines that fit into `limit` bytes.

    A last line then gives the number of lines left out. The result is empty if no line
    fits.
    """
    if len(text.encode()) <= limit:
        return text
    room = limit - 100
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode())
        if room < 0:
            break
        kept.append(line)
    if not kept:
        return ""
    return "".join(kept) + f"\n… and {len(lines) - len(kept):,} more lines.\n"


# Notes


def notes(comparison: Comparison) -> list[str]:
    """Return notes on seeds, failed runs, unfinished runs and differing settings."""
    base = comparison.base
    new = comparison.new
    sentences = []
    if base.name != new.name:
        sentences.append(
            f"The studies have different names: {base.name} and {new.name}."
        )
    sentences += _seeds_on_one_side(comparison)
    for name, snapshot in (("base", base), ("new", new)):
        for label, count in sorted(snapshot.failures.items()):
            sentences.append(f"{_runs(count)} of {label} failed in {name}.")
        if snapshot.unfinished:
            verb = "is" if snapshot.unfinished == 1 else "are"
            runs = _runs(snapshot.unfinished)
            sentences.append(f"{runs} of {name} {verb} not finished.")
    differences = differing_settings(base, new)
    if differences:
        sentences.append(f"Settings that differ: {'; '.join(differences)}.")
    return sentences


def _seeds_on_one_side(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence per selector with seeds that only base or only new has."""
    lost: dict[str, tuple[int, ...]] = {}
    gained: dict[str, tuple[int, ...]] = {}
    for change in comparison.changes:
        if change.base is None or change.new is None:
            continue
        if change.lost:
            lost[change.label] = change.lost
        if change.gained:
            gained[change.label] = change.gained
    for name, seeds_of in (("base", lost), ("new", gained)):
        for label, seeds in seeds_of.items():
            which = ", ".join(map(str, seeds))
            if len(seeds) > 1:
                yield f"{label}: seeds {which} are in {name} only."
            else:
                yield f"{label}: seed {which} is in {name} only."


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


# The headline


def _headline(comparison: Comparison) -> str:
    verdicts = Counter(
        change.verdict.partition(":")[0]
        for change in comparison.changes
        if _has_verdict(change)
    )
    counts = [f"{verdicts[name]} {name}" for name in VERDICTS if verdicts[name]]
    listed = ", ".join(counts) or "nothing to compare"
    quality = f"Accuracies and correlations: {listed}."
    if not comparison.outcomes:
        return quality
    return " ".join([*_gate_sentences(comparison), quality])


def _gate_sentences(comparison: Comparison) -> Iterator[str]:
    """Yield the headline's sentences on the gates, worst first."""
    gates = comparison.gates
    failed = comparison.failed_gates
    not_proven = comparison.outcomes_with(NOT_PROVEN)
    if failed:
        strict = " (`--strict`)" if comparison.strict and not_proven else ""
        count = f"{len(failed)} of {len(gates)} gates"
        yield f"❌ **{count} failed**{strict}: {_as_code(failed)}."
    if not_proven:
        rows = "1 row is" if len(not_proven) == 1 else f"{len(not_proven)} rows are"
        seeds = _seeds(not_proven)
        open_gates = _as_code(comparison.gates_with(NOT_PROVEN))
        yield f"⚠ **{rows} beyond the threshold, but not proven with {seeds}**: {open_gates}."
    if not failed and not not_proven:
        what = "The gate holds" if len(gates) == 1 else f"All {len(gates)} gates hold"
        yield f"✅ **{what}.**"
    unchecked = dict.fromkeys(
        f"{outcome.label} ({outcome.why})"
        for outcome in comparison.outcomes_with(NOT_CHECKED)
        if outcome.why != NOWHERE
    )
    if unchecked:
        yield f"Not checked: {markdown('; '.join(unchecked))}."


def _seeds(outcomes: Sequence[GateOutcome]) -> str:
    """Return the number of seeds behind these rows, as text."""
    pairs = sorted({outcome.pairs for outcome in outcomes})
    if len(pairs) > 1:
        return f"{pairs[0]} to {pairs[-1]} seeds"
    return "1 seed" if pairs[0] == 1 else f"{pairs[0]} seeds"


def _as_code(gates: Sequence[str]) -> str:
    return ", ".join(code(text) for text in gates)


# Changes


def _has_verdict(change: MetricChange) -> bool:
    return change.metric.unit in ("points", "coefficient")


def _is_shown(change: MetricChange, outcomes: Sequence[GateOutcome]) -> bool:
    """Return whether the table lists a change.

    It lists all accuracies and correlations, and costs that changed or have a gate.
    """
    if _has_verdict(change):
        return True
    if change.exact and change.comparable and change.verdict != "no evidence":
        return True
    row = (change.label, change.place, change.metric.name)
    return any(
        row == (outcome.label, outcome.place, outcome.gate.metric)
        for outcome in outcomes
    )


def _change_line(change: MetricChange) -> str:
    digits = _DIGITS[change.metric.unit]
    cells = (
        change.label,
        change.metric.title,
        change.place,
        _number(change.base, digits),
        _number(change.new, digits),
        _change_in_words(change, digits),
        p_value(change.p),
        _MARKS.get(change.verdict, change.verdict),
    )
    return f"| {' | '.join(map(markdown, cells))} |"


def _change_in_words(change: MetricChange, digits: int) -> str:
    """Return new minus base as text, with its interval if there is one."""
    if not change.comparable:
        return NONE
    difference = change.difference
    moved = _number(difference.mean, digits, sign="+")
    if change.exact or difference.low is None:
        return moved
    return f"{moved} {interval(difference.low, difference.high, digits)}"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return NONE if value is None else f"{value:{sign},.{digits}f}"


# Gates


class _GateLine(NamedTuple):
    """A row of the table of gates."""

    gate: str
    result: str
    selector: str
    where: str
    why: str


def _gate_lines(comparison: Comparison) -> list[str]:
    """Return a line per outcome that does not hold, worst first, for every gate.

    The outcomes of a gate that hold share one line.
    """
    rows: list[_GateLine] = []
    for gate in comparison.gates:
        outcomes = [
            outcome for outcome in comparison.outcomes if outcome.gate.text == gate
        ]
        rows += _faults(gate, outcomes, comparison.strict)
        holding = [outcome for outcome in outcomes if outcome.status == HOLDS]
        if holding:
            why = f"in {len(holding)} of {len(outcomes)} rows{_reach(holding)}"
            rows.append(_GateLine(gate, "✅ holds", "", "", why))
    return [
        f"| {code(row.gate)} | {' | '.join(map(markdown, row[1:]))} |" for row in rows
    ]


def _faults(
    gate: str, outcomes: Sequence[GateOutcome], strict: bool
) -> Iterator[_GateLine]:
    """Yield the rows of a gate that do not hold, worst first."""
    not_proven = "❌ ⚠ not proven" if strict else "⚠ not proven"
    results: dict[Status, str] = {
        FAILED: "❌ failed",
        NOT_PROVEN: not_proven,
        NOT_CHECKED: "not checked",
    }
    for status, result in results.items():
        for outcome in outcomes:
            if outcome.status == status:
                where = ", ".join(filter(None, (outcome.metric, outcome.place)))
                yield _GateLine(gate, result, outcome.label, where, outcome.why)


def _reach(holding: Sequence[GateOutcome]) -> str:
    """Return the change from which a gate that holds would probably have failed.

    It is that of the row with the least power.
    """
    blind = [
        outcome
        for outcome in holding
        if 0 < outcome.pairs < LEAST_SEEDS and not outcome.exact
    ]
    if blind:
        return f"; {_seeds(blind)} cannot prove a change ({blind[0].label}): use at least four"
    known = [outcome for outcome in holding if outcome.reach is not None]
    if not known:
        return ""
    least = max(known, key=lambda outcome: outcome.reach or 0.0)
    return f"; would detect {least.reach:.3g}{least.unit} with probability 80 % ({least.label})"
