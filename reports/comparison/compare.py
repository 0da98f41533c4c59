"""Two snapshots compared: selector by selector, metric by metric, paired by supernet seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from archselect.benchmarks.store.records import Machine
from archselect.reports.comparison.snapshot import Snapshot
from archselect.reports.results.metrics import Metric, Series
from archselect.reports.statistics.paired import (
    Difference,
    compare,
    judge,
    pair,
    verdict,
)

NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Change:
    """What became of one metric of one selector at one place.

    Attributes:
        search: the space and the images of the search.
        base, new: means over the seeds that both have; over all of its own where they
            cannot be paired; None where a side has no value.
        found: new minus base, paired. Of a count, which is exact, only its mean is
            looked at.
        p: after Holm over the rows of the same metric in which any seed moved; None for
            counts and where undefined.
        verdict: better, worse, no evidence, undefined (with the reason), not comparable
            (with the reason).
        lost: supernet seeds that base has and new has not; `gained` those that new has
            and base has not.
        differences: new minus base of each seed that both have; empty where they cannot
            be compared.
        reason: why the metric is undefined in new; empty where it is not, and where new
            has no such series.
    """

    metric: Metric
    label: str
    search: str
    place: str
    base: float | None
    new: float | None
    found: Difference
    p: float | None
    verdict: str
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()
    differences: tuple[float, ...] = ()
    reason: str = ""

    @property
    def exact(self) -> bool:
        """Whether it is a count, of which every change is real."""
        return self.metric.unit == "count"

    @property
    def comparable(self) -> bool:
        """Whether base and new can be held against one another."""
        return not self.verdict.startswith(NOT_COMPARABLE)


def changes(base: Snapshot, new: Snapshot) -> list[Change]:
    """Return every metric of every selector of either, in the order of `new`.

    Series belong together that are of the same selector, metric, images and truth; of
    what is left, those of the same place, which has a new name when a study gets
    another truth or another search.
    """
    partner = _partners(base.series, new.series)
    matched = {id(before) for before in partner.values()}
    found = [
        _change(partner[place], series)
        if place in partner
        else _only(series, None, series)
        for place, series in enumerate(new.series)
    ]
    found += [
        _only(series, series, None)
        for series in base.series
        if id(series) not in matched
    ]
    return _adjusted(found)


def differing(base: Snapshot, new: Snapshot) -> list[str]:
    """In words, every setting of a selector of both that is not as it was, and the version and commit of archselect."""
    said = []
    if (
        base.code_versions
        and new.code_versions
        and base.code_versions != new.code_versions
    ):
        said.append(
            f"archselect {', '.join(base.code_versions)} → {', '.join(new.code_versions)}"
        )
    if base.commits != new.commits:
        was, now = (
            ", ".join(snapshot.commits) or "unknown" for snapshot in (base, new)
        )
        said.append(f"commit of archselect {was} → {now}")
    for label, settings in new.settings.items():
        before = base.settings.get(label, settings)
        said += [
            f"{label}, {key}: {before.get(key, 'unset')} → {settings.get(key, 'unset')}"
            for key in sorted(before.keys() | settings.keys())
            if before.get(key) != settings.get(key)
        ]
    return said


def _partners(base: Sequence[Series], new: Sequence[Series]) -> dict[int, Series]:
    """Return the series of base that belongs to one of new, by the place of that one in `new`."""
    partners: dict[int, Series] = {}
    left = list(base)
    for key in (_by_identity, _by_place):
        known = {key(series): series for series in left}
        for place, series in enumerate(new):
            if place not in partners and key(series) in known:
                partners[place] = known.pop(key(series))
        matched = {id(series) for series in partners.values()}
        left = [series for series in left if id(series) not in matched]
    return partners


def _by_identity(series: Series) -> tuple[str, str, str]:
    return series.label, series.metric.name, series.identity


def _by_place(series: Series) -> tuple[str, str, str]:
    return series.label, series.metric.name, series.place


def _mean(series: Series | None) -> float | None:
    return (
        None if series is None or not series.values else fmean(series.values.values())
    )


def _only(shown: Series, base: Series | None, new: Series | None) -> Change:
    """Return the change of a series of which a side has no value, or that is on one side only."""
    before, after = _mean(base), _mean(new)
    if before is None and after is None:
        why = "neither has a value"
    else:
        why = "base has none" if before is None else "new has none"
    return Change(
        metric=shown.metric,
        label=shown.label,
        search=shown.search,
        place=shown.place,
        base=before,
        new=after,
        found=Difference(0, 0),
        p=None,
        verdict=f"{NOT_COMPARABLE}: {why}",
        reason="" if new is None else new.undefined,
        lost=() if base is None else tuple(sorted(base.values)),
        gained=() if new is None else tuple(sorted(new.values)),
    )


def _change(base: Series, new: Series) -> Change:
    if not base.values or not new.values:
        return _only(new, base, new)
    metric = new.metric
    stratum = pair(new.values, base.values)
    found = compare([stratum])
    change = Change(
        metric=metric,
        label=new.label,
        search=new.search,
        place=new.place,
        base=_mean(base),
        new=_mean(new),
        found=found,
        p=None,
        verdict="",
        lost=tuple(sorted(base.values.keys() - new.values.keys())),
        gained=tuple(sorted(new.values.keys() - base.values.keys())),
    )
    if why := _why_not(base, new):
        return replace(change, verdict=f"{NOT_COMPARABLE}: {why}")
    p = None if change.exact else found.p
    return replace(
        change,
        base=fmean(stratum.theirs),
        new=fmean(stratum.ours),
        p=p,
        verdict=_exact_verdict(found, metric)
        if change.exact
        else verdict(found, p, metric.better),
        differences=tuple(stratum.differences.tolist()),
    )


def _exact_verdict(found: Difference, metric: Metric) -> str:
    """Return the verdict on a count: any change is real, with however few seeds."""
    if not found.mean:
        return "no evidence"
    return "better" if (found.mean > 0) == (metric.better == "higher") else "worse"


def _why_not(base: Series, new: Series) -> str:
    """Return why two series with values cannot be compared; empty if they can."""
    if base.identity != new.identity:
        return "other images or another truth"
    if new.metric.unit == "seconds" and (machines := _machines(base, new)):
        return f"another machine ({machines})"
    if not base.values.keys() & new.values.keys():
        return "no seed in common"
    return ""


def _machines(base: Series, new: Series) -> str:
    """What tells the machines apart; empty if times on them compare."""
    before, after = (
        {_speed(machine) for machine in series.machines} for series in (base, new)
    )
    return (
        ""
        if before == after and len(before) == 1
        else " → ".join("; ".join(sorted(own)) for own in (before, after))
    )


def _speed(machine: Machine) -> str:
    return f"{machine.device_name}, {machine.threads} thread{'s' * (machine.threads != 1)}, torch {machine.torch}"


def _adjusted(changes: list[Change]) -> list[Change]:
    """Return the changes with verdicts, p-values and intervals after Holm; a family is the rows of one metric.

    Rows in which no seed moved can show nothing and do not count (Tarone, Biometrics
    1990); counts are exact.
    """
    families: dict[str, list[int]] = defaultdict(list)
    for place, change in enumerate(changes):
        if change.found.moved and change.comparable and not change.exact:
            families[change.metric.name].append(place)
    adjusted = list(changes)
    for places in families.values():
        better = changes[places[0]].metric.better
        findings = judge([changes[place].found for place in places], better)
        for place, finding in zip(places, findings, strict=True):
            adjusted[place] = replace(
                changes[place],
                found=finding.difference,
                p=finding.p,
                verdict=finding.verdict,
            )
    return adjusted
