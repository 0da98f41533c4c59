"""Which selectors are the best of a table, and which are not shown to be worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.paired import compare, judge, pair
from archselect.reports.tables.table import BEST, LEVEL_WITH_IT, WORSE, listed


def standings(values: Mapping[str, Mapping[int, float]]) -> dict[str, str]:
    """Return by name whether it is the best, worse, or not shown to be worse.

    The best have the highest mean. The others are compared with one of them by the
    paired t-test, with Holm's adjustment over all of them. Names of which nothing is
    shown, as with fewer than three seeds, are left out. A single name is no best, and
    neither is one with fewer than three seeds: then nothing is shown of any.

    Args:
        values: by name, the values by supernet seed; higher is better.
    """
    means = {
        name: round(sum(by_seed.values()) / len(by_seed), 9)
        for name, by_seed in values.items()
        if by_seed
    }
    if len(means) < 2:
        return {}
    highest = max(means.values())
    best = [name for name, mean in means.items() if mean == highest]
    if len(values[best[0]]) < LEAST_SEEDS:
        return {}
    others = [name for name in means if name not in best]
    differences = [compare([pair(values[name], values[best[0]])]) for name in others]
    findings = dict(zip(others, judge(differences, "higher"), strict=True))
    marks = {"no evidence": LEVEL_WITH_IT, "worse": WORSE}
    standing = dict.fromkeys(best, BEST)
    standing |= {
        name: marks[f.verdict] for name, f in findings.items() if f.verdict in marks
    }
    return {name: standing[name] for name in means if name in standing}


def others_in_words(names: Iterable[str], standing: Mapping[str, str]) -> str:
    """Return how those that are not the best do: "a is not shown to be worse, b and c are"."""
    rest = [name for name in names if standing.get(name) != BEST]
    level = [name for name in rest if standing.get(name) == LEVEL_WITH_IT]
    worse = [name for name in rest if standing.get(name) == WORSE]
    unknown = [name for name in rest if name not in standing]
    parts = []
    if level:
        parts.append(f"{listed(level)} {_are(level)} not shown to be worse")
    if worse:
        parts.append(f"{listed(worse)} {_are(worse)}" + ("" if level else " worse"))
    if unknown:
        parts.append(f"of {listed(unknown)} nothing is shown")
    return ", ".join(parts)


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
