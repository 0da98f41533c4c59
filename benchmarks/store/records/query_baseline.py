"""What queries of a reward find in a space: random search, and the best."""

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
"""Up to this number of queries, a curve has a value for each."""

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
    """Return the numbers of queries of a curve up to a budget, including its marks."""
    numbers = set(range(1, min(budget, _EVERY) + 1))
    place = 0
    while (number := round(10 ** (place / _PER_DECADE))) < budget:
        numbers.add(number)
        place += 1
    return sorted({*numbers, *query_marks(budget)})


class RandomQueries(Fact):
    """What random search finds on average, at each number of queries.

    `drawn` says how likely each architecture is. `is_random_search` says that the
    selector `random-search` draws in this way, if it counts like the population.
    `rewards` are those of the best architecture by reward, and `reported` its reported
    accuracies. `highest` are the highest reported accuracies of any queried
    architecture. The last two are empty if some architectures lack a reported accuracy.
    If `repetitions` is 0, expectations are exact, with errors of 0; otherwise they are
    means of that many simulated searches, with their standard errors.
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

    They are texts, or one representative per class of architectures that compute the
    same function. `best_architecture` is the first one with the highest reward,
    `best_count` is how many have it, and `best_reported` is the mean of their reported
    accuracies; None if one has none. `highest_reported` is the highest reported
    accuracy of all; None if none has one.
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
        """Raise Impossible for values that no population can have."""
        check_number("architectures", self.architectures, 1, MOST_COUNTED)
        check_number("best_count", self.best_count, 1, self.architectures)
        check_number("best_reward", self.best_reward, -FINITE, FINITE)
        check_number("best_reported", self.best_reported, 0, PER_CENT)
        check_number("highest_reported", self.highest_reported, 0, PER_CENT)
        for random in self.random:
            random.check_as(queries)

    def equally_likely(self) -> RandomQueries | None:
        """Return what equally likely architectures give on average."""
        for random in self.random:
            if random.drawn == "equally likely":
                return random
        return None

    def random_search(self) -> RandomQueries | None:
        """Return what `random-search` finds on average; None if unknown."""
        for random in self.random:
            if random.is_random_search:
                return random
        return None


class QueryBaseline(Fact):
    """What queries of one reward can find, judged by one reported accuracy.

    `reward` and `report` are the ids of two landscapes of one space. The reward is the
    mean of the reward's trials, or only the first trial if `trial` is "first".
    `is_whole_space` is false if the reward covers only a part of its space: then all
    numbers are for that part. `unreported` counts the architectures with a reward but
    no reported accuracy. `unrepresented` counts the classes in which some architectures
    have a reward but the representative has none: they cannot be queried. `queries` are
    the numbers of queries, up to the budget. `populations` are the classes, and the
    texts if there are more texts.
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
        """Raise Impossible for values that no space can have."""
        check_number("budget", self.budget, 1, MOST_COUNTED)
        check_number("unreported", self.unreported, 0, MOST_COUNTED)
        check_number("unrepresented", self.unrepresented, 0, MOST_COUNTED)
        rising = pairwise([0, *self.queries])
        if not self.queries or not all(after > before for before, after in rising):
            raise Impossible("queries do not increase from 1")
        if not self.populations:
            raise Impossible("populations is empty")
        for population in self.populations:
            population.check_as(self.queries)

    def population(self, over: Counting) -> QueriedPopulation:
        """Return the texts or the classes; the classes if there are no more texts."""
        for population in self.populations:
            if population.over == over:
                return population
        return self.populations[0]


def query_baseline_id(reward: str, trial: str, report: str, budget: int) -> str:
    """Return the id of the baseline of a reward and a report up to a budget."""
    return content_id(["queries", reward, trial, report, budget])
