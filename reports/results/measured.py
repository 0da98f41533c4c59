"""A study's own values of the kind that a published number is, one per run, in the number's unit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archselect.benchmarks.store.records import Landscape, Record
from archselect.reports.published.numbers import Published
from archselect.reports.published.released_oracles import released_oracle
from archselect.reports.results.results import Group, Results
from archselect.reports.results.tau import by_supernet, iterations

TIMES = {"seconds": 1.0, "search_minutes": 60.0, "search_gpu_days": 86_400.0}
"""Metrics of wall clock, and how many seconds a unit of each has."""
CORRELATION = re.compile(
    r"(?P<kind>kendall|spearman)_vs_(?P<oracle>best|avg)_acc(_iteration_(?P<iteration>\d+))?"
)
"""Metrics of operation scores; of the first iteration where none is named."""
TABLE_ORACLE = "table"
"""The oracle of the benchmark's whole table, as `published.csv` names it."""


class Incomparable(Exception):
    """Why a published number and ours cannot be held against each other, in a few words."""


@dataclass(frozen=True)
class Ours:
    """One value per run in the published number's unit.

    Attributes:
        values: of each run.
        seeds: of each run, its supernet's.
        higher: whether higher is better.
        lowest, highest: between what any such value must lie.
        landscape: whose accuracies these are, None for other values.
    """

    values: list[float]
    seeds: list[int]
    higher: bool
    lowest: float
    highest: float
    landscape: Landscape | None = None

    @property
    def independent(self) -> list[float]:
        """One value per supernet: selections from one supernet are no independent runs."""
        return by_supernet(self.values, self.seeds)


def measured(results: Results, row: Published, group: Group) -> Ours:
    """Return the group's values of the published number's kind.

    Raises Incomparable if it has none.
    """
    if row.metric in TIMES:
        raise Incomparable("wall clock of another device")
    if row.metric in ("test_error_percent", "test_accuracy_percent"):
        return _accuracies(results, row, group)
    if row.metric == "params_millions":
        return Ours(
            _parameters(results, row, group),
            _seeds(group.records),
            False,
            0.0,
            math.inf,
        )
    if CORRELATION.fullmatch(row.metric):
        return _correlations(results, row, group)
    raise Incomparable(f"no study of selectors measures {row.metric}")


def times(row: Published, group: Group) -> Ours:
    """Return the wall clock of the group's runs, in the published number's unit."""
    values = [seconds / TIMES[row.metric] for seconds in group.seconds]
    return Ours(values, _seeds(group.records), False, 0.0, math.inf)


def _seeds(records: Iterable[Record]) -> list[int]:
    return [record.inputs.supernet_seed for record in records]


def _accuracies(results: Results, row: Published, group: Group) -> Ours:
    landscape = _landscape(results, row, group)
    known = group.known(landscape)
    lowest, highest = (
        (landscape.quantiles[0], landscape.quantiles[-1])
        if landscape.quantiles
        else (0.0, 100.0)
    )
    if row.metric == "test_accuracy_percent":
        return Ours(known.means, known.seeds, True, lowest, highest, landscape)
    errors = [100 - mean for mean in known.means]
    return Ours(errors, known.seeds, False, 100 - highest, 100 - lowest, landscape)


def _landscape(results: Results, row: Published, group: Group) -> Landscape:
    """The landscape whose accuracies are of the published number's kind.

    Raises Incomparable.
    """
    judged = [landscape for landscape in results.landscapes if group.known(landscape)]
    for landscape in judged:
        if landscape.dataset == row.dataset and _same_kind(row, landscape):
            return landscape
    wanted = f"{row.split} at {row.epochs} epochs, measured"
    if row.training_protocol:
        wanted = f"protocol {row.training_protocol}"
    there = ", ".join(
        f"{results.title(landscape)} ({landscape.truth})" for landscape in judged
    )
    raise Incomparable(f"it is of {row.dataset}, {wanted}; ours: {there or 'none'}")


def _same_kind(row: Published, landscape: Landscape) -> bool:
    if row.training_protocol:
        return landscape.truth == f"trained: {row.training_protocol}"
    looked_up = (
        landscape.provenance == "measured"
        and not landscape.surrogate
        and landscape.architectures > 0
    )
    return looked_up and (landscape.split, landscape.epochs) == (row.split, row.epochs)


def _parameters(results: Results, row: Published, group: Group) -> list[float]:
    """Millions of parameters of the trained networks of what was selected, one per run.

    Raises Incomparable.
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
            f"it is of networks trained by protocol {row.training_protocol}"
        )
    return values


def _correlations(results: Results, row: Published, group: Group) -> Ours:
    """Each run's rank correlation with the number's oracle at its iteration, mean over edges. Raises Incomparable."""
    matched = CORRELATION.fullmatch(row.metric)
    assert matched is not None
    iteration = int(matched["iteration"] or 0)
    records, oracle = _oracle(results, row, group, matched["oracle"])
    of_iterations = iterations(records, oracle)
    if not of_iterations:
        raise Incomparable("the selector gives no scores of operations")
    every = sum(map(len, records[0].selected.edges))
    if of_iterations[0].edges < every:
        at_once = of_iterations[0].edges
        raise Incomparable(
            f"it is of scores of all {every} edges at once, and ours are of {at_once} at a time"
        )
    if iteration >= len(of_iterations):
        raise Incomparable(
            f"it is of iteration {iteration}, and ours ends with {len(of_iterations) - 1}"
        )
    correlation = of_iterations[iteration].correlation
    of_runs = (
        correlation.per_seed
        if matched["kind"] == "kendall"
        else correlation.rho_per_seed
    )
    pairs = zip(of_runs, _seeds(records), strict=True)
    defined = [(value, seed) for value, seed in pairs if value is not None]
    if not defined:
        raise Incomparable("it is undefined for ours")
    return Ours(
        [value for value, _ in defined], [seed for _, seed in defined], True, -1.0, 1.0
    )


def _oracle(
    results: Results, row: Published, group: Group, kind: str
) -> tuple[Sequence[Record], list[list[list[float]]]]:
    """The runs, and the oracle that the published number is of for their operations.

    Raises Incomparable.
    """
    if row.oracle == TABLE_ORACLE:
        landscape = _landscape(results, row, group)
        table = landscape.oracle_best if kind == "best" else landscape.oracle_mean
        return group.judged(landscape).records, table
    selected = group.records[0].selected
    values = released_oracle(
        row.oracle,
        group.inputs.space,
        row.dataset,
        f"{kind}_acc",
        selected.edges,
        selected.operations,
    )
    if values is None:
        raise Incomparable(
            f"another oracle: it is of {row.oracle or 'one that is not on record'}, not known for ours"
        )
    return group.records, values
