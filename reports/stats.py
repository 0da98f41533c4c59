"""Rank correlation of scores with a truth, and its interval over seeds. The undefined is counted and said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

from archselect.benchmarks.records import Accuracy, OperationScore, Record, Scale

RESAMPLES = 10_000
LEVEL = 0.95
LEAST_ARCHITECTURES = 3
_SEED = 20_201

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coefficient:
    """Kendall's tau-b and Spearman's rho of one set of pairs; both None, with the reason, where undefined."""

    tau: float | None
    rho: float | None
    reason: str = ""


@dataclass(frozen=True)
class Interval:
    """Mean over supernet seeds and its interval; `low` and `high` are None below two of them."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over the seeds of one selector.

    `tau` and `rho` are over seeds; `per_seed` is each seed's tau-b and `rho_per_seed` its rho, None where undefined.
    Within a seed the mean is over the defined `coefficients` (per round and edge, or the one over architectures);
    `undefined` counts the others by reason. `n` says what was correlated, `size` how many coefficients there are in
    all.
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
        reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(self.undefined.items()))
        return f"{self.undefined.total()} of {self.size} undefined: {reasons}" if self.undefined else ""


def tau_b(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Kendall's tau-b of two equally long sequences; infinities are values like any other.

    None where it is undefined: fewer than two pairs, a constant sequence, or a nan.
    """
    a, b = _places(x), _places(y)
    if a is None or b is None:
        return None
    concordance = tied_a = tied_b = 0
    for i in range(len(a) - 1):
        left, right = np.sign(a[i + 1 :] - a[i]), np.sign(b[i + 1 :] - b[i])
        concordance += int(left @ right)
        tied_a += int((left == 0).sum())
        tied_b += int((right == 0).sum())
    pairs = len(a) * (len(a) - 1) // 2
    return float(concordance / np.sqrt(float(pairs - tied_a) * float(pairs - tied_b)))


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Spearman's rho, ties at their average rank; None where :func:`tau_b` is undefined."""
    a, b = _places(x), _places(y)
    if a is None or b is None:
        return None
    u, v = _average_ranks(a), _average_ranks(b)
    u, v = u - u.mean(), v - v.mean()
    return float((u @ v) / np.sqrt((u @ u) * (v @ v)))


def coefficient(scores: Sequence[float], truth: Sequence[float], better: str, least: int, things: str) -> Coefficient:
    """Both coefficients of scores with a truth of which higher is better; `better` is the scores' direction.

    Undefined for fewer than `least` pairs (of `things`), a nan, or a constant side.
    """
    if len(scores) < least:
        return Coefficient(None, None, f"fewer than {least} {things}")
    for name, values in (("score", scores), ("accuracy", truth)):
        if np.isnan(values).any():
            return Coefficient(None, None, f"a nan {name}")
        if len(set(values)) < 2:
            return Coefficient(None, None, "all scores equal" if name == "score" else "all accuracies equal")
    signed = np.asarray(scores, dtype=np.float64) * (1.0 if better == "higher" else -1.0)
    return Coefficient(tau_b(signed, truth), spearman(signed, truth))


def operation_level(records: Sequence[Record], oracle: list[list[list[float]]]) -> Correlation | None:
    """Operation scores against `oracle[cell][edge][choice]`: per round and edge, averaged, then over records.

    An edge's scores are the latest ones up to the step at which it was decided. None where the selector gives
    none.
    """
    per_record: list[list[Coefficient]] = []
    rounds, edges = set(), set()
    for record in records:
        scale = record.selected.operation_scale
        if scale is None:
            return None
        per_record.append([])
        for (round_, cell, edge), scored in _decided_scores(record).items():
            rounds.add(round_)
            edges.add((cell, edge))
            truth = [oracle[cell][edge][score.choice] for score in scored]
            per_record[-1].append(coefficient([s.value for s in scored], truth, scale.better, 2, "operations scored"))
    n = f"{_count(len(records), 'seed')} × {_count(len(rounds), 'round')} × {_count(len(edges), 'edge')}"
    total = sum(map(len, per_record))
    if total != len(records) * len(rounds) * len(edges):
        n = f"{_count(len(records), 'seed')}, {total:,} decided edges"
    return _over_seeds(records, per_record, n)


@dataclass(frozen=True)
class Iteration:
    """The scores of one iteration of a selector against an oracle, over seeds.

    `edges` is how many edges were scored (in the round with the fewest); `taus` and `rhos` are by (cell, edge), mean
    over seeds and rounds, and without the edges whose coefficient is undefined in all of them.
    """

    correlation: Correlation
    edges: int
    taus: dict[tuple[int, int], float]
    rhos: dict[tuple[int, int], float]


def iterations(records: Sequence[Record], oracle: list[list[list[float]]]) -> list[Iteration]:
    """Operation scores against `oracle[cell][edge][choice]`, iteration by iteration of a round; [] without scores.

    An iteration is a step at which operations were scored, of however many edges. Those that only some seeds have are
    left out.
    """
    per_record = [_by_iteration(record, oracle) for record in records]
    found = []
    for place in range(min(map(len, per_record), default=0)):
        own = [rows[place] for rows in per_record]
        coefficients = [list(row.values()) for row in own]
        n = f"{_count(len(records), 'seed')} × {_count(min(map(len, own)), 'coefficient')}"
        found.append(
            Iteration(
                _over_seeds(records, coefficients, n),
                min(min(Counter(round_ for round_, _, _ in row).values()) for row in own),
                _edge_means(own, "tau"),
                _edge_means(own, "rho"),
            )
        )
    return found


def _by_iteration(record: Record, oracle: list[list[list[float]]]) -> list[dict[tuple[int, int, int], Coefficient]]:
    """Per iteration the coefficients by (round, cell, edge)."""
    scale = record.selected.operation_scale
    if scale is None:
        return []
    steps: dict[int, set[int]] = defaultdict(set)
    scores: dict[tuple[int, int, int, int], list[OperationScore]] = defaultdict(list)
    for score in record.selected.operation_scores:
        steps[score.round].add(score.step)
        scores[score.step, score.round, score.cell, score.edge].append(score)
    places = {round_: {step: place for place, step in enumerate(sorted(own))} for round_, own in steps.items()}
    found: list[dict[tuple[int, int, int], Coefficient]] = [{} for _ in range(max(map(len, steps.values()), default=0))]
    for (step, round_, cell, edge), scored in sorted(scores.items()):
        truth = [oracle[cell][edge][score.choice] for score in scored]
        values = [score.value for score in scored]
        found[places[round_][step]][round_, cell, edge] = coefficient(
            values, truth, scale.better, 2, "operations scored"
        )
    return found


def _edge_means(rows: Sequence[dict[tuple[int, int, int], Coefficient]], kind: str) -> dict[tuple[int, int], float]:
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        for (_, cell, edge), own in sorted(row.items()):
            if (value := getattr(own, kind)) is not None:
                values[cell, edge].append(value)
    return {edge: float(np.mean(own)) for edge, own in sorted(values.items())}


def architecture_level(pairs: Sequence[tuple[Record, Accuracy]]) -> Correlation | None:
    """Architecture scores against the trial-mean accuracy of the same architectures, over records.

    An architecture scored more than once counts once, with the mean of its scores; one that the truth does not know
    counts not at all, which n says. None where the selector gives none, or none of them was judged.
    """
    per_record: list[list[Coefficient]] = []
    sizes: list[int] = []
    unknown = 0
    for record, accuracy in pairs:
        scored = record.selected.architecture_scores
        scale = record.selected.architecture_scale
        if scale is None or (scored and not accuracy.scored):
            return None
        scores, truth = _distinct(record, accuracy)
        unknown += len({score.architecture for score in scored}) - len(scores)
        sizes.append(len(scores))
        per_record.append([coefficient(scores, truth, scale.better, LEAST_ARCHITECTURES, "architectures scored")])
    low, high = min(sizes, default=0), max(sizes, default=0)
    many = _count(high, "architecture") if low == high else f"{low} to {high} architectures"
    absent = f", {unknown} more not in the table" if unknown else ""
    return _over_seeds([r for r, _ in pairs], per_record, f"{_count(len(pairs), 'seed')} × {many}{absent}")


def operation_scale(records: Sequence[Record]) -> Scale | None:
    """What the selector's operation scores are, None where it gives none."""
    return next((record.selected.operation_scale for record in records), None)


def architecture_scale(records: Sequence[Record]) -> Scale | None:
    """What the selector's architecture scores are, None where it gives none."""
    return next((record.selected.architecture_scale for record in records), None)


def by_seed(values: Sequence[float | None], seeds: Sequence[int]) -> dict[int, float]:
    """The mean of the values of each supernet seed, without those that are None.

    Selections from one supernet are no independent runs, so that intervals are over supernets.
    """
    found: dict[int, list[float]] = defaultdict(list)
    for value, seed in zip(values, seeds, strict=True):
        if value is not None:
            found[seed].append(value)
    return {seed: float(np.mean(own)) for seed, own in found.items()}


def by_supernet(values: Sequence[float | None], seeds: Sequence[int]) -> list[float]:
    """What :func:`by_seed` has, without the seeds."""
    return list(by_seed(values, seeds).values())


def bootstrap(values: Sequence[float]) -> Interval:
    """Mean and percentile interval, resampling the values, with a fixed generator."""
    if not values:
        return Interval(None, None, None)
    array = np.asarray(values, dtype=np.float64)
    return _resampled(float(array.mean()), array, len(array), lambda drawn: drawn.mean(axis=1))


def _resampled(value: float, array: Floats, size: int, reduced: Callable[[Floats], Floats]) -> Interval:
    """A value with the percentile interval of what (resamples × size) values, drawn with replacement, reduce to."""
    if len(array) < 2:
        return Interval(value, None, None)
    drawn = np.random.default_rng(_SEED).integers(0, len(array), (RESAMPLES, size))
    low, high = np.quantile(reduced(array[drawn]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def student(values: Sequence[float]) -> Interval:
    """Mean and its interval by Student's t, which for few seeds is wider, and truer, than a bootstrap's."""
    if not values:
        return Interval(None, None, None)
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, None, None)
    half = float(student_t.ppf((1 + LEVEL) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return Interval(mean, mean - half, mean + half)


def best_of(values: Sequence[float], runs: int) -> Interval:
    """The highest that `runs` of the values, drawn without replacement, have on average; bootstrap interval.

    With as many values as runs it is simply their highest. Raises ValueError for fewer values than runs.
    """
    if not 1 <= runs <= len(values):
        raise ValueError(f"the best of {runs} of {len(values)} values")
    array = np.sort(np.asarray(values, dtype=np.float64))
    # The i-th lowest is the highest of a draw that takes its other members from the i - 1 lower ones.
    ways = np.array([comb(place, runs - 1) for place in range(len(array))], dtype=np.float64)
    return _resampled(float(array @ ways / ways.sum()), array, runs, lambda drawn: drawn.max(axis=1))


def _over_seeds(records: Sequence[Record], per_record: list[list[Coefficient]], n: str) -> Correlation:
    seeds = [record.inputs.supernet_seed for record in records]

    def means(kind: str) -> list[float | None]:
        defined = [[v for c in row if (v := getattr(c, kind)) is not None] for row in per_record]
        return [float(np.mean(row)) if row else None for row in defined]

    taus, rhos = means("tau"), means("rho")
    return Correlation(
        tau=bootstrap(by_supernet(taus, seeds)),
        rho=bootstrap(by_supernet(rhos, seeds)),
        per_seed=tuple(taus),
        rho_per_seed=tuple(rhos),
        n=n,
        size=sum(map(len, per_record)),
        undefined=Counter(c.reason for row in per_record for c in row if c.reason),
    )


def _decided_scores(record: Record) -> dict[tuple[int, int, int], list[OperationScore]]:
    """Per decided (round, cell, edge) its latest scores up to the deciding step, by choice."""
    scores: dict[tuple[int, int, int], dict[int, list[OperationScore]]] = defaultdict(lambda: defaultdict(list))
    for score in record.selected.operation_scores:
        scores[score.round, score.cell, score.edge][score.step].append(score)
    decided = {}
    for d in record.selected.decisions:
        if d.choice < 0:  # an edge dropped, not an operation chosen
            continue
        steps = scores[d.round, d.cell, d.edge]
        step = max((s for s in steps if s <= d.step), default=None)
        decided[d.round, d.cell, d.edge] = [] if step is None else sorted(steps[step], key=lambda s: s.choice)
    return dict(sorted(decided.items()))


def _distinct(record: Record, accuracy: Accuracy) -> tuple[list[float], list[float]]:
    scores: dict[str, list[float]] = defaultdict(list)
    truth: dict[str, float] = {}
    for score, value in zip(record.selected.architecture_scores, accuracy.scored, strict=True):
        if value is not None:
            scores[score.architecture].append(score.value)
            truth[score.architecture] = value
    with np.errstate(invalid="ignore"):  # inf - inf is nan, and a nan is said
        means = [values[0] if len(set(values)) == 1 else float(np.mean(values)) for values in scores.values()]
    return means, list(truth.values())


def _places(values: Sequence[float] | Floats) -> npt.NDArray[np.int64] | None:
    """Each value's place among the distinct values; None where ranks are undefined."""
    array = np.asarray(values, dtype=np.float64)
    if np.isnan(array).any():
        return None
    distinct, places = np.unique(array, return_inverse=True)
    return places.astype(np.int64) if len(distinct) > 1 else None


def _average_ranks(places: npt.NDArray[np.int64]) -> Floats:
    sizes = np.bincount(places)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[places]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
