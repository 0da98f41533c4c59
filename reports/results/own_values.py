"""A study's values that correspond to a published number, one per run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from archselect.benchmarks.store.records import Landscape, Record
from archselect.reports.published.numbers import PublishedNumber
from archselect.reports.published.released_oracles import released_oracle
from archselect.reports.results.deciding_scores import Oracle
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import (
    Iteration,
    correlate_iterations,
    means_of_supernets,
)

TIMES = {"seconds": 1.0, "search_minutes": 60.0, "search_gpu_days": 86_400.0}
"""Metrics of wall-clock time, with the number of seconds in their unit."""
CORRELATION = re.compile(
    r"(?P<kind>kendall|spearman)_vs_(?P<oracle>best|avg)_acc(_iteration_(?P<iteration>\d+))?"
)
"""Metrics of operation scores; without an iteration, they mean the first."""
TABLE_ORACLE = "table"
"""Name in `published.csv` for the oracle of the benchmark's whole table."""

OracleKind = Literal["best", "avg"]


class Incomparable(Exception):
    """Reason why a published number and ours are not comparable."""


@dataclass(frozen=True)
class OwnValues:
    """One value per run, in the unit of a published number.

    Attributes:
        values: value of each run.
        seeds: supernet seed of each run.
        higher: whether higher is better.
        lowest, highest: bounds of possible values.
        landscape: landscape of the accuracies; None for other values.
    """

    values: list[float]
    seeds: list[int]
    higher: bool
    lowest: float
    highest: float
    landscape: Landscape | None = None

    @property
    def independent(self) -> list[float]:
        """One value per supernet, because its selections are not independent."""
        return means_of_supernets(self.values, self.seeds)


def values_like(results: Results, row: PublishedNumber, group: Group) -> OwnValues:
    """Return the group's values that correspond to a published number.

    Raises Incomparable if it has none.
    """
    if row.metric in TIMES:
        raise Incomparable("it is wall-clock time on another device")
    if row.metric in ("test_error_percent", "test_accuracy_percent"):
        return _accuracies(results, row, group)
    if row.metric == "params_millions":
        return _parameters(results, row, group)
    if CORRELATION.fullmatch(row.metric):
        return _correlations(results, row, group)
    raise Incomparable(f"studies do not measure {row.metric}")


def times_like(row: PublishedNumber, group: Group) -> OwnValues:
    """Return the wall-clock time of a group's runs, in the published number's unit."""
    unit = TIMES[row.metric]
    return OwnValues(
        values=[seconds / unit for seconds in group.seconds],
        seeds=_supernet_seeds(group.records),
        higher=False,
        lowest=0.0,
        highest=math.inf,
    )


def _supernet_seeds(records: Iterable[Record]) -> list[int]:
    return [record.inputs.supernet_seed for record in records]


def _accuracies(results: Results, row: PublishedNumber, group: Group) -> OwnValues:
    """Return accuracies or errors, in per cent."""
    landscape = _landscape(results, row, group)
    known = group.known(landscape)
    lowest = 0.0
    highest = 100.0
    if landscape.quantiles:
        lowest = landscape.quantiles[0]
        highest = landscape.quantiles[-1]
    if row.metric == "test_accuracy_percent":
        return OwnValues(
            values=known.means,
            seeds=known.seeds,
            higher=True,
            lowest=lowest,
            highest=highest,
            landscape=landscape,
        )
    return OwnValues(
        values=[100 - mean for mean in known.means],
        seeds=known.seeds,
        higher=False,
        lowest=100 - highest,
        highest=100 - lowest,
        landscape=landscape,
    )


def _landscape(results: Results, row: PublishedNumber, group: Group) -> Landscape:
    """Return the landscape whose accuracies correspond to a published number.

    Raises Incomparable if there is none.
    """
    judging = [landscape for landscape in results.landscapes if group.known(landscape)]
    for landscape in judging:
        if landscape.dataset == row.dataset and _is_same_kind(row, landscape):
            return landscape
    wanted = f"{row.split} at {row.epochs} epochs, measured"
    if row.training_protocol:
        wanted = f"protocol {row.training_protocol}"
    present = [
        f"{results.title(landscape)} ({landscape.truth})" for landscape in judging
    ]
    raise Incomparable(
        f"it is for {row.dataset}, {wanted}; ours: {', '.join(present) or 'none'}"
    )


