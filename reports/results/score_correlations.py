"""Rank correlations of a selector's scores with a truth, with intervals over seeds.

Undefined coefficients are counted by reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from archselect.benchmarks.store.records import Accuracy, OperationScore, Record, Scale
from archselect.nasbench_adapters.rank_correlations import Floats, Ints
from archselect.reports.results.deciding_scores import (
    DecidingScores,
    Oracle,
    deciding_scores,
)
from archselect.reports.statistics.correlations import (
    Coefficient,
    Coefficients,
    coefficient,
    coefficients,
)
from archselect.reports.statistics.intervals import COEFFICIENT, Interval, student

LEAST_OPERATIONS = 2
LEAST_ARCHITECTURES = 3
_OPERATIONS = "operations scored"
_ARCHITECTURES = "architectures scored"


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over the seeds of one selector.

    The value of a seed is the mean of its defined coefficients: one per round and edge,
    or a single one over architectures.

    Attributes:
        tau, rho: mean tau-b and mean rho over seeds, with intervals.
            per_seed, rho_per_seed: tau-b and rho of each seed; None if undefined.
            n: description of the correlated values, such as "4 seeds × 6 edges".
            size: number of all coefficients.
            undefined: number of undefined coefficients, by reason.
    """

    tau: Interval
    rho: Interval
    per_seed: tuple[float | None, ...]
    rho_per_seed: tuple[float | None, ...]
    n: str
    size: int
    undefined: Counter[str]

    @property
    def left_out(self) -> str:
        """A text on undefined coefficients and the reasons; empty if there are none."""
        if not self.undefined:
            return ""
        reasons = ", ".join(
            f"{reason} ({count})" for reason, count in sorted(self.undefined.items())
        )
        return f"{self.undefined.total()} of {self.size} undefined: {reasons}"


def correlate_operations(
    records: Sequence[Record],
    oracles: Sequence[Oracle],
    scores: DecidingScores | None = None,
) -> list[Correlation] | None:
    """Return the correlation of operation scores with each oracle, over seeds.

    There is a coefficient per round and edge; a record has their mean.

    Args:
        records: records of one selector.
        oracles: oracles to compare the scores with.
        scores: result of :func:`deciding_scores` for the records, if already computed.

    Returns:
        One correlation per oracle; None if the selector has no operation scores.
    """
    scores = scores or deciding_scores(records)
    if scores is None:
        return None
    every_oracle = coefficients(
        scores.values,
        [scores.look_up(oracle) for oracle in oracles],
        scores.score_counts,
        LEAST_OPERATIONS,
        _OPERATIONS,
    )
    n = _describe_operations(len(records), scores)
    return [
        _average_over_seeds(scores.seeds, of_oracle, scores.edge_counts, n)
        for of_oracle in every_oracle
    ]


def _describe_operations(records: int, scores: DecidingScores) -> str:
    """Return a description of the correlated operation scores."""
    seeds = _count(records, "seed")
    rounds = scores.distinct_rounds
    edges = scores.distinct_edges
    decided = len(scores.score_counts)
    if decided != records * rounds * edges:
        return f"{seeds}, {decided:,} decided edges"
    return f"{seeds} × {_count(rounds, 'round')} × {_count(edges, 'edge')}"


class _EdgeOfRound(NamedTuple):
    round: int
    cell: int
    edge: int


_EdgeCoefficients = dict[_EdgeOfRound, Coefficient]


@dataclass(frozen=True)
class Iteration:
    """The correlation of one iteration's scores with an oracle, over seeds.

    Attributes:
        correlation: correlation over all edges.
        edges: number of scored edges (in the round with the fewest).
        taus, rhos: tau-b and rho by (cell, edge), mean over seeds and rounds; without
            edges whose coefficients are all undefined.
    """

    correlation: Correlation
    edges: int
    taus: dict[tuple[int, int], float]
    rhos: dict[tuple[int, int], float]


def correlate_iterations(records: Sequence[Record], oracle: Oracle) -> list[Iteration]:
    """Return the correlation of operation scores with an oracle, by iteration.

    An iteration is a step of a round in which operations were scored, on any number of
    edges. Leave out iterations that only some seeds have. The list is empty if the
    selector has no operation scores.
    """
    by_record = [_correlate_steps(record, oracle) for record in records]
    seeds = [record.inputs.supernet_seed for record in records]
    in_all_records = min((len(steps) for steps in by_record), default=0)
    iterations = []
    for place in range(in_all_records):
        of_records = [steps[place] for steps in by_record]
        iterations.append(_summarise_iteration(seeds, of_records))
    return iterations


