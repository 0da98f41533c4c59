"""Expected results of random search: the best by reward of n random architectures.

Random search queries the reward of n different architectures and keeps the one with the
best reward. A report shows another number for it, such as its accuracy on test images.
If all architectures are equally likely, both numbers have an exact expectation. Sort M
architectures by reward, best first: number k = 0, 1, … is the best of n with
probability C(M - 1 - k, n - 1) / C(M, n). This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.rank_correlations import Floats, Ints

SIMULATED_SEARCHES = 2_000
"""Number of simulated searches if architectures are not equally likely."""
_SEED = 20_206


class RandomBest(NamedTuple):
    """Mean results of random search, for each number of queries.

    Attributes:
        rewards: mean reward of the best by reward.
        reported: mean reported number of the best by reward; NaN if any architecture
            has no reported number.
        highest: mean of the highest reported number among all queries; NaN as above.
        reward_errors, reported_errors, highest_errors: standard error of each mean; 0
            if the means are exact.
        repetitions: number of simulated searches; 0 if the means are exact.
    """

    rewards: Floats
    reported: Floats
    highest: Floats
    reward_errors: Floats
    reported_errors: Floats
    highest_errors: Floats
    repetitions: int

    def averages(self) -> dict[str, Floats]:
        """Return the means and their errors by name."""
        averages = self._asdict()
        del averages["repetitions"]
        return averages


def incumbents(rewards: npt.ArrayLike) -> Ints:
    """Return, after each query, the index of the best reward so far.

    Ties go to the first.

    Args:
        rewards: rewards in the order of the queries; higher is better.
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

    Among architectures with equal rewards, each is equally likely to come first.

    Args:
        rewards: reward of each architecture; higher is better.
        reported: reported number of each architecture, NaN if it has none.
        numbers: numbers of queries, each at least 1; numbers above the number of
            architectures are reduced to it.

    Raises:
        ValueError: there is no architecture, a reward is not finite, the two lengths
            differ, or a number is below 1.
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
    """Return the means of simulated searches if architectures are not equally likely.

    Each draw follows the given probabilities. An architecture that was drawn before is
    replaced by another draw, so only different architectures count as queries.

    Args:
        rewards, reported, numbers: as for :func:`random_best`.
        probabilities: probability of each architecture in one draw, all above 0.

    Raises:
        ValueError: as for :func:`random_best`, or for a probability that is not above
            0.
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
    """Return both as arrays; raise ValueError if they have no best architecture."""
    values = np.asarray(rewards, dtype=np.float64)
    shown = np.asarray(reported, dtype=np.float64)
    if values.shape != shown.shape or values.ndim != 1:
        raise ValueError(
            f"{values.shape} rewards and {shown.shape} reported numbers: give one of "
            "each per architecture"
        )
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("a best architecture needs finite rewards")
    if min(numbers) < 1:
        raise ValueError(f"{min(numbers)} queries: give at least 1")
    if np.isnan(shown).any():
        # A mean over those with a number would be that of other architectures.
        shown = np.full(len(shown), np.nan)
    return values, shown


def _expectations(values: Floats, shown: Floats, numbers: Sequence[int]) -> Floats:
    """Return the mean of `shown` for the best by `values`, for each number of draws."""
    order = np.argsort(-values, kind="stable")
    averaged = _average_ties(values[order], shown[order])
    means = [_chances_to_be_best(len(order), number) @ averaged for number in numbers]
    return np.array(means)


def _chances_to_be_best(architectures: int, number: int) -> Floats:
    """Return the probability of each rank by reward to be the best of `number`."""
    drawn = min(number, architectures)
    places = np.arange(architectures - 1)
    # C(M - 2 - k, n - 1) / C(M - 1 - k, n - 1), or 0 if fewer than n are left.
    ratios = (architectures - drawn - places) / (architectures - 1 - places)
    first = [drawn / architectures]
    return np.cumprod(np.concatenate([first, np.maximum(ratios, 0)]))


def _average_ties(ordered: Floats, shown: Floats) -> Floats:
    """Return `shown`, averaged over each run of equal `ordered` values."""
    starts = np.flatnonzero(np.diff(ordered, prepend=np.inf))
    lengths = np.diff(np.append(starts, len(ordered)))
    sums = np.add.reduceat(shown, starts)
    return np.repeat(sums / lengths, lengths)


def _draw_order(rng: np.random.Generator, chances: Floats, number: int) -> Ints:
    """Return the first `number` different architectures, in the order of the draws.

    Exponential waiting times, with the probabilities as rates, have the order of such
    draws (Efraimidis and Spirakis, 2006).
    """
    times = rng.standard_exponential(len(chances)) / chances
    first = np.argpartition(times, number - 1)[:number]
    return first[np.argsort(times[first])]


def _errors(samples: np.ndarray) -> Floats:
    """Return the standard error of each column's mean."""
    return samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
