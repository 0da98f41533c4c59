"""What a comparison says, in the forms that people, programs and build servers read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from pydantic_core import to_json as as_json

from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.comparison.compare import (
    NOT_COMPARABLE,
    Change,
    changes,
    differing,
)
from archselect.reports.comparison.gate import (
    FAILED,
    HOLDS,
    NOT_CHECKED,
    NOT_PROVEN,
    NOWHERE,
    Gate,
    Outcome,
    judge,
)
from archselect.reports.comparison.snapshot import Snapshot
from archselect.reports.escaping import code, markdown
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.tables.differences import interval, p_value
from archselect.reports.tables.table import NONE

SUMMARY_LIMIT = 1_000_000
"""Bytes of a step's summary; GitHub takes 1 MiB and drops what is longer."""

VERDICTS = ("worse", "better", "no evidence", "undefined", NOT_COMPARABLE)
_MARKS = {"better": "✅ better", "worse": "❌ worse"}


@dataclass(frozen=True)
class Comparison:
    """Two snapshots, what changed between them, and what the gates say of that.

    `strict`: a change that is beyond its threshold and not proven fails, too.
    """

    base: Snapshot
    new: Snapshot
    changes: tuple[Change, ...]
    outcomes: tuple[Outcome, ...]
    strict: bool = False

    @property
    def failed(self) -> bool:
        """Whether a gate failed."""
        return any(map(self.fails, self.outcomes))

    def fails(self, outcome: Outcome) -> bool:
        """Return whether one of the outcomes fails the build."""
        return outcome.status == FAILED or (
            self.strict and outcome.status == NOT_PROVEN
        )

    def gates_with(self, *statuses: str) -> list[str]:
        """Return the texts of the gates that have an outcome of one of these statuses, in order."""
        return list(
            dict.fromkeys(o.gate.text for o in self.outcomes if o.status in statuses)
        )


def compare_snapshots(
    base: Snapshot, new: Snapshot, gates: Sequence[Gate] = (), strict: bool = False
) -> Comparison:
    """Return the comparison. Raises UserError where :func:`.gate.judge` does."""
    every = changes(base, new)
    return Comparison(
        base, new, tuple(every), tuple(judge(gates, every, base, new)), strict
    )


def to_markdown(comparison: Comparison) -> str:
    """The verdict in one line, then what changed, the gates, and what differs in what was run."""
    new = comparison.new
    lines = [f"## archselect: {markdown(new.title)}", "", _headline(comparison), ""]
    if comparison.outcomes:
        lines += [
            "| Gate | Result | Selector | Metric, where | |",
            "|---|---|---|---|---|",
            *_gates(comparison),
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
            *map(_row, shown),
            "",
        ]
    hidden = len(comparison.changes) - len(shown)
    if hidden:
        lines += [
            f"{hidden} costs that did not change, or that have no gate and do not compare, are left out.",
            "",
        ]
    lines.append(f"* Base: {code(comparison.base.command)}; new: {code(new.command)}.")
    lines += [f"* {markdown(note)}" for note in notes(comparison)]
    lines += [
        "",
        "Change: new minus base, paired by supernet seed, with Student's interval. Verdicts are at 5 % after Holm's "
        "adjustment over the rows of a metric in which a seed moved; intervals are as wide as that asks. Counts are "
        "exact: any change is real. A gate fails where the whole interval is beyond it, the intervals of its rows that "
        "moved being so wide that all hold together; where all differences are equal, by the exact sign-flip test; and "
        "where a value or a run is lost. ⚠ is a mean beyond it with an interval that reaches back.",
    ]
    return "\n".join(lines) + "\n"


