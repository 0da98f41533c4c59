"""What a comparison says, in the forms that people, programs and build servers read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from pydantic_core import to_json as as_json

from archselect.reports.compare import NOT_COMPARABLE, Change, changes, differing
from archselect.reports.gate import FAILED, HOLDS, NOT_CHECKED, Gate, Outcome, judge
from archselect.reports.snapshot import Snapshot
from archselect.reports.tables.differences import interval, p_value
from archselect.reports.tables.table import NONE

SUMMARY_LIMIT = 1_000_000
"""Bytes of a step's summary; GitHub takes 1 MiB and drops what is longer."""

VERDICTS = ("worse", "better", "no evidence", "undefined", NOT_COMPARABLE)
_MARKS = {"better": "✅ better", "worse": "❌ worse"}


@dataclass(frozen=True)
class Comparison:
    """Two snapshots, what changed between them, and what the gates say of that."""

    base: Snapshot
    new: Snapshot
    changes: tuple[Change, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> bool:
        """Whether a gate failed."""
        return any(outcome.status == FAILED for outcome in self.outcomes)


def compare_snapshots(base: Snapshot, new: Snapshot, gates: Sequence[Gate] = ()) -> Comparison:
    """The comparison. Raises UserError where :func:`.gate.judge` does."""
    found = changes(base, new)
    return Comparison(base, new, tuple(found), tuple(judge(gates, found, base, new)))


def to_markdown(comparison: Comparison) -> str:
    """The verdict in one line, then what changed, the gates, and what differs in what was run."""
    new = comparison.new
    lines = [f"## archselect: {new.title}", "", _headline(comparison), ""]
    if comparison.outcomes:
        lines += ["| Gate | Result | Selector | Metric, where | |", "|---|---|---|---|---|", *_gates(comparison), ""]
    shown = [change for change in comparison.changes if _is_shown(change, comparison.outcomes)]
    if shown:
        lines += [
            "| Selector | Metric | Where | Base | New | Change, 95 % interval | p (Holm) | Verdict |",
            "|---|---|---|--:|--:|--:|--:|---|",
            *map(_row, shown),
            "",
        ]
    hidden = len(comparison.changes) - len(shown)
    if hidden:
        lines += [f"{hidden} costs that did not change, or that have no gate and do not compare, are left out.", ""]
    lines += [f"* {note}" for note in notes(comparison)]
    lines += [
        "",
        "Change: new minus base, paired by supernet seed, with Student's interval; verdicts at 5 % after Holm within a "
        "metric, of counts (which are exact) by any change. A gate fails where the whole interval is beyond it, the "
        "intervals of its rows that moved being so wide that all hold together.",
    ]
    return "\n".join(lines) + "\n"


def notes(comparison: Comparison) -> list[str]:
    """In words, what else a reader has to know: what was run, what was lost, which settings differ."""
    base, new = comparison.base, comparison.new
    said = [f"Base: `{base.command}`; new: `{new.command}`."]
    if base.name != new.name:
        said.append(f"The studies have different names: {base.name} and {new.name}.")
    lost = {change.label: change.lost for change in comparison.changes if change.lost and change.new is not None}
    said += [f"{label}: seeds {', '.join(map(str, seeds))} are in base only." for label, seeds in lost.items()]
    for name, snapshot in (("base", base), ("new", new)):
        said += [f"{count} runs of {label} failed in {name}." for label, count in sorted(snapshot.failures.items())]
        if snapshot.unfinished:
            said.append(f"{snapshot.unfinished} runs of {name} are not finished.")
    differences = differing(base, new)
    if differences:
        said.append(f"Settings that differ: {'; '.join(differences)}.")
    return said


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
        "gates": [
            {
                "gate": o.gate.text,
                "selector": o.label,
                "metric": o.metric,
                "place": o.place,
                "status": o.status,
                "why": o.why,
                "reach": o.reach,
            }
            for o in comparison.outcomes
        ],
        "changes": [change(own) for own in comparison.changes],
        "settings_that_differ": differing(comparison.base, comparison.new),
    }
    return as_json(content, indent=1, inf_nan_mode="strings").decode() + "\n"


