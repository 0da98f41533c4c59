"""Candidates of a predictor: architectures that it ranks or proposes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.predictors.base import (
    Predictor,
    predicted,
    ranked,
    standardised,
)
from archselect.selectors.search import Search

MOST_STRENGTH = 100
"""Largest multiple of the gradient to move by (SemiNAS, released code)."""
SEEDS = 100
"""Number of the best architectures to start proposals from (SemiNAS, released code)."""


def candidates(search: Search, sampled: int) -> Sequence[Architecture]:
    """Return the architectures that a predictor can choose from, each once.

    They are :attr:`.Queries.listed`: the pool, or the whole space. In a space too large
    to be listed, each call draws a new sample.

    Args:
        search: draws the architectures, and knows the pool and the cost of a query.
        sampled: number of draws; repeated draws and, where classes are counted, draws
            of one class give one architecture.
    """
    queries = search.queries
    if queries.listed is not None:
        return queries.listed
    drawn = [queries.asked_as(search.draw()) for _ in range(sampled)]
    return tuple(dict.fromkeys(drawn))


def unseen_candidates(search: Search, sampled: int) -> list[Architecture]:
    """Return the :func:`candidates` that are not queried yet."""
    answers = search.queries.answers
    ranked = candidates(search, sampled)
    return [architecture for architecture in ranked if architecture not in answers]


def draw_unseen(
    search: Search, count: int, rng: np.random.Generator
) -> list[Architecture]:
    """Return `count` random candidates without a query, or all if there are fewer."""
    unseen = unseen_candidates(search, count)
    order = rng.permutation(len(unseen))
    return [unseen[place] for place in order[:count]]


def rank_unseen(
    search: Search, predictor: Predictor, sampled: int
) -> list[Architecture]:
    """Return the candidates without a query, the best prediction first."""
    unseen = unseen_candidates(search, sampled)
    return ranked(unseen, predicted(predictor, unseen))


def improve_best(
    predictor: Predictor,
    rewards: Mapping[Architecture, float],
    others: Sequence[Architecture],
) -> Iterator[Architecture]:
    """Return a predictor's proposals (:func:`uphill`) that start from the best.

    The best are the :data:`SEEDS` architectures with the highest values, which are
    rewards or predictions.

    Args:
        predictor: the predictor that proposes.
        rewards: reward of each queried architecture; the function standardises them,
            because predictions are standardised.
        others: architectures without a reward, whose values are predicted.
    """
    targets = standardised(list(rewards.values()))
    values = np.concatenate([targets, predicted(predictor, others)])
    best = ranked([*rewards, *others], values)[:SEEDS]
    return uphill(predictor, best)


def uphill(
    predictor: Predictor, seeds: Sequence[Architecture]
) -> Iterator[Architecture]:
    """Yield a predictor's proposals that start from seeds, the smallest moves first.

    Seeds are moved along the gradient of the predicted value, by 1, 2, … up to
    :data:`MOST_STRENGTH` times the gradient.
    """
    for strength in range(1, MOST_STRENGTH + 1):
        for proposal in predictor.propose(seeds, strength):
            if proposal is not None:
                yield proposal


def take_unseen(
    proposals: Iterable[Architecture],
    count: int,
    seen: Iterable[Architecture],
    key: Callable[[Architecture], Hashable],
) -> list[Architecture]:
    """Return the first `count` proposals that are neither seen nor repeated.

    Args:
        proposals: proposals in order; the function reads no more than it needs.
        count: wanted number, at least 1; the result can have fewer.
        seen: architectures to leave out.
        key: returns equal values for architectures that count as one.
    """
    keys = set(map(key, seen))
    taken: list[Architecture] = []
    for proposal in proposals:
        if key(proposal) not in keys:
            keys.add(key(proposal))
            taken.append(proposal)
        if len(taken) == count:
            break
    return taken