def _summarise_iteration(
    seeds: Sequence[int], by_record: Sequence[_EdgeCoefficients]
) -> Iteration:
    """Return one iteration, given each record's coefficients."""
    sizes = [len(of_record) for of_record in by_record]
    every: list[Coefficient] = []
    for of_record in by_record:
        every += of_record.values()
    n = f"{_count(len(by_record), 'seed')} × {_count(min(sizes), 'coefficient')}"
    return Iteration(
        correlation=_average_over_seeds(seeds, _join(every), np.array(sizes), n),
        edges=min(_fewest_edges(of_record) for of_record in by_record),
        taus=_average_by_edge(by_record, "tau"),
        rhos=_average_by_edge(by_record, "rho"),
    )


def _fewest_edges(of_record: _EdgeCoefficients) -> int:
    """Return the number of scored edges in the round with the fewest."""
    edges_by_round = Counter(where.round for where in of_record)
    return min(edges_by_round.values())


def _correlate_steps(record: Record, oracle: Oracle) -> list[_EdgeCoefficients]:
    """Return the coefficients of each iteration of one record."""
    scale = record.selected.operation_scale
    if scale is None:
        return []
    steps: dict[int, set[int]] = defaultdict(set)
    scores: dict[tuple[int, _EdgeOfRound], list[OperationScore]] = defaultdict(list)
    for score in record.selected.operation_scores:
        steps[score.round].add(score.step)
        where = _EdgeOfRound(score.round, score.cell, score.edge)
        scores[score.step, where].append(score)
    iteration_of_step: dict[tuple[int, int], int] = {}
    for round_, of_round in steps.items():
        for iteration, step in enumerate(sorted(of_round)):
            iteration_of_step[round_, step] = iteration
    most = max((len(of_round) for of_round in steps.values()), default=0)
    iterations: list[_EdgeCoefficients] = [{} for _ in range(most)]
    for (step, where), scored in sorted(scores.items()):
        iteration = iteration_of_step[where.round, step]
        worth = oracle[where.cell][where.edge]
        iterations[iteration][where] = coefficient(
            [score.value for score in scored],
            [worth[score.choice] for score in scored],
            scale.better,
            LEAST_OPERATIONS,
            _OPERATIONS,
        )
    return iterations


def _average_by_edge(
    by_record: Sequence[_EdgeCoefficients], kind: Literal["tau", "rho"]
) -> dict[tuple[int, int], float]:
    """Return the mean of the defined coefficients of each (cell, edge)."""
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for of_record in by_record:
        for where, one in sorted(of_record.items()):
            value = getattr(one, kind)
            if value is not None:
                values[where.cell, where.edge].append(value)
    return {edge: float(np.mean(of_edge)) for edge, of_edge in sorted(values.items())}


@dataclass
class _ScoredArchitectures:
    """The scored architectures with a known accuracy, one record after the other.

    Attributes:
        scores: scores; higher is better.
        truth: accuracy of each architecture.
        sizes: number of architectures of each record.
        unknown: number of further architectures without a known accuracy.
    """

    scores: list[float] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    unknown: int = 0

    def describe(self) -> str:
        """Return a description with the numbers of architectures."""
        fewest = min(self.sizes, default=0)
        most = max(self.sizes, default=0)
        many = f"{fewest} to {most} architectures"
        if fewest == most:
            many = _count(most, "architecture")
        absent = f", {self.unknown} more not in the table" if self.unknown else ""
        return f"{_count(len(self.sizes), 'seed')} × {many}{absent}"


def correlate_architectures(
    records: Sequence[Record], accuracies: Sequence[Accuracy]
) -> Correlation | None:
    """Return the correlation of architecture scores with the truth, over seeds.

    The truth of an architecture is its mean accuracy over trials. An architecture with
    several scores counts once, with their mean. Architectures without a known accuracy
    do not count; `n` gives their number.

    Args:
        records: records of one selector.
        accuracies: accuracy of each record in the truth.

    Returns:
        The correlation; None if the selector has no architecture scores, or if their
        accuracies were not looked up.
    """
    together = _ScoredArchitectures()
    for record, accuracy in zip(records, accuracies, strict=True):
        scored = record.selected.architecture_scores
        scale = record.selected.architecture_scale
        if scale is None or (scored and not accuracy.scored):
            return None
        scores, truth = _distinct_architectures(record, accuracy)
        if None in accuracy.scored:
            distinct = {score.architecture for score in scored}
            together.unknown += len(distinct) - len(scores)
        if scale.better == "lower":
            scores = [-score for score in scores]
        together.sizes.append(len(scores))
        together.scores += scores
        together.truth += truth
    (of_truth,) = coefficients(
        np.array(together.scores, dtype=np.float64),
        [np.array(together.truth, dtype=np.float64)],
        np.array(together.sizes, dtype=np.int64),
        LEAST_ARCHITECTURES,
        _ARCHITECTURES,
    )
    return _average_over_seeds(
        [record.inputs.supernet_seed for record in records],
        of_truth,
        np.ones(len(records), dtype=np.int64),
        together.describe(),
    )