def _is_same_kind(row: PublishedNumber, landscape: Landscape) -> bool:
    """Return whether both share the training protocol, or the split and epochs."""
    if row.training_protocol:
        return landscape.truth == f"trained: {row.training_protocol}"
    looked_up = (
        landscape.provenance == "measured"
        and not landscape.surrogate
        and landscape.architectures > 0
    )
    same_split = landscape.split == row.split and landscape.epochs == row.epochs
    return looked_up and same_split


def _parameters(results: Results, row: PublishedNumber, group: Group) -> OwnValues:
    """Return the parameters of the selected, trained networks, in millions.

    Raises Incomparable if a network was not trained with the number's protocol.
    """
    sizes = {
        training.inputs.architecture: training.parameters / 1e6
        for training in results.trainings
        if training.inputs.protocol == row.training_protocol and not training.overrides
    }
    selected = [record.selected.architecture for record in group.records]
    values = [sizes[architecture] for architecture in selected if architecture in sizes]
    if not values or len(values) < len(selected):
        raise Incomparable(
            f"it is for networks trained with protocol {row.training_protocol}"
        )
    return OwnValues(
        values=values,
        seeds=_supernet_seeds(group.records),
        higher=False,
        lowest=0.0,
        highest=math.inf,
    )


def _correlations(results: Results, row: PublishedNumber, group: Group) -> OwnValues:
    """Return each run's rank correlation with the number's oracle, mean over edges.

    Raises Incomparable if the iteration, the edges or the oracle differ from ours.
    """
    metric = CORRELATION.fullmatch(row.metric)
    assert metric is not None
    kind: OracleKind = "best" if metric["oracle"] == "best" else "avg"
    judged = _runs_and_oracle(results, row, group, kind)
    iteration = _iteration(judged, int(metric["iteration"] or 0))
    correlation = iteration.correlation
    values: list[float] = []
    seeds: list[int] = []
    of_runs = correlation.rho_per_seed
    if metric["kind"] == "kendall":
        of_runs = correlation.per_seed
    for value, seed in zip(of_runs, _supernet_seeds(judged.records), strict=True):
        if value is not None:
            values.append(value)
            seeds.append(seed)
    if not values:
        raise Incomparable("it is undefined for ours")
    return OwnValues(values, seeds, higher=True, lowest=-1.0, highest=1.0)


class _RunsAndOracle(NamedTuple):
    """Runs, and the oracle of the published number for their operations."""

    records: Sequence[Record]
    oracle: Oracle


def _iteration(judged: _RunsAndOracle, iteration: int) -> Iteration:
    """Return the correlations of an iteration that scored all edges at once.

    Raises Incomparable if there is no such iteration.
    """
    iterations = correlate_iterations(judged.records, judged.oracle)
    if not iterations:
        raise Incomparable("the selector does not score operations")
    edges = sum(len(cell_edges) for cell_edges in judged.records[0].selected.edges)
    at_once = iterations[0].edges
    if at_once < edges:
        raise Incomparable(
            f"it scores all {edges} edges at once; ours scores {at_once} at a time"
        )
    if iteration >= len(iterations):
        raise Incomparable(
            f"it is for iteration {iteration}; ours ends with iteration {len(iterations) - 1}"
        )
    return iterations[iteration]


def _runs_and_oracle(
    results: Results, row: PublishedNumber, group: Group, kind: OracleKind
) -> _RunsAndOracle:
    """Return the runs, and the oracle of the published number.

    Raises Incomparable if that oracle is not known for their operations.
    """
    if row.oracle == TABLE_ORACLE:
        landscape = _landscape(results, row, group)
        table = landscape.oracle_best if kind == "best" else landscape.oracle_mean
        return _RunsAndOracle(group.judged(landscape).records, table)
    selected = group.records[0].selected
    released = released_oracle(
        row.oracle,
        group.inputs.space,
        row.dataset,
        "best_acc" if kind == "best" else "avg_acc",
        selected.edges,
        selected.operations,
    )
    if released is None:
        name = row.oracle or "an unknown oracle"
        raise Incomparable(
            f"its oracle is {name}, which is not known for our operations"
        )
    return _RunsAndOracle(group.records, released)