def notes(comparison: Comparison) -> list[str]:
    """In words, what else a reader has to know: what was lost, which settings differ."""
    base, new = comparison.base, comparison.new
    said = []
    if base.name != new.name:
        said.append(f"The studies have different names: {base.name} and {new.name}.")
    both = [
        change
        for change in comparison.changes
        if change.base is not None and change.new is not None
    ]
    lost = {change.label: change.lost for change in both if change.lost}
    gained = {change.label: change.gained for change in both if change.gained}
    for name, seeds_of in (("base", lost), ("new", gained)):
        for label, seeds in seeds_of.items():
            which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
            said.append(
                f"{label}: {which} {'are' if len(seeds) > 1 else 'is'} in {name} only."
            )
    for name, snapshot in (("base", base), ("new", new)):
        said += [
            f"{_runs(count)} of {label} failed in {name}."
            for label, count in sorted(snapshot.failures.items())
        ]
        if snapshot.unfinished:
            are = "is" if snapshot.unfinished == 1 else "are"
            said.append(f"{_runs(snapshot.unfinished)} of {name} {are} not finished.")
    differences = differing(base, new)
    if differences:
        said.append(f"Settings that differ: {'; '.join(differences)}.")
    return said


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def to_json(comparison: Comparison) -> str:
    """All of it, numbers in full."""

    def change(own: Change) -> dict[str, object]:
        return {
            "metric": own.metric.name,
            "unit": own.metric.unit,
            "better": own.metric.better,
            "selector": own.label,
            "place": own.place,
            "base": own.base,
            "new": own.new,
            "change": own.found.mean,
            "p_holm": own.p,
            **own.found.numbers(),
            "verdict": own.verdict,
            "seeds_lost": list(own.lost),
        }

    content = {
        "base": {"name": comparison.base.name, "command": comparison.base.command},
        "new": {"name": comparison.new.name, "command": comparison.new.command},
        "failed": comparison.failed,
        "strict": comparison.strict,
        "gates": [
            {
                "gate": o.gate.text,
                "selector": o.label,
                "metric": o.metric,
                "place": o.place,
                "status": o.status,
                "why": o.why,
                "threshold": o.gate.threshold,
                "unit": o.unit.strip(),
                "size": o.size,
                "low": o.low,
                "high": o.high,
                "pairs": o.pairs,
                "reach": o.reach,
            }
            for o in comparison.outcomes
        ],
        "changes": [change(own) for own in comparison.changes],
        "settings_that_differ": differing(comparison.base, comparison.new),
    }
    return as_json(content, indent=1, inf_nan_mode="strings").decode() + "\n"


def to_junit(comparison: Comparison) -> str:
    """Return one test case per gate and row, in the XML that build servers read.

    A row that is not proven is a failure if the comparison is strict. Else it is
    skipped: build servers show that apart from what passed, and they seldom show the
    output of what passed.
    """
    failures = sum(map(comparison.fails, comparison.outcomes))
    counts = Counter(outcome.status for outcome in comparison.outcomes)
    suite = ElementTree.Element(
        "testsuite",
        name="archselect compare",
        tests=str(len(comparison.outcomes)),
        failures=str(failures),
        errors="0",
        skipped=str(len(comparison.outcomes) - failures - counts[HOLDS]),
    )
    for outcome in comparison.outcomes:
        parts = (outcome.label, outcome.metric, outcome.place)
        name = one_line(", ".join(filter(None, parts)))
        case = ElementTree.SubElement(
            suite, "testcase", classname=one_line(outcome.gate.text), name=name
        )
        why = one_line(
            f"⚠ {outcome.why}" if outcome.status == NOT_PROVEN else outcome.why
        )
        if comparison.fails(outcome):
            ElementTree.SubElement(case, "failure", message=why)
        elif outcome.status != HOLDS:
            ElementTree.SubElement(case, "skipped", message=why)
        if outcome.status in (HOLDS, NOT_PROVEN):
            ElementTree.SubElement(case, "system-out").text = why
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def within(text: str, limit: int) -> str:
    """The text, or as many of its first lines as fit into `limit` bytes, and how many do not; "" if none fits."""
    if len(text.encode()) <= limit:
        return text
    lines, kept, size = text.splitlines(keepends=True), 0, 0
    room = limit - 100
    while kept < len(lines) and size + len(lines[kept].encode()) <= room:
        size += len(lines[kept].encode())
        kept += 1
    return (
        "".join(lines[:kept]) + f"\n… and {len(lines) - kept:,} more lines.\n"
        if kept
        else ""
    )


def _headline(comparison: Comparison) -> str:
    verdicts = Counter(
        c.verdict.partition(":")[0] for c in comparison.changes if _has_verdict(c)
    )
    counted = ", ".join(
        f"{verdicts[name]} {name}" for name in VERDICTS if verdicts[name]
    )
    quality = f"Accuracies and correlations: {counted or 'nothing to compare'}."
    if not comparison.outcomes:
        return quality
    return " ".join([*_of_gates(comparison), quality])


