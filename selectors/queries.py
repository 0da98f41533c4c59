"""Rewards under a budget: what a selector that samples architectures may ask.

A study gives a reward (a column of a ground truth, or a measurement on a supernet) and
a number of queries. :class:`Queries` keeps the account of one selection: what was
asked, what was answered, and how much of the budget is left.
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
"""What queried architectures are scored by."""
NO_REWARD = (
    "the study gives no reward: declare needs = frozenset({'reward'}), and give the "
    "data a 'reward' and 'queries'"
)
MOST_REPEATS = 10_000
"""Repeated queries in a row after which a budget counts as spent.

A selector that has seen all it can reach asks for it again and again, free of charge,
and would never end.
"""

Counting = Literal["classes", "texts"]
"""What costs one query: each class of architectures of equal function, or each text."""


def is_listed(space: SearchSpace) -> bool:
    """Return whether a space is small enough to be listed as a whole."""
    return space.enumerable and space.size <= MOST_CANDIDATES


class BudgetSpent(Exception):
    """No query is left. `with search.spending():` ends a selector's loop with it."""


class Queries:
    """The account of the queries of one selection.

    Args:
        space: of the architectures.
        budget: how many queries are paid for; at least 1.
        counting: "classes": an architecture is answered by the representative of its
            class, and a class that was asked for is answered again free of charge.
            "texts": as the literature does, each text costs a query and has its own
            answer.
        pool: the only architectures that have a reward, where the reward knows a part
            of the space; None where it knows all. They are representatives where
            classes are counted.
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
        """Reward of every architecture paid for, in the order of the queries."""
        return MappingProxyType(self._answers)

    @cached_property
    def listed(self) -> Sequence[Architecture] | None:
        """Every architecture that can be asked for and costs a query of its own.

        It is the pool; without one the whole space, by classes or texts as they are
        counted; None where the space has more than :data:`.MOST_CANDIDATES`.
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
        """How many queries are left."""
        return self.budget - len(self._answers)

    def asked_as(self, architecture: Architecture) -> Architecture:
        """Return the architecture that answers for this one.

        Raises ValueError if it is none of the space, or has no reward.
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
                f"{self.space.format(architecture)} has no reward, which knows "
                f"{len(self._known):,} architectures: take them from search.pool"
            )
        return architecture

    def _is_of_space(self, architecture: Architecture) -> bool:
        """Return whether an architecture has a text that reads back as itself."""
        try:
            text = self.space.format(architecture)
            return self.space.parse(text) == architecture
        except (UserError, ValueError, TypeError, LookupError, AttributeError):
            return False  # whatever a selector may hand over

    def ask(
        self, architecture: Architecture, measure: Callable[[Architecture], float]
    ) -> float:
        """Return the reward of an architecture, measured at its first query.

        Args:
            architecture: of the space.
            measure: returns the reward of the architecture that answers.

        Raises:
            BudgetSpent: no query is left for an architecture that has no answer yet, or
                the last :data:`MOST_REPEATS` queries were all repetitions.
            ValueError: see :meth:`asked_as`, or the reward is not finite.
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
        """Count a refusal, and return its error."""
        self.refused += 1
        return BudgetSpent(f"{reason}: put the loop into 'with search.spending():'")
