"""Rewards under a budget of queries, for selectors that sample architectures.

A study gives a reward (a column of a ground truth, or a measurement on a supernet) and
a number of queries. :class:`Queries` holds the queries of one selection, their rewards
and the rest of the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import isfinite
from types import MappingProxyType
from typing import Literal

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import MOST_CANDIDATES
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.selection import Scale

REWARD = Scale("reward", "higher")
"""Name and direction of the score of queried architectures."""
NO_REWARD = (
    "the study gives no reward: declare needs = frozenset({'reward'}), and give the "
    "data a 'reward' and 'queries'"
)
MOST_REPEATS = 10_000
"""Number of repeated queries in a row after which the budget counts as spent.

Repeated queries are free. Without this limit, a selector that has queried everything it
can reach would repeat its queries forever.
"""

Counting = Literal["classes", "texts"]
"""What costs one query: a class of architectures of equal function, or each text."""


def is_listed(space: SearchSpace) -> bool:
    """Return whether a space is small enough to be listed as a whole."""
    return space.enumerable and space.size <= MOST_CANDIDATES


class BudgetSpent(Exception):
    """No query is left. `with search.spending():` ends a selector's loop then."""


class Queries:
    """The queries of one selection, and their rewards.

    Args:
        space: the search space.
        budget: number of queries; at least 1.
        counting: "classes": all architectures of equal function have the reward of
            their representative, and a class costs one query. "texts": each text costs
            one query and has its own reward, as in the literature.
        pool: the architectures that have a reward, if only a part of the space has one;
            None if all have one. Where classes are counted, these are representatives.
    """

    def __init__(
        self,
        space: SearchSpace,
        budget: int,
        counting: Counting = "classes",
        pool: Sequence[Architecture] | None = None,
    ) -> None:
        self.space = space
        self.budget = budget
        self.counting = counting
        self.pool = None if pool is None else tuple(pool)
        self.refused = 0
        """How many queries were refused because the budget was spent."""
        self._known = None if pool is None else frozenset(pool)
        self._answers: dict[Architecture, float] = {}
        self._answered_by: dict[Architecture, Architecture] = {}
        self._repeats = 0

    @property
    def answers(self) -> Mapping[Architecture, float]:
        """Reward of each architecture that cost a query, in the order of queries."""
        return MappingProxyType(self._answers)

    @cached_property
    def listed(self) -> Sequence[Architecture] | None:
        """Every architecture that can be queried, one per class if classes are counted.

        It is the pool, or else the whole space; None if the space has more than
        :data:`.MOST_CANDIDATES` architectures.
        """
        if self.pool is not None:
            return self.pool
        if not is_listed(self.space):
            return None
        if self.counting == "classes":
            return self.space.representatives
        return tuple(self.space.enumerate())

    @property
    def left(self) -> int:
        """Number of queries left."""
        return self.budget - len(self._answers)

    def asked_as(self, architecture: Architecture) -> Architecture:
        """Return the architecture whose reward this architecture has.

        Where classes are counted, it is the representative of the class. Raises
        ValueError for an architecture outside the space, or without a reward.
        """
        if architecture not in self._answered_by:
            self._answered_by[architecture] = self._find_answering(architecture)
        return self._answered_by[architecture]

    def _find_answering(self, architecture: Architecture) -> Architecture:
        if not self._is_of_space(architecture):
            raise ValueError(
                f"{self.space.name} has no architecture {architecture}: query what "
                "search.draw() or space.sample() returns"
            )
        if self.counting == "classes":
            architecture = self.space.canonical(architecture)
        if self._known is not None and architecture not in self._known:
            raise ValueError(
                f"{self.space.format(architecture)} has no reward: query one of the "
                f"{len(self._known):,} architectures of search.pool"
            )
        return architecture

    def _is_of_space(self, architecture: Architecture) -> bool:
        """Return whether an architecture has a text that reads back as itself."""
        try:
            text = self.space.format(architecture)
            return self.space.parse(text) == architecture
        except (UserError, ValueError, TypeError, LookupError, AttributeError):
            return False  # a selector can pass anything

    def ask(
        self, architecture: Architecture, measure: Callable[[Architecture], float]
    ) -> float:
        """Return the reward of an architecture, measured at its first query.

        Args:
            architecture: an architecture of the space.
            measure: returns the reward of the architecture that :meth:`asked_as` gives.

        Raises:
            BudgetSpent: no query is left for a new architecture, or the last
                :data:`MOST_REPEATS` queries were all repeated ones.
            ValueError: as for :meth:`asked_as`, or the reward is not finite.
        """
        asked = self.asked_as(architecture)
        if asked in self._answers:
            self._repeats += 1
            if self._repeats > MOST_REPEATS:
                raise self._refuse(f"{MOST_REPEATS:,} queries in a row were repeated")
            return self._answers[asked]
        if not self.left:
            raise self._refuse(f"all {self.budget:,} queries are spent")
        reward = float(measure(asked))
        if not isfinite(reward):
            text = self.space.format(asked)
            raise ValueError(f"the reward of {text} is not finite: {reward}")
        self._answers[asked] = reward
        self._repeats = 0
        return reward

    def _refuse(self, reason: str) -> BudgetSpent:
        """Count a refused query, and return its error."""
        self.refused += 1
        return BudgetSpent(f"{reason}: put the loop into 'with search.spending():'")
