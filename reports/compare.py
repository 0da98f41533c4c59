"""Two snapshots compared: selector by selector, metric by metric, paired by supernet seed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import fmean

from archselect.benchmarks.records import Machine
from archselect.reports.metrics import Metric, Series
from archselect.reports.paired import Difference, compare, judge, pair, verdict
from archselect.reports.snapshot import Snapshot

NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Change:
    """What became of one metric of one selector at one place.

    Attributes:
        base, new: means over the seeds that both have; over all of its own where they cannot be paired; None where a
            side has no value.
        found: new minus base, paired. Of a count, which is exact, only its mean is looked at.
        p: after Holm over the rows of the same metric in which any seed moved; None for counts and where undefined.
        verdict: better, worse, no evidence, undefined (with the reason), not comparable (with the reason).
        lost: supernet seeds that base has and new has not.
    """

    metric: Metric
    label: str
    place: str
    base: float | None
    new: float | None
    found: Difference
    p: float | None
    verdict: str
    lost: tuple[int, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether it is a count, of which every change is real."""
        return self.metric.unit == "count"

    @property
    def comparable(self) -> bool:
        """Whether base and new can be held against one another."""
        return not self.verdict.startswith(NOT_COMPARABLE)


def changes(base: Snapshot, new: Snapshot) -> list[Change]:
    """Every metric of every selector of either, in the order of `new`."""
    theirs = {_key(series): series for series in base.series}
    found = []
    for series in new.series:
        before = theirs.pop(_key(series), None)
        found.append(_only(series, "base has none") if before is None else _change(before, series))
    found += [_only(series, "new has none", is_new=False) for series in theirs.values()]
    return _adjusted(found)


def differing(base: Snapshot, new: Snapshot) -> list[str]:
    """In words, every setting of a selector of both that is not as it was, and the version and commit of archselect."""
    said = []
    if base.code_versions != new.code_versions:
        said.append(f"archselect {', '.join(base.code_versions)} → {', '.join(new.code_versions)}")
    if base.commits != new.commits:
        was, now = (", ".join(snapshot.commits) or "unknown" for snapshot in (base, new))
        said.append(f"commit of archselect {was} → {now}")
    for label, settings in new.settings.items():
        before = base.settings.get(label, settings)
        said += [
            f"{label}, {key}: {before.get(key, 'unset')} → {settings.get(key, 'unset')}"
            for key in sorted(before.keys() | settings.keys())
            if before.get(key) != settings.get(key)
        ]
    return said


def _key(series: Series) -> tuple[str, str, str]:
    return series.label, series.metric.name, series.place


def _only(series: Series, why: str, is_new: bool = True) -> Change:
    mean = fmean(series.values.values()) if series.values else None
    return Change(
        series.metric,
        series.label,
        series.place,
        None if is_new else mean,
        mean if is_new else None,
        Difference(0, 0),
        None,
        f"{NOT_COMPARABLE}: {why}",
        () if is_new else tuple(sorted(series.values)),
    )


def _change(base: Series, new: Series) -> Change:
    metric = new.metric
    stratum = pair(new.values, base.values)
    lost = tuple(sorted(base.values.keys() - new.values.keys()))
    found = compare([stratum])
    why = ""
    if base.identity != new.identity:
        why = "other images or another truth"
    elif metric.unit == "seconds" and (machines := _machines(base, new)):
        why = f"another machine ({machines})"
    elif not base.values and not new.values:
        why = "neither has a value"
    elif not stratum.ours:
        why = "no seed in common"
    if why:
        before, after = (fmean(series.values.values()) if series.values else None for series in (base, new))
        return Change(metric, new.label, new.place, before, after, found, None, f"{NOT_COMPARABLE}: {why}", lost)
    exact = metric.unit == "count"
    p = None if exact else found.p
    said = verdict(found, 0.0 if exact else p, metric.better)
    return Change(metric, new.label, new.place, fmean(stratum.theirs), fmean(stratum.ours), found, p, said, lost)


def _machines(base: Series, new: Series) -> str:
    """What tells the machines apart; empty if times on them compare."""
    before, after = ({_speed(machine) for machine in series.machines} for series in (base, new))
    return "" if before == after and len(before) == 1 else " → ".join("; ".join(sorted(own)) for own in (before, after))


def _speed(machine: Machine) -> str:
    return f"{machine.device_name}, {machine.threads} thread{'s' * (machine.threads != 1)}, torch {machine.torch}"


def _adjusted(changes: list[Change]) -> list[Change]:
    """Return the changes with verdicts, p-values and intervals after Holm; a family is the rows of one metric.

    Rows in which no seed moved can show nothing and do not count (Tarone, Biometrics 1990); counts are exact.
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
            adjusted[place] = replace(changes[place], found=finding.difference, p=finding.p, verdict=finding.verdict)
    return adjusted