def _of_gates(comparison: Comparison) -> list[str]:
    """Return what the headline says of the gates, the worst first."""
    gates = list(dict.fromkeys(outcome.gate.text for outcome in comparison.outcomes))
    failed = list(
        dict.fromkeys(o.gate.text for o in comparison.outcomes if comparison.fails(o))
    )
    open_ = [o for o in comparison.outcomes if o.status == NOT_PROVEN]
    sentences = []
    if failed:
        strict = "" if not (comparison.strict and open_) else " (`--strict`)"
        sentences.append(
            f"❌ **{_many(len(failed), len(gates))} failed**{strict}: {_quoted(failed)}."
        )
    if open_:
        beyond = (
            f"{_rows(len(open_))} beyond the threshold, not proven with {_seeds(open_)}"
        )
        sentences.append(
            f"⚠ **{beyond}**: {_quoted(comparison.gates_with(NOT_PROVEN))}."
        )
    if not failed and not open_:
        sentences.append(
            f"✅ **{'The gate holds' if len(gates) == 1 else f'All {len(gates)} gates hold'}.**"
        )
    unknown = [
        o for o in comparison.outcomes if o.status == NOT_CHECKED and o.why != NOWHERE
    ]
    unchecked = list(dict.fromkeys(f"{o.label} ({o.why})" for o in unknown))
    if unchecked:
        sentences.append(f"Not checked: {markdown('; '.join(unchecked))}.")
    return sentences


def _many(count: int, of: int) -> str:
    return f"{count} of {of} gates"


def _rows(count: int) -> str:
    return f"{count} row{'s are' if count > 1 else ' is'}"


def _seeds(outcomes: Sequence[Outcome]) -> str:
    """Return with how many seeds these rows were compared."""
    pairs = sorted({outcome.pairs for outcome in outcomes})
    if len(pairs) > 1:
        return f"{pairs[0]} to {pairs[-1]} seeds"
    return f"{pairs[0]} seed{'s' * (pairs[0] != 1)}"


def _quoted(gates: Sequence[str]) -> str:
    return ", ".join(code(text) for text in gates)


def _has_verdict(change: Change) -> bool:
    return change.metric.unit in ("points", "coefficient")


def _is_shown(change: Change, outcomes: Sequence[Outcome]) -> bool:
    """Quality always; costs where they changed, or where a gate is on them."""
    key = (change.label, change.place)
    gated = any(
        (o.label, o.place) == key and o.gate.metric == change.metric.name
        for o in outcomes
    )
    return (
        _has_verdict(change)
        or gated
        or (change.exact and change.verdict != "no evidence" and change.comparable)
    )


def _row(change: Change) -> str:
    digits = {"points": 2, "coefficient": 3, "count": 0, "seconds": 2}[
        change.metric.unit
    ]

    def number(value: float | None, sign: str = "") -> str:
        return NONE if value is None else f"{value:{sign},.{digits}f}"

    found = change.found
    moved = number(found.mean, "+") if change.comparable else NONE
    if change.comparable and not change.exact and found.low is not None:
        moved += f" {interval(found.low, found.high, digits)}"
    said = _MARKS.get(change.verdict, change.verdict)
    cells = (
        *(
            change.label,
            change.metric.title,
            change.place,
            number(change.base),
            number(change.new),
        ),
        *(moved, p_value(change.p), said),
    )
    return f"| {' | '.join(map(markdown, cells))} |"


def _gates(comparison: Comparison) -> list[str]:
    """Return a row for each outcome that does not hold, the worst first; one for all that hold of a gate."""
    rows: list[tuple[str, ...]] = []
    not_proven = "❌ ⚠ not proven" if comparison.strict else "⚠ not proven"
    marks = {FAILED: "❌ failed", NOT_PROVEN: not_proven, NOT_CHECKED: "not checked"}
    for text in dict.fromkeys(outcome.gate.text for outcome in comparison.outcomes):
        of_gate = [
            outcome for outcome in comparison.outcomes if outcome.gate.text == text
        ]
        for status, mark in marks.items():
            for outcome in of_gate:
                if outcome.status == status:
                    where = ", ".join(filter(None, (outcome.metric, outcome.place)))
                    rows.append((text, mark, outcome.label, where, outcome.why))
        if held := [outcome for outcome in of_gate if outcome.status == HOLDS]:
            rows.append(
                (
                    text,
                    "✅ holds",
                    "",
                    "",
                    f"in {len(held)} of {len(of_gate)} rows{_reach(held)}",
                )
            )
    return [
        f"| {code(gate)} | {' | '.join(map(markdown, rest))} |" for gate, *rest in rows
    ]


def _reach(held: Sequence[Outcome]) -> str:
    """Return from which change on a gate that holds would have failed, where it sees least."""
    blind = [
        outcome
        for outcome in held
        if 0 < outcome.pairs < LEAST_SEEDS and not outcome.exact
    ]
    if blind:
        return f"; {_seeds(blind)} can prove no change ({blind[0].label}): take four or more"
    known = [outcome for outcome in held if outcome.reach is not None]
    if not known:
        return ""
    least = max(known, key=lambda outcome: outcome.reach or 0.0)
    return f"; would fail in four of five cases from {least.reach:.3g}{least.unit} on ({least.label})"
