"""Marks for the best selectors of a table and those not shown to be worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.paired import compare, judge, pair
from archselect.reports.tables.table import BEST, NOT_WORSE, WORSE, Mark, join_words

_MARK_OF: dict[str, Mark] = {"no evidence": NOT_WORSE, "worse": WORSE}
"""The mark of each verdict of a comparison with the best selector."""


def mark_selectors(values: Mapping[str, Mapping[int, float]]) -> dict[str, Mark]:
    """Return by name whether a selector is the best, worse, or not shown to be worse.

    The best selectors have the highest mean. The paired t-test compares the others with
    one of them, Holm-adjusted over all comparisons. Leave out selectors without a
    verdict, such as those with fewer than three seeds. Return nothing for a single
    selector, or if the best has fewer than three seeds.

    Args:
        values: by name, the values by supernet seed; higher is better.
    """
    means = _means(values)
    if len(means) < 2:
        return {}
    highest = max(means.values())
    best = [name for name, mean in means.items() if mean == highest]
    reference = values[best[0]]
    if len(reference) < LEAST_SEEDS:
        return {}
    others = [name for name in means if name not in best]
    differences = [compare([pair(values[name], reference)]) for name in others]
    findings = judge(differences, "higher")
    marks: dict[str, Mark] = dict.fromkeys(best, BEST)
    for name, finding in zip(others, findings, strict=True):
        if finding.verdict in _MARK_OF:
            marks[name] = _MARK_OF[finding.verdict]
    return {name: marks[name] for name in means if name in marks}


def _means(values: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """Return the mean of each name with values, rounded so that ties are exact."""
    return {
        name: round(sum(by_seed.values()) / len(by_seed), 9)
        for name, by_seed in values.items()
        if by_seed
    }


def describe_others(names: Iterable[str], marks: Mapping[str, Mark]) -> str:
    """Return the others' comparison: "a is not shown to be worse, b and c are"."""
    others = [name for name in names if marks.get(name) != BEST]
    not_worse = [name for name in others if marks.get(name) == NOT_WORSE]
    worse = [name for name in others if marks.get(name) == WORSE]
    unknown = [name for name in others if name not in marks]
    parts = []
    if not_worse:
        verb = _be(not_worse)
        parts.append(f"{join_words(not_worse)} {verb} not shown to be worse")
    if worse:
        adjective = "" if not_worse else " worse"
        parts.append(f"{join_words(worse)} {_be(worse)}{adjective}")
    if unknown:
        parts.append(f"nothing is shown for {join_words(unknown)}")
    return ", ".join(parts)


def _be(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
