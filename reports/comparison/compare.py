"""Comparison of two snapshots by metric, paired by supernet seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
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
class MetricChange:
    """The change of one metric of one selector at one place.

    Attributes:
        metric: metric. label: label of the selector. search: space and images of the
            search. place: landscape or search in which the metric is measured. base:
            mean of base over the seeds that both have; over all seeds of base if they
            cannot be paired; None if base has no value. new: mean of new, likewise.
            difference: paired difference, new minus base. For a count, which is exact,
            only its mean is used. p: p-value, Holm-adjusted over the rows of the metric
            in which any seed changed; None for counts and if undefined. verdict:
            "better", "worse", "no evidence", or "undefined" or "not comparable" with
            the reason. lost: supernet seeds that only base has. gained: supernet seeds
            that only new has. seed_differences: new minus base for each seed that both
            have; empty if they are not comparable. reason: why the metric is undefined
            in new; empty if it is defined, or if new has no such series.
    """

    metric: Metric
    label: str
    search: str
    place: str
    base: float | None
    new: float | None
    difference: Difference
    p: float | None
    verdict: str
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()
    seed_differences: tuple[float, ...] = ()
    reason: str = ""

    @property
    def exact(self) -> bool:
        """Whether the metric is a count, of which every change is real."""
        return self.metric.unit == "count"

    @property
    def comparable(self) -> bool:
        """Whether base and new are comparable."""
        return not self.verdict.startswith(NOT_COMPARABLE)


def find_changes(base: Snapshot, new: Snapshot) -> list[MetricChange]:
    """Return the change of every metric of every selector, in the order of `new`.

    Series with the same selector, metric, images and truth are paired first; of the
    others, those with the same place.
    """
    partners = _partners(base.series, new.series)
    changes = []
    for place, series in enumerate(new.series):
        before = partners.get(place)
        if before is None:
            changes.append(_one_sided(series, None, series))
        else:
            changes.append(_change(before, series))
    matched = {id(series) for series in partners.values()}
    for series in base.series:
        if id(series) not in matched:
            changes.append(_one_sided(series, series, None))
    return _adjusted(changes)


def differing_settings(base: Snapshot, new: Snapshot) -> list[str]:
    """Return a text per setting that differs, for the selectors that both have.

    The version and commit of archselect count as settings.
    """
    sentences = []
    if base.code_versions and new.code_versions:
        before = ", ".join(base.code_versions)
        after = ", ".join(new.code_versions)
        if base.code_versions != new.code_versions:
            sentences.append(f"archselect {before} → {after}")
    if base.commits != new.commits:
        before = ", ".join(base.commits) or "unknown"
        after = ", ".join(new.commits) or "unknown"
        sentences.append(f"commit of archselect {before} → {after}")
    for label, settings in new.settings.items():
        earlier = base.settings.get(label, settings)
        for name in sorted(earlier.keys() | settings.keys()):
            if earlier.get(name) != settings.get(name):
                before = earlier.get(name, "unset")
                after = settings.get(name, "unset")
                sentences.append(f"{label}, {name}: {before} → {after}")
    return sentences


# Which series belong together


def _partners(base: Sequence[Series], new: Sequence[Series]) -> dict[int, Series]:
    """Return the series of base paired with those of `new`, by index in `new`."""
    partners: dict[int, Series] = {}
    keys: tuple[Callable[[Series], tuple[str, str, str]], ...] = (
        _by_identity,
        _by_place,
    )
    left = list(base)
    for key in keys:
        candidates = {key(series): series for series in left}
        for place, series in enumerate(new):
            if place not in partners and key(series) in candidates:
                partners[place] = candidates.pop(key(series))
        matched = {id(series) for series in partners.values()}
        left = [series for series in left if id(series) not in matched]
    return partners


def _by_identity(series: Series) -> tuple[str, str, str]:
    return series.label, series.metric.name, series.identity


def _by_place(series: Series) -> tuple[str, str, str]:
    return series.label, series.metric.name, series.place


# One change


def _one_sided(shown: Series, base: Series | None, new: Series | None) -> MetricChange:
    """Return the change of a series that base or new lacks or has no value of."""
    before = _mean(base)
    after = _mean(new)
    if before is None and after is None:
        why = "neither has a value"
    elif before is None:
        why = "base has no value"
    else:
        why = "new has no value"
    return MetricChange(
        metric=shown.metric,
        label=shown.label,
        search=shown.search,
        place=shown.place,
        base=before,
        new=after,
        difference=Difference(0, 0),
        p=None,
        verdict=f"{NOT_COMPARABLE}: {why}",
        reason="" if new is None else new.undefined,
        lost=() if base is None else tuple(sorted(base.values)),
        gained=() if new is None else tuple(sorted(new.values)),
    )


def _mean(series: Series | None) -> float | None:
    if series is None or not series.values:
        return None
    return fmean(series.values.values())


def _change(base: Series, new: Series) -> MetricChange:
    """Return the change between two paired series."""
    if not base.values or not new.values:
        return _one_sided(new, base, new)
    metric = new.metric
    stratum = pair(new.values, base.values)
    difference = compare([stratum])
    change = MetricChange(
        metric=metric,
        label=new.label,
        search=new.search,
        place=new.place,
        base=_mean(base),
        new=_mean(new),
        difference=difference,
        p=None,
        verdict="",
        lost=tuple(sorted(base.values.keys() - new.values.keys())),
        gained=tuple(sorted(new.values.keys() - base.values.keys())),
    )
    obstacle = _why_not_comparable(base, new)
    if obstacle:
        return replace(change, verdict=f"{NOT_COMPARABLE}: {obstacle}")
    if change.exact:
        p = None
        finding = _exact_verdict(difference, metric)
    else:
        p = difference.p
        finding = verdict(difference, p, metric.better)
    return replace(
        change,
        base=fmean(stratum.theirs),
        new=fmean(stratum.ours),
        p=p,
        verdict=finding,
        seed_differences=tuple(stratum.differences.tolist()),
    )


def _exact_verdict(difference: Difference, metric: Metric) -> str:
    """Return the verdict on a count: any change is real, even with one seed."""
    if not difference.mean:
        return "no evidence"
    is_higher = difference.mean > 0
    return "better" if is_higher == (metric.better == "higher") else "worse"


def _why_not_comparable(base: Series, new: Series) -> str:
    """Return why two series with values are not comparable; empty if they are."""
    if base.identity != new.identity:
        return "other images or another truth"
    if new.metric.unit == "seconds":
        machines = _different_machines(base, new)
        if machines:
            return f"another machine ({machines})"
    if not base.values.keys() & new.values.keys():
        return "no seed in common"
    return ""


def _different_machines(base: Series, new: Series) -> str:
    """Return the difference of the machines; empty if their times are comparable."""
    before = sorted({_speed(machine) for machine in base.machines})
    after = sorted({_speed(machine) for machine in new.machines})
    if before == after and len(before) == 1:
        return ""
    return f"{'; '.join(before)} → {'; '.join(after)}"


def _speed(machine: Machine) -> str:
    """Return the properties that determine the speed of a machine, as text."""
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    return f"{machine.device_name}, {threads}, torch {machine.torch}"


def _adjusted(changes: list[MetricChange]) -> list[MetricChange]:
    """Return the changes with Holm-adjusted verdicts, p-values and intervals.

    The rows of one metric form a family. Rows in which no seed changed cannot show a
    difference and do not count (Tarone, Biometrics 1990); counts need no adjustment.
    """
    families: dict[str, list[int]] = defaultdict(list)
    for place, change in enumerate(changes):
        if change.difference.moved and change.comparable and not change.exact:
            families[change.metric.name].append(place)
    adjusted = list(changes)
    for places in families.values():
        better = changes[places[0]].metric.better
        findings = judge([changes[place].difference for place in places], better)
        for place, finding in zip(places, findings, strict=True):
            adjusted[place] = replace(
                changes[place],
                difference=finding.difference,
                p=finding.p,
                verdict=finding.verdict,
            )
    return adjusted
