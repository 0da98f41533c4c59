"""Rank correlation of scores with a truth, and its interval over seeds.

What is undefined is counted by reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archselect.benchmarks.store.records import Accuracy, OperationScore, Record, Scale
from archselect.nasbench_adapters.rank_correlations import Floats, Ints
from archselect.reports.results.decided import Decided, decided
from archselect.reports.statistics.correlations import (
    Coefficient,
    Coefficients,
    coefficient,
    coefficients,
)
from archselect.reports.statistics.intervals import COEFFICIENT, Interval, student

LEAST_ARCHITECTURES = 3


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over the seeds of one selector.

    `tau` and `rho` are over seeds; `per_seed` is each seed's tau-b and `rho_per_seed`
    its rho, None where undefined. Within a seed the mean is over the defined
    `coefficients` (per round and edge, or the one over architectures); `undefined`
    counts the others by reason. `n` says what was correlated, `size` how many
    coefficients there are in all.
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
        """How many coefficients are undefined and why, in words; empty if none is."""
        reasons = ", ".join(
            f"{reason} ({count})" for reason, count in sorted(self.undefined.items())
        )
        return (
            f"{self.undefined.total()} of {self.size} undefined: {reasons}"
            if self.undefined
            else ""
        )


def operation_levels(
    records: Sequence[Record],
    oracles: Sequence[list[list[list[float]]]],
    scores: Decided | None = None,
) -> list[Correlation] | None:
    """Operation scores against each `oracle[cell][edge][choice]`: per round and edge, averaged, then over records.

    None where the selector gives no scores. `scores` are what :func:`decided` has of
    the records, where that is known.
    """
    scores = scores or decided(records)
    if scores is None:
        return None
    found = coefficients(
        scores.values,
        list(map(scores.by, oracles)),
        scores.sizes,
        2,
        "operations scored",
    )
    rounds, edges, total = (
        scores.distinct_rounds,
        scores.distinct_edges,
        len(scores.sizes),
    )
    n = f"{_count(len(records), 'seed')} × {_count(rounds, 'round')} × {_count(edges, 'edge')}"
    if total != len(records) * rounds * edges:
        n = f"{_count(len(records), 'seed')}, {total:,} decided edges"
    return [_over_seeds(scores.seeds, own, scores.edges, n) for own in found]


@dataclass(frozen=True)
class Iteration:
    """The scores of one iteration of a selector against an oracle, over seeds.

    `edges` is how many edges were scored (in the round with the fewest); `taus` and
    `rhos` are by (cell, edge), mean over seeds and rounds, and without the edges whose
    coefficient is undefined in all of them.
    """

    correlation: Correlation
    edges: int
    taus: dict[tuple[int, int], float]
    rhos: dict[tuple[int, int], float]


def iterations(
    records: Sequence[Record], oracle: list[list[list[float]]]
) -> list[Iteration]:
    """Operation scores against `oracle[cell][edge][choice]`, iteration by iteration of a round; [] without scores.

    An iteration is a step at which operations were scored, of however many edges. Those
    that only some seeds have are left out.
    """
    per_record = [_by_iteration(record, oracle) for record in records]
    seeds, found = [record.inputs.supernet_seed for record in records], []
    for place in range(min(map(len, per_record), default=0)):
        own = [rows[place] for rows in per_record]
        every = [value for row in own for value in row.values()]
        n = f"{_count(len(records), 'seed')} × {_count(min(map(len, own)), 'coefficient')}"
        found.append(
            Iteration(
                _over_seeds(
                    seeds, _joined(every), np.array([len(row) for row in own]), n
                ),
                min(
                    min(Counter(round_ for round_, _, _ in row).values()) for row in own
                ),
                _edge_means(own, "tau"),
                _edge_means(own, "rho"),
            )
        )
    return found


def _by_iteration(
    record: Record, oracle: list[list[list[float]]]
) -> list[dict[tuple[int, int, int], Coefficient]]:
    """Per iteration the coefficients by (round, cell, edge)."""
    scale = record.selected.operation_scale
    if scale is None:
        return []
    steps: dict[int, set[int]] = defaultdict(set)
    scores: dict[tuple[int, int, int, int], list[OperationScore]] = defaultdict(list)
    for score in record.selected.operation_scores:
        steps[score.round].add(score.step)
        scores[score.step, score.round, score.cell, score.edge].append(score)
    places = {
        round_: {step: place for place, step in enumerate(sorted(own))}
        for round_, own in steps.items()
    }
    found: list[dict[tuple[int, int, int], Coefficient]] = [
        {} for _ in range(max(map(len, steps.values()), default=0))
    ]
    for (step, round_, cell, edge), scored in sorted(scores.items()):
        truth = [oracle[cell][edge][score.choice] for score in scored]
        values = [score.value for score in scored]
        found[places[round_][step]][round_, cell, edge] = coefficient(
            values, truth, scale.better, 2, "operations scored"
        )
    return found


def _edge_means(
    rows: Sequence[dict[tuple[int, int, int], Coefficient]], kind: str
) -> dict[tuple[int, int], float]:
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        for (_, cell, edge), own in sorted(row.items()):
            if (value := getattr(own, kind)) is not None:
                values[cell, edge].append(value)
    return {edge: float(np.mean(own)) for edge, own in sorted(values.items())}


def architecture_level(
    records: Sequence[Record], accuracies: Sequence[Accuracy]
) -> Correlation | None:
    """Architecture scores against the trial-mean accuracy of the same architectures, over records.

    An architecture scored more than once counts once, with the mean of its scores; one
    that the truth does not know counts not at all, which n says. None where the
    selector gives none, or none of them was judged.
    """
    scores: list[float] = []
    truth: list[float] = []
    sizes: list[int] = []
    unknown = 0
    for record, accuracy in zip(records, accuracies, strict=True):
        scored = record.selected.architecture_scores
        scale = record.selected.architecture_scale
        if scale is None or (scored and not accuracy.scored):
            return None
        own, its_truth = _distinct(record, accuracy)
        if None in accuracy.scored:
            unknown += len({score.architecture for score in scored}) - len(own)
        sizes.append(len(own))
        scores += own if scale.better == "higher" else [-score for score in own]
        truth += its_truth
    every_score, every_accuracy = (
        np.array(every, dtype=np.float64) for every in (scores, truth)
    )
    lengths = np.array(sizes, dtype=np.int64)
    (found,) = coefficients(
        every_score,
        [every_accuracy],
        lengths,
        LEAST_ARCHITECTURES,
        "architectures scored",
    )
    low, high = min(sizes, default=0), max(sizes, default=0)
    many = (
        _count(high, "architecture")
        if low == high
        else f"{low} to {high} architectures"
    )
    absent = f", {unknown} more not in the table" if unknown else ""
    n = f"{_count(len(records), 'seed')} × {many}{absent}"
    return _over_seeds(
        [r.inputs.supernet_seed for r in records],
        found,
        np.ones(len(records), dtype=np.int64),
        n,
    )


def operation_scale(records: Sequence[Record]) -> Scale | None:
    """What the selector's operation scores are, None where it gives none."""
    return next((record.selected.operation_scale for record in records), None)


