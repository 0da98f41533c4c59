"""Verdicts on the difference between our values and a published number.

Each kind of published number has its margin in
:mod:`archselect.reports.statistics.margins`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archselect.reports.published.numbers import PublishedNumber
from archselect.reports.results.own_values import Incomparable, OwnValues
from archselect.reports.statistics import margins
from archselect.reports.statistics.intervals import Interval, best_of, student
from archselect.reports.statistics.margins import Margin, all_equal

NOT_SHOWN = "not shown to differ"
DIFFERS = "differs"
NO_TEST = "no test"
NO_INTERVAL = "no interval"
NOT_COMPARABLE = "not comparable"

NO_NUMBER = Interval(None, None, None)

_ROUNDING = 1e-9
"""Tolerance for floating-point errors, relative to the size of a number."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and its basis.

    Attributes:
        verdict: one of the constants above.
        reason: explanation of the verdict; empty if it needs none.
        difference: our value minus the published number, with its interval.
        basis: how the interval was computed, as text.
        differs_below: value below which ours would have got the verdict "differs"; None
            if no such value is possible.
        differs_above: value above which ours would have got the verdict "differs"; None
            if no such value is possible.
    """

    verdict: str
    reason: str = ""
    difference: Interval = NO_NUMBER
    basis: str = ""
    differs_below: float | None = None
    differs_above: float | None = None


@dataclass(frozen=True)
class Summary:
    """Our values, reduced in the same way as the published number.

    Attributes:
        interval: the reduced value and its interval.
        runs: number of runs.
        reduction: kind of reduction, such as "mean of 4".
    """

    interval: Interval
    runs: int
    reduction: str


def judge_published(published: PublishedNumber, ours: OwnValues) -> Judgement:
    """Return the verdict on the difference between our values and a published number.

    Raises Incomparable if our values cannot be reduced as the published number is.
    """
    value = summarise(published, ours).interval.mean
    assert value is not None
    difference = value - published.value
    arithmetic = _ROUNDING * max(1.0, abs(published.value))
    margin = _margin(published, ours, value).widened(published.rounding + arithmetic)
    if margin.below is None or margin.above is None:
        return _without_interval(published, ours, difference, margin.basis)
    is_within = -margin.below <= difference <= margin.above
    interval = Interval(
        difference, difference - margin.above, difference + margin.below
    )
    lower = published.value - margin.below
    upper = published.value + margin.above
    judgement = Judgement(
        verdict=NOT_SHOWN if is_within else DIFFERS,
        difference=interval,
        basis=margin.basis,
        differs_below=lower if lower > ours.lowest else None,
        differs_above=upper if upper < ours.highest else None,
    )
    if judgement.differs_below is None and judgement.differs_above is None:
        return replace(
            judgement,
            verdict=NO_TEST,
            reason="no possible value would have given the verdict 'differs'",
        )
    return judgement


def _without_interval(
    published: PublishedNumber, ours: OwnValues, difference: float, basis: str
) -> Judgement:
    """Return the verdict if our values do not vary or the runs are too few."""
    is_same = (
        all_equal(ours.values) and abs(difference) <= published.rounding + _ROUNDING
    )
    which = "the same" if is_same else "another"
    return Judgement(
        NO_INTERVAL,
        f"{basis}; the published number is {which}",
        Interval(difference, None, None),
    )


def summarise(published: PublishedNumber, ours: OwnValues) -> Summary:
    """Return our values, reduced in the same way as the published number.

    Raises Incomparable if that is impossible.
    """
    if published.reduction == "best":
        return _expected_best(published, ours)
    if published.reduction not in ("mean", "single", "exact"):
        raise Incomparable("the paper does not say how it reduces its runs")
    runs = len(ours.values)
    supernets = len(ours.independent)
    source = f" from {supernets} supernets" if supernets < runs else ""
    interval = student(ours.independent, (ours.lowest, ours.highest))
    return Summary(interval, runs, f"mean of {runs}{source}")


def _expected_best(published: PublishedNumber, ours: OwnValues) -> Summary:
    """Return the expected best of our runs, for the published number of runs.

    Raises Incomparable if the number of runs is not known or larger than ours.
    """
    runs = len(ours.values)
    if published.metric == "params_millions":
        raise Incomparable("it belongs to the published best run")
    if published.runs is None:
        raise Incomparable("the paper does not say how many runs it is the best of")
    if runs < published.runs:
        raise Incomparable(f"it is the best of {published.runs} runs; here are {runs}")
    sign = 1.0 if ours.higher else -1.0
    expected = best_of([sign * value for value in ours.values], published.runs)
    words = f"best of {published.runs}"
    if runs > published.runs:
        words += f", expected of {runs}"
    return Summary(Interval(sign * expected, None, None), runs, words)


def _margin(published: PublishedNumber, ours: OwnValues, value: float) -> Margin:
    """Return the margin of the difference for this kind of published number."""
    independent = ours.independent
    if published.reduction == "best":
        assert published.runs is not None
        return margins.margin_of_best(
            ours.values, len(independent), published.runs, value, ours.higher
        )
    if published.reduction == "exact":
        landscape = ours.landscape
        if landscape is not None and _is_mean_of_table(
            published, landscape.mean, landscape.std
        ):
            return margins.margin_of_random_cells(landscape.quantiles, len(independent))
        return margins.margin_of_our_mean(independent, margins.PUBLISHED_EXACT)
    if published.runs == 1:
        return margins.margin_of_one_run(ours.values, len(independent))
    if published.reduction == "single":
        return margins.margin_between_samples(independent, published.independent)
    return margins.margin_between_means(independent, published.std, published.runs)


def _is_mean_of_table(
    published: PublishedNumber, mean: float | None, std: float | None
) -> bool:
    """Return whether a published mean and its spread are those of our table."""
    if mean is None or std is None or published.std is None:
        return False
    same_mean = abs(mean - published.value) <= published.rounding
    same_std = abs(std - published.std) <= published.rounding
    return same_mean and same_std
