"""Architectures that a predictor ranks or proposes, and those not queried yet."""

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
"""Largest multiple of the gradient that is tried (SemiNAS, released code)."""
SEEDS = 100
"""Best architectures in whose place others are proposed (SemiNAS, released code)."""


def candidates(search: Search, sampled: int) -> Sequence[Architecture]:
    """Return the architectures among which a predictor can choose, each once.

    They are the listed ones (:attr:`.Queries.listed`): the pool, or a whole space. Of a
    larger space they are drawn again at each call.

    Args:
        search: draws them, and knows the pool and what costs a query.
        sampled: how many are drawn; those that are drawn twice, or are of one class,
            count once.
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
    """Return so many of the unseen candidates at random, or all if there are fewer."""
    unseen = unseen_candidates(search, count)
    order = rng.permutation(len(unseen))
    return [unseen[place] for place in order[:count]]


def rank_unseen(
    search: Search, predictor: Predictor, sampled: int
) -> list[Architecture]:
    """Return the unseen candidates, the best predicted first."""
    unseen = unseen_candidates(search, sampled)
    return ranked(unseen, predicted(predictor, unseen))


def improve_best(
    predictor: Predictor,
    rewards: Mapping[Architecture, float],
    others: Sequence[Architecture],
) -> Iterator[Architecture]:
    """Return what a predictor proposes in place of the best: see :func:`uphill`.

    The best are the :data:`SEEDS` with the highest values, whether rewards or
    predictions.

    Args:
        predictor: that proposes.
        rewards: by architecture; they are standardised, as predictions are.
        others: architectures without a reward, whose value is predicted.
    """
    targets = standardised(list(rewards.values()))
    values = np.concatenate([targets, predicted(predictor, others)])
    best = ranked([*rewards, *others], values)[:SEEDS]
    return uphill(predictor, best)


def uphill(
    predictor: Predictor, seeds: Sequence[Architecture]
) -> Iterator[Architecture]:
    """Yield what a predictor proposes in place of seeds, a little better first.

    Seeds are moved along the gradient of the predicted value, by 1, 2, … up to
    :data:`MOST_STRENGTH` times of it.
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
        proposals: in order; no more are made than are needed.
        count: how many are wanted, at least 1; there may be fewer.
        seen: architectures that are not wanted again.
        key: is equal for architectures that count as one.
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
