"""The best by reward of n random architectures: what it has on average.

Random search asks for the reward of n different architectures and keeps the best of
them. What is reported of it is another number, such as its accuracy on test images.
Where all architectures are equally likely, both have an exact expectation: of M
architectures in order of reward, best first, number k = 0, 1, … is the best of n with
probability C(M - 1 - k, n - 1) / C(M, n). No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.rank_correlations import Floats, Ints

SIMULATED_SEARCHES = 2_000
"""Simulated repetitions where architectures are not equally likely."""
_SEED = 20_206


class RandomBest(NamedTuple):
    """What random searches have on average, by number of queries.

    Attributes:
        rewards: of the best by reward.
        reported: what is reported of the best by reward; NaN where any architecture has
            no such number.
        highest: the highest that is reported of any of those asked for; NaN as above.
        reward_errors, reported_errors, highest_errors: standard error of each mean; all
            0 where the means are exact.
        repetitions: number of simulated ones; 0 where the means are exact.
    """

    rewards: Floats
    reported: Floats
    highest: Floats
    reward_errors: Floats
    reported_errors: Floats
    highest_errors: Floats
    repetitions: int

    def averages(self) -> dict[str, Floats]:
        """Return all but the repetitions, by name."""
        averages = self._asdict()
        del averages["repetitions"]
        return averages


def incumbents(rewards: npt.ArrayLike) -> Ints:
    """Return the place of the best reward so far, the first of equals, at each place.

    Args:
        rewards: in the order of the queries; higher is better.
    """
    values = np.asarray(rewards, dtype=np.float64)
    highest = np.maximum.accumulate(values)
    before = np.concatenate([[-np.inf], highest[:-1]])
    places = np.arange(len(values))
    return np.maximum.accumulate(np.where(values > before, places, 0))


def random_best(
    rewards: npt.ArrayLike,
    reported: npt.ArrayLike,
    numbers: Sequence[int],
) -> RandomBest:
    """Return the exact expectations for n different, equally likely architectures.

    Where several have the same reward, each of them is as likely to be the first one.

    Args:
        rewards: one per architecture; higher is better.
        reported: one per architecture, NaN where there is none.
        numbers: of queries, each at least 1. More than there are architectures stand
            for all of them.

    Raises:
        ValueError: there is no architecture, a reward is not finite, there are not as
            many of both, or a number is below 1.
    """
    values, shown = _checked(rewards, reported, numbers)
    exact = np.zeros(len(numbers))
    return RandomBest(
        rewards=_expectations(values, values, numbers),
        reported=_expectations(values, shown, numbers),
        highest=_expectations(shown, shown, numbers),
        reward_errors=exact,
        reported_errors=exact,
        highest_errors=exact,
        repetitions=0,
    )


def simulated_best(
    rewards: npt.ArrayLike,
    reported: npt.ArrayLike,
    numbers: Sequence[int],
    probabilities: npt.ArrayLike,
) -> RandomBest:
    """Return the means of simulated searches that do not draw all alike.

    One is drawn after another with these probabilities, and what was drawn before is
    drawn again. Only different ones count as queries.

    Args:
        rewards, reported, numbers: as for :func:`random_best`.
        probabilities: of each architecture in one draw, all above 0.

    Raises:
        ValueError: as :func:`random_best`, or for a probability that is not above 0.
    """
    values, shown = _checked(rewards, reported, numbers)
    chances = np.asarray(probabilities, dtype=np.float64)
    if chances.shape != values.shape or not np.all(chances > 0):
        raise ValueError("every architecture needs a probability above 0")
    kept = np.minimum(numbers, len(values))
    searches = (SIMULATED_SEARCHES, len(numbers))
    best = np.empty(searches)
    shown_best = np.empty(searches)
    highest = np.empty(searches)
    rng = np.random.default_rng(_SEED)
    for repetition in range(SIMULATED_SEARCHES):
        order = _draw_order(rng, chances, int(kept.max()))
        places = order[incumbents(values[order])[kept - 1]]
        best[repetition] = values[places]
        shown_best[repetition] = shown[places]
        highest[repetition] = np.maximum.accumulate(shown[order])[kept - 1]
    return RandomBest(
        rewards=best.mean(axis=0),
        reported=shown_best.mean(axis=0),
        highest=highest.mean(axis=0),
        reward_errors=_errors(best),
        reported_errors=_errors(shown_best),
        highest_errors=_errors(highest),
        repetitions=SIMULATED_SEARCHES,
    )


def _checked(
    rewards: npt.ArrayLike, reported: npt.ArrayLike, numbers: Sequence[int]
) -> tuple[Floats, Floats]:
    """Return both as arrays; raise ValueError for what has no best."""
    values = np.asarray(rewards, dtype=np.float64)
    shown = np.asarray(reported, dtype=np.float64)
    if values.shape != shown.shape or values.ndim != 1:
        raise ValueError(f"{values.shape} rewards and {shown.shape} reported numbers")
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("a best architecture needs finite rewards")
    if min(numbers) < 1:
        raise ValueError(f"the best of {min(numbers)} architectures")
    if np.isnan(shown).any():
        # Means over those that have one would be of other architectures.
        shown = np.full(len(shown), np.nan)
    return values, shown


def _expectations(values: Floats, shown: Floats, numbers: Sequence[int]) -> Floats:
    """Return the expectation of `shown` of the best by `values`, by number of draws."""
    order = np.argsort(-values, kind="stable")
    averaged = _average_ties(values[order], shown[order])
    means = [_chances_to_be_best(len(order), number) @ averaged for number in numbers]
    return np.array(means)


def _chances_to_be_best(architectures: int, number: int) -> Floats:
    """Return how likely each place in the order of reward is the best of so many."""
    drawn = min(number, architectures)
    places = np.arange(architectures - 1)
    # C(M - 2 - k, n - 1) / C(M - 1 - k, n - 1), 0 once fewer than n are left.
    ratios = (architectures - drawn - places) / (architectures - 1 - places)
    first = [drawn / architectures]
    return np.cumprod(np.concatenate([first, np.maximum(ratios, 0)]))


def _average_ties(ordered: Floats, shown: Floats) -> Floats:
    """Return `shown` with the mean of each run of equal `ordered` values."""
    starts = np.flatnonzero(np.diff(ordered, prepend=np.inf))
    lengths = np.diff(np.append(starts, len(ordered)))
    sums = np.add.reduceat(shown, starts)
    return np.repeat(sums / lengths, lengths)


def _draw_order(rng: np.random.Generator, chances: Floats, number: int) -> Ints:
    """Return the first so many different architectures, in the order of their draws.

    Waiting times that are exponential at the rates of the probabilities have the order
    of such draws (Efraimidis and Spirakis, 2006).
    """
    times = rng.standard_exponential(len(chances)) / chances
    first = np.argpartition(times, number - 1)[:number]
    return first[np.argsort(times[first])]


def _errors(samples: np.ndarray) -> Floats:
    """Return the standard error of each column's mean."""
    return samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
