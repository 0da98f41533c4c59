"""Which selectors are the best of a table, and which are not shown to be worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.paired import compare, judge, pair
from archselect.reports.tables.table import BEST, NOT_WORSE, WORSE, Mark, join_words

_MARK_OF: dict[str, Mark] = {"no evidence": NOT_WORSE, "worse": WORSE}
"""The mark of each verdict on a selector beside the best one."""


def mark_selectors(values: Mapping[str, Mapping[int, float]]) -> dict[str, Mark]:
    """Return by name whether a selector is the best, worse, or not shown to be worse.

    The best have the highest mean. The others are compared with one of them by the
    paired t-test, with Holm's adjustment over all of them. Names of which nothing is
    shown, as with fewer than three seeds, are left out. A single name is no best, and
    neither is one with fewer than three seeds: then nothing is shown of any.

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
    """Return the mean of each name that has values, rounded so that ties are ties."""
    return {
        name: round(sum(by_seed.values()) / len(by_seed), 9)
        for name, by_seed in values.items()
        if by_seed
    }


def describe_others(names: Iterable[str], marks: Mapping[str, Mark]) -> str:
    """Return how the others do: "a is not shown to be worse, b and c are"."""
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
        parts.append(f"of {join_words(unknown)} nothing is shown")
    return ", ".join(parts)


def _be(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
