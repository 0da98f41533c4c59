"""Export of a comparison as JSON, and as JUnit XML for build servers."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from pydantic_core import to_json as as_json

from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.comparison.compare import MetricChange, differing_settings
from archselect.reports.comparison.comparison import Comparison
from archselect.reports.comparison.outcomes import HOLDS, NOT_PROVEN, GateOutcome


def to_json(comparison: Comparison) -> str:
    """Return a whole comparison as JSON, with unrounded numbers."""
    base = comparison.base
    new = comparison.new
    content = {
        "base": {"name": base.name, "command": base.command},
        "new": {"name": new.name, "command": new.command},
        "failed": comparison.failed,
        "strict": comparison.strict,
        "gates": [_outcome_fields(outcome) for outcome in comparison.outcomes],
        "changes": [change_fields(change) for change in comparison.changes],
        "settings_that_differ": differing_settings(base, new),
    }
    return as_json(content, indent=1, inf_nan_mode="strings").decode() + "\n"


def _outcome_fields(outcome: GateOutcome) -> dict[str, object]:
    return {
        "gate": outcome.gate.text,
        "selector": outcome.label,
        "metric": outcome.metric,
        "place": outcome.place,
        "status": outcome.status,
        "why": outcome.why,
        "threshold": outcome.gate.threshold,
        "unit": outcome.unit.strip(),
        "size": outcome.size,
        "low": outcome.low,
        "high": outcome.high,
        "pairs": outcome.pairs,
        "reach": outcome.reach,
    }


def change_fields(change: MetricChange) -> dict[str, object]:
    """Return the numbers of a change by name."""
    return {
        "metric": change.metric.name,
        "unit": change.metric.unit,
        "better": change.metric.better,
        "selector": change.label,
        "place": change.place,
        "base": change.base,
        "new": change.new,
        "change": change.difference.mean,
        "p_holm": change.p,
        **change.difference.numbers(),
        "verdict": change.verdict,
        "seeds_lost": list(change.lost),
    }


def to_junit(comparison: Comparison) -> str:
    """Return a comparison as JUnit XML, with one test case per gate and row.

    A row that is not proven is a failure if the comparison is strict. Otherwise it is
    skipped, because build servers list skipped tests but seldom show the output of
    passed ones.
    """
    outcomes = comparison.outcomes
    failures = sum(map(comparison.fails, outcomes))
    counts = Counter(outcome.status for outcome in outcomes)
    skipped = len(outcomes) - failures - counts[HOLDS]
    suite = ElementTree.Element(
        "testsuite",
        name="archselect compare",
        tests=str(len(outcomes)),
        failures=str(failures),
        errors="0",
        skipped=str(skipped),
    )
    for outcome in outcomes:
        _add_case(suite, outcome, comparison.fails(outcome))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ElementTree.Element, outcome: GateOutcome, fails: bool) -> None:
    """Add the test case of an outcome."""
    parts = (outcome.label, outcome.metric, outcome.place)
    name = one_line(", ".join(filter(None, parts)))
    gate = one_line(outcome.gate.text)
    case = ElementTree.SubElement(suite, "testcase", classname=gate, name=name)
    warning = "⚠ " if outcome.status == NOT_PROVEN else ""
    why = one_line(f"{warning}{outcome.why}")
    if fails:
        ElementTree.SubElement(case, "failure", message=why)
    elif outcome.status != HOLDS:
        ElementTree.SubElement(case, "skipped", message=why)
    if outcome.status in (HOLDS, NOT_PROVEN):
        ElementTree.SubElement(case, "system-out").text = why
