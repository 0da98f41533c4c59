"""What is compared between selectors and between folders of records: one value per supernet seed, place and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from archselect.benchmarks.store.facts import Fact, content_id
from archselect.benchmarks.store.records import Landscape, Machine
from archselect.reports.results.results import Group, Results
from archselect.reports.results.tau import (
    Correlation,
    architecture_level,
    by_seed,
    operation_levels,
)

LEVELS = ("operation, best-acc", "operation, avg-acc", "architecture")
COUNTS = ("forwards", "backwards", "images", "flops")


class Metric(Fact):
    """One thing that is measured of a run.

    `name` is as gates name it, `title` as tables show it, `better` which way. `unit`:
    points, a coefficient, a count (exact, the same on every machine) or seconds.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    unit: Literal["points", "coefficient", "count", "seconds"]


class Series(Fact):
    """The values of one metric for one selector at one place, by supernet seed; the mean over its selection seeds.

    `search` says on which space and data was searched, `place` where the value is
    measured: a truth's column, or the
    search itself. `identity` is a hash of the place, the images and the truth: equal
    ones can be compared, though they are of two folders. `machines` are those that the
    runs were made on. `undefined` says why a correlation without any value has none.
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
TAUS = {
    level: Metric(name=name, title=f"τ-b, {title}", better="higher", unit="coefficient")
    for level, name, title in zip(
        LEVELS,
        ("tau_best_acc", "tau_avg_acc", "tau_architecture"),
        ("operations, best-acc", "operations, avg-acc", "architectures"),
        strict=True,
    )
}


def correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    """Per level the group's correlation with the landscape; None where the selector gives no such scores.

    None, too, where only what was selected is judged, as by final trainings.
    """
    if landscape.id not in group.correlations:
        group.correlations[landscape.id] = _correlations(landscape, group)
    return group.correlations[landscape.id]


def _correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    if not landscape.architectures:
        return dict.fromkeys(LEVELS)
    judged = group.judged(landscape)
    scores = group.decided if len(judged) == len(group.records) else None
    oracles = landscape.oracle_best, landscape.oracle_mean
    best, average = operation_levels(judged.records, oracles, scores) or (None, None)
    return dict(
        zip(
            LEVELS,
            (best, average, architecture_level(judged.records, judged.accuracies)),
            strict=True,
        )
    )


def quality(results: Results) -> Iterator[Series]:
    """Accuracies and rank correlations, landscape by landscape, selector by selector."""
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.judged(landscape)]
        for group in judged:
            reasons = _reasons(landscape, group)
            for metric, values in _qualities(landscape, group).items():
                yield Series(
                    metric=metric,
                    label=group.label,
                    search=searched(group),
                    place=_place(results, landscape, judged, group),
                    identity=content_id([_identity(group), landscape.id]),
                    values=values,
                    machines=list(group.machines),
                    undefined="" if values else reasons.get(metric, ""),
                )


def _reasons(landscape: Landscape, group: Group) -> dict[Metric, str]:
    """Return why each rank correlation of a group is undefined, in part or as a whole."""
    return {
        TAUS[level]: one.left_out
        for level, one in correlations(landscape, group).items()
        if one is not None
    }


def _place(
    results: Results, landscape: Landscape, judged: Sequence[Group], group: Group
) -> str:
    """Return where a group is judged, in words; with the images of its search where groups differ in them."""
    title = results.title(landscape)
    several = len({searched(other) for other in judged}) > 1
    return f"{title}, searched on {group.inputs.data.name}" if several else title


def accuracy_by_seed(landscape: Landscape, group: Group) -> dict[int, float]:
    """Return the accuracy of what was selected, by supernet seed."""
    known = group.known(landscape)
    return by_seed(known.means, known.seeds)


def is_sample(landscape: Landscape, group: Group) -> bool:
    """Return whether a group's cells are random draws of which the landscape knows the exact mean."""
    return group.uniform and landscape.mean is not None


def exact_means(results: Results) -> dict[tuple[str, str], float]:
    """Return by (place, label) of :func:`quality` what a random cell has, for groups that are random draws."""
    means = {}
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.judged(landscape)]
        for group in judged:
            if is_sample(landscape, group) and landscape.mean is not None:
                means[_place(results, landscape, judged, group), group.label] = (
                    landscape.mean
                )
    return means


def tau_by_seed(
    landscape: Landscape, group: Group, found: Correlation
) -> dict[int, float]:
    """Kendall's tau-b of one of the group's :func:`correlations`, by supernet seed."""
    return by_seed(found.per_seed, group.judged(landscape).seeds)


def costs(results: Results) -> Iterator[Series]:
    """Counts and seconds, of all phases and of each, selector by selector."""
    for group in results.groups:
        seeds = [record.inputs.supernet_seed for record in group.records]
        every = [record.cost for record in group.records]
        measured: dict[Metric, list[float]] = {}
        for name in COUNTS:
            phases = dict.fromkeys(phase for cost in every for phase in cost.counts)
            of_phase = {
                phase: [
                    float(getattr(cost.counts[phase], name))
                    if phase in cost.counts
                    else 0.0
                    for cost in every
                ]
                for phase in phases
            }
            measured[_cost(name, name, "count")] = [
                sum(own[place] for own in of_phase.values())
                for place in range(len(every))
            ]
            for phase, values in of_phase.items():
                measured[_cost(f"{phase}_{name}", f"{name}, {phase}", "count")] = values
        measured[_cost("seconds", "seconds", "seconds")] = group.seconds
        for phase, seconds in group.phases.items():
            measured[_cost(f"{phase}_seconds", f"seconds, {phase}", "seconds")] = (
                seconds
            )
        for metric, values in measured.items():
            where = searched(group)
            yield Series(
                metric=metric,
                label=group.label,
                search=where,
                place=where,
                identity=_identity(group),
                values=by_seed(values, seeds),
                machines=list(group.machines),
            )


def _qualities(landscape: Landscape, group: Group) -> dict[Metric, dict[int, float]]:
    found = correlations(landscape, group).items()
    taus = {
        TAUS[level]: tau_by_seed(landscape, group, own)
        for level, own in found
        if own is not None
    }
    return {ACCURACY: accuracy_by_seed(landscape, group), **taus}


def _cost(name: str, title: str, unit: Literal["count", "seconds"]) -> Metric:
    return Metric(name=name, title=title, better="lower", unit=unit)


def searched(group: Group) -> str:
    """On which space and images."""
    return f"{group.inputs.space}, {group.inputs.data.name}"


def _identity(group: Group) -> str:
    """Of the space and the images: not of supernet or selector, whose settings may be what is compared."""
    return content_id([group.inputs.space, group.inputs.data.model_dump(mode="json")])
