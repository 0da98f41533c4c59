"""What is compared between selectors and between folders of records: one value per supernet seed, place and metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archselect.benchmarks.records import Landscape, Machine, content_id
from archselect.reports.results import Group, Results, total_seconds
from archselect.reports.stats import Correlation, architecture_level, by_seed, operation_level

LEVELS = ("operation, best-acc", "operation, avg-acc", "architecture")
COUNTS = ("forwards", "backwards", "images", "flops")


@dataclass(frozen=True)
class Metric:
    """One thing that is measured of a run.

    Attributes:
        name: as gates name it.
        title: as tables show it.
        better: which way.
        unit: points, a coefficient, a count (exact, the same on every machine) or seconds.
    """

    name: str
    title: str
    better: str
    unit: str


@dataclass(frozen=True)
class Series:
    """The values of one metric for one selector at one place, by supernet seed; the mean over its selection seeds.

    `search` says on which space and data was searched, `place` where the value is measured: a truth's column, or the
    search itself. `identity` is a hash of the place, the images and the truth: equal ones can be compared, though
    they are of two folders. `machines` are those that the runs were made on, `missing` counts the runs without a value.
    """

    metric: Metric
    label: str
    search: str
    place: str
    identity: str
    values: dict[int, float]
    machines: frozenset[Machine]
    missing: int = 0


ACCURACY = Metric("accuracy", "accuracy", "higher", "points")
TAUS = {
    "operation, best-acc": Metric("tau_best_acc", "τ-b, operations, best-acc", "higher", "coefficient"),
    "operation, avg-acc": Metric("tau_avg_acc", "τ-b, operations, avg-acc", "higher", "coefficient"),
    "architecture": Metric("tau_architecture", "τ-b, architectures", "higher", "coefficient"),
}


def correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    """Per level the group's correlation with the landscape; None where the selector gives no such scores.

    None, too, where only what was selected is judged, as by final trainings.
    """
    if not landscape.architectures:
        return dict.fromkeys(LEVELS)
    pairs = group.accuracies(landscape)
    records = [record for record, _ in pairs]
    best, average, architecture = LEVELS
    return {
        best: operation_level(records, landscape.oracle_best),
        average: operation_level(records, landscape.oracle_mean),
        architecture: architecture_level(pairs),
    }


def quality(results: Results) -> Iterator[Series]:
    """Accuracies and rank correlations, landscape by landscape, selector by selector."""
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.accuracies(landscape)]
        several = len({_searched(group) for group in judged}) > 1
        title = results.title(landscape)
        for group in judged:
            pairs = group.accuracies(landscape)
            seeds = [record.inputs.supernet_seed for record, _ in pairs]
            measured = {ACCURACY: [accuracy.mean for _, accuracy in pairs]}
            for level, found in correlations(landscape, group).items():
                if found is not None:
                    measured[TAUS[level]] = list(found.per_seed)
            for metric, values in measured.items():
                yield Series(
                    metric,
                    group.label,
                    _searched(group),
                    f"{title}, searched on {group.inputs.data.name}" if several else title,
                    content_id([_identity(group), landscape.id]),
                    by_seed(values, seeds),
                    _machines(group),
                    sum(value is None for value in values),
                )


def costs(results: Results) -> Iterator[Series]:
    """Counts and seconds, of all phases and of each, selector by selector."""
    for group in results.groups:
        seeds = [record.inputs.supernet_seed for record in group.records]
        every = [record.cost for record in group.records]
        measured: dict[Metric, list[float]] = {}
        for name in COUNTS:
            phases = dict.fromkeys(phase for cost in every for phase in cost.counts)
            of_phase = {
                phase: [float(getattr(cost.counts[phase], name)) if phase in cost.counts else 0.0 for cost in every]
                for phase in phases
            }
            measured[Metric(name, name, "lower", "count")] = [sum(own) for own in zip(*of_phase.values(), strict=True)]
            for phase, values in of_phase.items():
                measured[Metric(f"{phase}_{name}", f"{name}, {phase}", "lower", "count")] = values
        phases = dict.fromkeys(phase for cost in every for phase in cost.phases)
        measured[Metric("seconds", "seconds", "lower", "seconds")] = [total_seconds(r) for r in group.records]
        for phase in phases:
            measured[Metric(f"{phase}_seconds", f"seconds, {phase}", "lower", "seconds")] = [
                cost.phases[phase].seconds if phase in cost.phases else 0.0 for cost in every
            ]
        for metric, values in measured.items():
            where = _searched(group)
            yield Series(metric, group.label, where, where, _identity(group), by_seed(values, seeds), _machines(group))


def _searched(group: Group) -> str:
    return f"{group.inputs.space}, {group.inputs.data.name}"


def _identity(group: Group) -> str:
    """Of the space and the images: not of supernet or selector, whose settings may be what is compared."""
    return content_id([group.inputs.space, group.inputs.data.model_dump(mode="json")])


def _machines(group: Group) -> frozenset[Machine]:
    return frozenset(record.cost.machine for record in group.records)
