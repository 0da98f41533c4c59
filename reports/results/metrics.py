"""Metrics for comparing selectors and folders: one value per supernet seed.

A :class:`Series` has the values of one metric, for one selector at one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from archselect.benchmarks.store.facts import Fact, content_id
from archselect.benchmarks.store.records import Landscape, Machine, SearchCost
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import (
    Correlation,
    correlate_architectures,
    correlate_operations,
    mean_by_seed,
)

LEVELS = ("operation, best-acc", "operation, avg-acc", "architecture")
COUNTS = ("forwards", "backwards", "images", "flops")


class Metric(Fact):
    """A quantity that is measured for each run.

    Attributes:
        name: name in gates.
        title: title in tables.
        better: whether higher or lower values are better.
        unit: percentage points, coefficient, count (exact, the same on every machine)
            or seconds.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    unit: Literal["points", "coefficient", "count", "seconds"]


class Series(Fact):
    """The values of one metric for one selector at one place.

    Attributes:
        metric: metric.
        label: label of the selector in the study.
        search: space and images of the search.
        place: landscape in which the metric is measured, or the search itself.
        identity: hash of the space, the images and the truth; series with the same
            identity are comparable, even if they come from two folders.
        values: by supernet seed, the mean over its selection seeds.
        machines: machines of the runs.
        undefined: why a correlation has no values; empty if it has values.
    """

    metric: Metric
    label: str
    search: str
    place: str
    identity: str
    values: dict[int, float]
    machines: list[Machine]
    undefined: str = ""


ACCURACY = Metric(name="accuracy", title="accuracy", better="higher", unit="points")


def _tau(name: str, title: str) -> Metric:
    return Metric(name=name, title=f"τ-b, {title}", better="higher", unit="coefficient")


TAUS = {
    "operation, best-acc": _tau("tau_best_acc", "operations, best-acc"),
    "operation, avg-acc": _tau("tau_avg_acc", "operations, avg-acc"),
    "architecture": _tau("tau_architecture", "architectures"),
}
"""Kendall's tau-b at each of :data:`LEVELS`."""


def correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    """Return the group's correlation with a landscape, by level of :data:`LEVELS`.

    It is None if the selector has no scores of that level, or if the truth cannot judge
    them: final trainings judge only selected architectures, and trainings of queries
    judge no operations. The group caches the results.
    """
    if landscape.id not in group.correlations:
        group.correlations[landscape.id] = _correlate(landscape, group)
    return group.correlations[landscape.id]


