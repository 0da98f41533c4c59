"""What queries of a reward can find in a space: random architectures, and the best."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from archselect.benchmarks.store.facts import Fact, Id, content_id
from archselect.benchmarks.store.ranges import (
    FINITE,
    MOST_COUNTED,
    PER_CENT,
    Impossible,
    check_number,
    check_numbers,
    check_same_length,
)

_MARKS = (10, 50, 100, 300, 500)
_PER_DECADE = 20
_EVERY = 20
"""Up to this number of queries, there is a value for each."""

Counting = Literal["classes", "texts"]
Drawn = Literal["equally likely", "as the space draws"]


def query_marks(budget: int) -> list[int]:
    """Return the numbers of queries that a table shows, up to a budget.

    They are 10, 50, 100, 300, 500, 1,000 and so on, and the budget itself.
    """
    marks = {mark for mark in _MARKS if mark < budget}
    decade = 1_000
    while decade < budget:
        marks |= {step * decade for step in (1, 2, 5) if step * decade < budget}
        decade *= 10
    return sorted({*marks, budget})


def query_numbers(budget: int) -> list[int]:
    """Return the numbers of queries of a curve up to a budget, its marks among them."""
    numbers = set(range(1, min(budget, _EVERY) + 1))
    place = 0
    while (number := round(10 ** (place / _PER_DECADE))) < budget:
        numbers.add(number)
        place += 1
    return sorted({*numbers, *query_marks(budget)})


class RandomQueries(Fact):
    """What random search has found on average, at each number of queries.

    `drawn` says how likely each architecture is. `is_random_search` says that the
    selector `random-search` draws so where it counts as the population does. `rewards`
    are those of the best by reward, `reported` its reported accuracies, `highest` the
    highest reported accuracies of any architecture asked for; the last two are empty
    where architectures lack one. The expectations are exact, with errors of 0, where
    `repetitions` is 0, else means of so many simulated searches with their standard
    errors.
    """

    drawn: Drawn
    is_random_search: bool
    rewards: list[float]
    reported: list[float]
    highest: list[float]
    reward_errors: list[float]
    reported_errors: list[float]
    highest_errors: list[float]
    repetitions: int

    def check_as(self, queries: list[int]) -> None:
        """Raise Impossible unless there is a possible number per number of queries."""
        check_number("repetitions", self.repetitions, 0, MOST_COUNTED)
        check_same_length("rewards", self.rewards, "queries", queries)
        check_numbers("rewards", self.rewards, -FINITE, FINITE)
        for key in ("reported", "highest"):
            numbers = getattr(self, key)
            check_numbers(key, numbers, 0, PER_CENT)
            if numbers:
                check_same_length(key, numbers, "queries", queries)
        for key, numbers in (
            ("reward_errors", self.rewards),
            ("reported_errors", self.reported),
            ("highest_errors", self.highest),
        ):
            check_same_length(key, getattr(self, key), key, numbers)
            check_numbers(key, getattr(self, key))


class QueriedPopulation(Fact):
    """The architectures that have a reward, and the best of them.

    They are texts, or one representative of each class of architectures of equal
    function. `best_architecture` is the first that has the highest reward, and
    `best_count` says how many have it; `best_reported` is the mean of their reported
    accuracies, None where one has none. `highest_reported` is the highest accuracy that
    is reported of any, None where none has one.
    """

    over: Counting
    architectures: int
    best_architecture: str
    best_reward: float
    best_count: int
    best_reported: float | None
    highest_reported: float | None
    random: list[RandomQueries]

    def check_as(self, queries: list[int]) -> None:
        """Raise Impossible for what no population can have."""
        check_number("architectures", self.architectures, 1, MOST_COUNTED)
        check_number("best_count", self.best_count, 1, self.architectures)
        check_number("best_reward", self.best_reward, -FINITE, FINITE)
        check_number("best_reported", self.best_reported, 0, PER_CENT)
        check_number("highest_reported", self.highest_reported, 0, PER_CENT)
        for random in self.random:
            random.check_as(queries)

    def equally_likely(self) -> RandomQueries | None:
        """Return what equally likely architectures have found on average."""
        for random in self.random:
            if random.drawn == "equally likely":
                return random
        return None

    def random_search(self) -> RandomQueries | None:
        """Return what the selector `random-search` finds on average, if it is known."""
        for random in self.random:
            if random.is_random_search:
                return random
        return None


class QueryBaseline(Fact):
    """What queries of one reward can find, judged by one reported accuracy.

    `reward` and `report` are the ids of two landscapes of one space. The reward is the
    mean of the reward's trials, or the `trial` "first" alone. `is_whole_space` is false
    where the reward knows a part of its space only: then all numbers are of that part.
    `unreported` counts the architectures that have a reward and no reported accuracy,
    `unrepresented` the classes of which some have a reward and the representative has
    none: they cannot be queried.
    `queries` are the numbers of queries, up to the budget. `populations` are the
    classes, and the texts where there are more of them.
    """

    schema_version: Literal[1] = 1
    id: Id
    reward: Id
    trial: Literal["mean", "first"]
    report: Id
    budget: int
    is_whole_space: bool
    unreported: int
    unrepresented: int = 0
    queries: list[int]
    populations: list[QueriedPopulation]

    def check(self) -> None:
        """Raise Impossible for what no space can hold."""
        check_number("budget", self.budget, 1, MOST_COUNTED)
        check_number("unreported", self.unreported, 0, MOST_COUNTED)
        check_number("unrepresented", self.unrepresented, 0, MOST_COUNTED)
        rising = pairwise([0, *self.queries])
        if not self.queries or not all(after > before for before, after in rising):
            raise Impossible("queries do not rise from 1 on")
        if not self.populations:
            raise Impossible("populations is empty")
        for population in self.populations:
            population.check_as(self.queries)

    def population(self, over: Counting) -> QueriedPopulation:
        """Return the texts or the classes; the classes where texts are no more."""
        for population in self.populations:
            if population.over == over:
                return population
        return self.populations[0]


def query_baseline_id(reward: str, trial: str, report: str, budget: int) -> str:
    """Return the id of the baseline of a reward and a report up to a budget."""
    return content_id(["queries", reward, trial, report, budget])