def operation_scale(records: Sequence[Record]) -> Scale | None:
    """Return the scale of the selector's operation scores; None if it has none."""
    return next((record.selected.operation_scale for record in records), None)


def architecture_scale(records: Sequence[Record]) -> Scale | None:
    """Return the scale of the selector's architecture scores; None if it has none."""
    return next((record.selected.architecture_scale for record in records), None)


def mean_by_seed(
    values: Sequence[float | None], seeds: Sequence[int]
) -> dict[int, float]:
    """Return the mean of each supernet seed's values, ignoring None.

    Selections from one supernet are not independent, so intervals are over supernets.
    """
    by_seed: dict[int, list[float]] = defaultdict(list)
    for value, seed in zip(values, seeds, strict=True):
        if value is not None:
            by_seed[seed].append(value)
    return {seed: _mean(of_seed) for seed, of_seed in by_seed.items()}


def means_of_supernets(
    values: Sequence[float | None], seeds: Sequence[int]
) -> list[float]:
    """Return the means of :func:`mean_by_seed` without the seeds."""
    return list(mean_by_seed(values, seeds).values())


def _mean(values: Sequence[float]) -> float:
    """Return the mean; return a single value unchanged."""
    return values[0] if len(values) == 1 else float(np.mean(values))


def _average_over_seeds(
    seeds: Sequence[int], of_all: Coefficients, sizes: Ints, n: str
) -> Correlation:
    """Return the correlation over seeds.

    Args:
        seeds: supernet seed of each record.
            of_all: coefficients of all records, one record after the other.
            sizes: number of coefficients of each record.
            n: description of the correlated values.
    """
    taus = _means(of_all.tau, sizes)
    rhos = _means(of_all.rho, sizes)
    return Correlation(
        tau=student(means_of_supernets(taus, seeds), COEFFICIENT),
        rho=student(means_of_supernets(rhos, seeds), COEFFICIENT),
        per_seed=tuple(taus),
        rho_per_seed=tuple(rhos),
        n=n,
        size=len(of_all.tau),
        undefined=of_all.undefined,
    )


def _means(values: Floats, sizes: Ints) -> list[float | None]:
    """Return the mean of each part, ignoring NaN; None for a part without numbers.

    Parts of equal length are averaged together, which is fast for many small parts.
    """
    known = ~np.isnan(values)
    part_of_value = np.repeat(np.arange(len(sizes)), sizes)[known]
    counts = np.bincount(part_of_value, minlength=len(sizes))
    numbers = values[known]
    starts = np.cumsum(counts) - counts
    means = np.full(len(sizes), np.nan)
    distinct_counts = np.flatnonzero(np.bincount(counts[counts > 0]))
    for count in distinct_counts.tolist():
        parts = np.flatnonzero(counts == count)
        rows = starts[parts, None] + np.arange(count)
        means[parts] = numbers[rows].mean(axis=1)
    has_numbers = (counts > 0).tolist()
    return [
        mean if has_number else None
        for mean, has_number in zip(means.tolist(), has_numbers, strict=True)
    ]


def _join(every: Sequence[Coefficient]) -> Coefficients:
    """Return single coefficients as arrays."""
    taus = [one.tau for one in every]
    rhos = [one.rho for one in every]
    return Coefficients(
        tau=np.array(taus, dtype=np.float64),
        rho=np.array(rhos, dtype=np.float64),
        undefined=Counter(one.reason for one in every if one.reason),
    )


def _distinct_architectures(
    record: Record, accuracy: Accuracy
) -> tuple[list[float], list[float]]:
    """Return scores and accuracies of the architectures with a known accuracy.

    An architecture with several scores has their mean.
    """
    columns = record.selected.architecture_scores.lists()
    names = columns["architecture"]
    scored = zip(names, columns["value"], accuracy.scored, strict=True)
    scores: dict[str, list[float]] = defaultdict(list)
    truth: dict[str, float] = {}
    for architecture, score, value in scored:
        if value is not None:
            scores[architecture].append(score)
            truth[architecture] = value
    if len(scores) == len(names):
        return [values[0] for values in scores.values()], list(truth.values())
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is reported later
        means = [_mean_of_equal(values) for values in scores.values()]
    return means, list(truth.values())


def _mean_of_equal(values: Sequence[float]) -> float:
    """Return the mean; for equal values, also infinite ones, the value itself."""
    return values[0] if len(set(values)) == 1 else float(np.mean(values))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