def architecture_scale(records: Sequence[Record]) -> Scale | None:
    """What the selector's architecture scores are, None where it gives none."""
    return next((record.selected.architecture_scale for record in records), None)


def by_seed(values: Sequence[float | None], seeds: Sequence[int]) -> dict[int, float]:
    """The mean of the values of each supernet seed, without those that are None.

    Selections from one supernet are no independent runs, so that intervals are over
    supernets.
    """
    pairs = [
        (seed, value)
        for value, seed in zip(values, seeds, strict=True)
        if value is not None
    ]
    each = dict(pairs)
    if len(each) == len(pairs):
        return each
    found: dict[int, list[float]] = defaultdict(list)
    for seed, value in pairs:
        found[seed].append(value)
    return {
        seed: own[0] if len(own) == 1 else float(np.mean(own))
        for seed, own in found.items()
    }


def by_supernet(values: Sequence[float | None], seeds: Sequence[int]) -> list[float]:
    """What :func:`by_seed` has, without the seeds."""
    return list(by_seed(values, seeds).values())


def _over_seeds(
    seeds: Sequence[int], found: Coefficients, sizes: Ints, n: str
) -> Correlation:
    """The correlation of records of these supernet seeds, of which each has so many of the coefficients."""
    taus, rhos = _means(found.tau, sizes), _means(found.rho, sizes)
    return Correlation(
        tau=student(by_supernet(taus, seeds), COEFFICIENT),
        rho=student(by_supernet(rhos, seeds), COEFFICIENT),
        per_seed=tuple(taus),
        rho_per_seed=tuple(rhos),
        n=n,
        size=len(found.tau),
        undefined=found.undefined,
    )


def _means(values: Floats, sizes: Ints) -> list[float | None]:
    """The mean of each part of so many values, without those that are nan; None where there is no other."""
    known = ~np.isnan(values)
    of = np.repeat(np.arange(len(sizes)), sizes)[known]
    counts = np.bincount(of, minlength=len(sizes))
    values, starts = values[known], np.cumsum(counts) - counts
    found = np.full(len(sizes), np.nan)
    for count in np.flatnonzero(np.bincount(counts[counts > 0])).tolist():
        parts = np.flatnonzero(counts == count)
        found[parts] = values[starts[parts, None] + np.arange(count)].mean(axis=1)
    return [
        None if none else mean
        for mean, none in zip(found.tolist(), (counts == 0).tolist(), strict=True)
    ]


def _joined(every: Sequence[Coefficient]) -> Coefficients:
    taus, rhos = (
        np.array([getattr(own, kind) for own in every], dtype=np.float64)
        for kind in ("tau", "rho")
    )
    return Coefficients(taus, rhos, Counter(own.reason for own in every if own.reason))


def _distinct(record: Record, accuracy: Accuracy) -> tuple[list[float], list[float]]:
    """Of every architecture scored that the truth knows, the mean of its scores and its accuracy."""
    columns = record.selected.architecture_scores.lists()
    if len(set(columns["architecture"])) == len(columns["architecture"]):
        known = [
            (score, value)
            for score, value in zip(columns["value"], accuracy.scored, strict=True)
            if value is not None
        ]
        return [score for score, _ in known], [value for _, value in known]
    scores: dict[str, list[float]] = defaultdict(list)
    truth: dict[str, float] = {}
    for architecture, score, value in zip(
        columns["architecture"], columns["value"], accuracy.scored, strict=True
    ):
        if value is not None:
            scores[architecture].append(score)
            truth[architecture] = value
    with np.errstate(invalid="ignore"):  # inf - inf is nan, and a nan is said
        means = [
            values[0] if len(set(values)) == 1 else float(np.mean(values))
            for values in scores.values()
        ]
    return means, list(truth.values())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