def to_junit(comparison: Comparison) -> str:
    """One test case per gate and row, in the XML that build servers read."""
    counts = Counter(outcome.status for outcome in comparison.outcomes)
    suite = ElementTree.Element(
        "testsuite",
        name="archselect compare",
        tests=str(len(comparison.outcomes)),
        failures=str(counts[FAILED]),
        errors="0",
        skipped=str(counts[NOT_CHECKED]),
    )
    for outcome in comparison.outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=outcome.gate.text, name=f"{outcome.label}, {outcome.metric}, {outcome.place}"
        )
        if outcome.status == FAILED:
            ElementTree.SubElement(case, "failure", message=outcome.why)
        elif outcome.status == NOT_CHECKED:
            ElementTree.SubElement(case, "skipped", message=outcome.why)
        else:
            ElementTree.SubElement(case, "system-out").text = outcome.why
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
    return "".join(lines[:kept]) + f"\n… and {len(lines) - kept:,} more lines.\n" if kept else ""


def _headline(comparison: Comparison) -> str:
    verdicts = Counter(c.verdict.partition(":")[0] for c in comparison.changes if _has_verdict(c))
    told = ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS if verdicts[name])
    told = f"Accuracies and correlations: {told or 'nothing to compare'}."
    if not comparison.outcomes:
        return told
    failed = {o.gate.text for o in comparison.outcomes if o.status == FAILED}
    gates = dict.fromkeys(o.gate.text for o in comparison.outcomes)
    unchecked = [
        text for text in gates if all(o.status == NOT_CHECKED for o in comparison.outcomes if o.gate.text == text)
    ]
    if failed:
        said = f"❌ **{len(failed)} of {len(gates)} gates failed**: {', '.join(f'`{_cell(text)}`' for text in failed)}."
    else:
        said = f"✅ **{'The gate holds' if len(gates) == 1 else f'All {len(gates)} gates hold'}.**"
    if unchecked:
        said += f" Not checked: {', '.join(f'`{_cell(text)}`' for text in unchecked)}."
    return f"{said} {told}"


def _has_verdict(change: Change) -> bool:
    return change.metric.unit in ("points", "coefficient")


def _is_shown(change: Change, outcomes: Sequence[Outcome]) -> bool:
    """Quality always; costs where they changed, or where a gate is on them."""
    key = (change.label, change.place)
    gated = any((o.label, o.place) == key and o.gate.metric == change.metric.name for o in outcomes)
    return _has_verdict(change) or gated or (change.exact and change.verdict != "no evidence" and change.comparable)


def _row(change: Change) -> str:
    digits = {"points": 2, "coefficient": 3, "count": 0, "seconds": 2}[change.metric.unit]

    def number(value: float | None, sign: str = "") -> str:
        return NONE if value is None else f"{value:{sign},.{digits}f}"

    found = change.found
    moved = number(found.mean, "+") if change.comparable else NONE
    if change.comparable and not change.exact and found.low is not None:
        moved += f" {interval(found.low, found.high, digits)}"
    said = _MARKS.get(change.verdict, change.verdict)
    cells = (
        *(change.label, change.metric.title, change.place, number(change.base), number(change.new)),
        *(moved, p_value(change.p), said),
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _gates(comparison: Comparison) -> list[str]:
    """A row for each failure and each row not checked, those that failed first; one for all that hold of a gate."""
    rows: list[tuple[str, ...]] = []
    for text in dict.fromkeys(outcome.gate.text for outcome in comparison.outcomes):
        own = [outcome for outcome in comparison.outcomes if outcome.gate.text == text]
        for status, mark in ((FAILED, "❌ failed"), (NOT_CHECKED, "not checked")):
            rows += [(text, mark, o.label, f"{o.metric}, {o.place}", o.why) for o in own if o.status == status]
        if held := [outcome for outcome in own if outcome.status == HOLDS]:
            rows.append((text, "✅ holds", "", "", f"in {len(held)} of {len(own)}{_reach(held)}"))
    return [f"| `{_cell(gate)}` | {' | '.join(map(_cell, rest))} |" for gate, *rest in rows]


def _reach(held: Sequence[Outcome]) -> str:
    """From which change on a gate that holds would have failed, where it sees least."""
    known = [outcome for outcome in held if outcome.reach is not None]
    if not known:
        return ""
    least = max(known, key=lambda outcome: outcome.reach or 0.0)
    return f"; would fail in four of five cases from {least.reach:.3g}{least.unit} on ({least.label})"


def _cell(text: str) -> str:
    """Text that does not break a table's row."""
    return text.replace("|", "\\|").replace("\n", " ")