def _correlate(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    judged = group.judged(landscape)
    of_architectures = correlate_architectures(judged.records, judged.accuracies)
    if not landscape.architectures:
        return dict.fromkeys(LEVELS) | {"architecture": of_architectures}
    scores = group.deciding_scores if len(judged) == len(group.records) else None
    oracles = (landscape.oracle_best, landscape.oracle_mean)
    best, average = correlate_operations(judged.records, oracles, scores) or (
        None,
        None,
    )
    return {
        "operation, best-acc": best,
        "operation, avg-acc": average,
        "architecture": of_architectures,
    }


def quality_series(results: Results) -> Iterator[Series]:
    """Yield series of accuracies and rank correlations, by landscape and selector."""
    for landscape in results.landscapes:
        judged = _groups_judged_by(results, landscape)
        for group in judged:
            reasons = _reasons(landscape, group)
            for metric, values in _qualities(landscape, group).items():
                yield Series(
                    metric=metric,
                    label=group.label,
                    search=describe_search(group),
                    place=_place(results, landscape, judged, group),
                    identity=content_id([_identity(group), landscape.id]),
                    values=values,
                    machines=list(group.machines),
                    undefined="" if values else reasons.get(metric, ""),
                )


def _groups_judged_by(results: Results, landscape: Landscape) -> list[Group]:
    return [group for group in results.groups if group.judged(landscape)]


def _reasons(landscape: Landscape, group: Group) -> dict[Metric, str]:
    """Return why a group's rank correlations are undefined, fully or in part."""
    return {
        TAUS[level]: correlation.left_out
        for level, correlation in correlations(landscape, group).items()
        if correlation is not None
    }


def _qualities(landscape: Landscape, group: Group) -> dict[Metric, dict[int, float]]:
    """Return the accuracy and the rank correlations, each by supernet seed."""
    taus = {
        TAUS[level]: tau_by_seed(landscape, group, correlation)
        for level, correlation in correlations(landscape, group).items()
        if correlation is not None
    }
    return {ACCURACY: accuracy_by_seed(landscape, group), **taus}


def _place(
    results: Results, landscape: Landscape, judged: Sequence[Group], group: Group
) -> str:
    """Return the title of the landscape that judges a group.

    It names the images of the search if the groups differ in them.
    """
    title = results.title(landscape)
    searches = {describe_search(other) for other in judged}
    if len(searches) > 1:
        return f"{title}, searched on {group.inputs.data.name}"
    return title


def accuracy_by_seed(landscape: Landscape, group: Group) -> dict[int, float]:
    """Return the selected architectures' accuracy, in per cent, by supernet seed."""
    known = group.known(landscape)
    return mean_by_seed(known.means, known.seeds)


def tau_by_seed(
    landscape: Landscape, group: Group, correlation: Correlation
) -> dict[int, float]:
    """Return the tau-b of one of the group's :func:`correlations`, by supernet seed."""
    return mean_by_seed(correlation.per_seed, group.judged(landscape).seeds)


def is_random_sample(landscape: Landscape, group: Group) -> bool:
    """Return whether a group's cells are random draws with a known exact mean."""
    return group.uniform and landscape.mean is not None


def exact_means(results: Results) -> dict[tuple[str, str], float]:
    """Return the expected accuracy of a random cell, for random selectors.

    Returns:
        Accuracies in per cent, by (place, label) of :func:`quality_series`.
    """
    means = {}
    for landscape in results.landscapes:
        judged = _groups_judged_by(results, landscape)
        for group in judged:
            if is_random_sample(landscape, group) and landscape.mean is not None:
                place = _place(results, landscape, judged, group)
                means[place, group.label] = landscape.mean
    return means


def cost_series(results: Results) -> Iterator[Series]:
    """Yield series of counts and seconds, in total and by phase, for each selector."""
    for group in results.groups:
        seeds = [record.inputs.supernet_seed for record in group.records]
        search = describe_search(group)
        for metric, values in _costs(group).items():
            yield Series(
                metric=metric,
                label=group.label,
                search=search,
                place=search,
                identity=_identity(group),
                values=mean_by_seed(values, seeds),
                machines=list(group.machines),
            )


def _costs(group: Group) -> dict[Metric, list[float]]:
    """Return every count and time of a group, by record."""
    costs = [record.cost for record in group.records]
    measured: dict[Metric, list[float]] = {}
    for name in COUNTS:
        by_phase = _counts_by_phase(costs, name)
        totals = [0.0] * len(costs)
        for counts in by_phase.values():
            totals = [
                total + count for total, count in zip(totals, counts, strict=True)
            ]
        measured[_cost_metric(name, name, "count")] = totals
        for phase, counts in by_phase.items():
            metric = _cost_metric(f"{phase}_{name}", f"{name}, {phase}", "count")
            measured[metric] = counts
    measured[_cost_metric("seconds", "seconds", "seconds")] = group.seconds
    for phase, seconds in group.phases.items():
        metric = _cost_metric(f"{phase}_seconds", f"seconds, {phase}", "seconds")
        measured[metric] = seconds
    return measured


def _counts_by_phase(costs: Sequence[SearchCost], name: str) -> dict[str, list[float]]:
    """Return a count of every phase, by record; 0 for a record without the phase."""
    phases: dict[str, None] = {}
    for cost in costs:
        phases |= dict.fromkeys(cost.counts)
    counts = {}
    for phase in phases:
        counts[phase] = [_count(cost, phase, name) for cost in costs]
    return counts


def _count(cost: SearchCost, phase: str, name: str) -> float:
    if phase not in cost.counts:
        return 0.0
    return float(getattr(cost.counts[phase], name))


def _cost_metric(name: str, title: str, unit: Literal["count", "seconds"]) -> Metric:
    return Metric(name=name, title=title, better="lower", unit=unit)


def describe_search(group: Group) -> str:
    """Return the space and images of a group's search, as text."""
    return f"{group.inputs.space}, {group.inputs.data.name}"


def _identity(group: Group) -> str:
    """Return a hash of the space and the images.

    It ignores supernet and selector, because their settings may be under comparison.
    """
    return content_id([group.inputs.space, group.inputs.data.model_dump(mode="json")])
