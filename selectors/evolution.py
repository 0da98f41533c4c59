"""Regularised evolution under a budget of queries: the oldest of a population dies.

Real et al., AAAI 2019, algorithm 1.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, NamedTuple

from archselect.nasbench_adapters.moves import mutate
from archselect.nasbench_adapters.setting_types import Count
from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.base import REWARDS, Selection, Selector, Task
from archselect.selectors.search import Search


class Individual(NamedTuple):
    """A member of a population.

    Attributes:
        architecture: an architecture of the space.
        reward: its reward; more is better.
    """

    architecture: Architecture
    reward: float


class RegularisedEvolution(Selector):
    """Replace the oldest of a population by a changed copy of a tournament's winner.

    The population starts with random architectures. Repeat until the budget is spent:
    draw a tournament from the population, with replacement; copy the best of it; change
    the copy by random moves (:mod:`archselect.nasbench_adapters.moves`); query the
    copy and add it to the population; remove the oldest architecture. Ties in a
    tournament go to the first drawn. The best architecture of all queries is selected.

    Settings:
        population: number of architectures in the population (100 in the paper, 10 in
            the paper of NAS-Bench-201).
        tournament: number of architectures in a tournament (25 in the paper).
        moves_per_child: number of random moves from a parent to its child.
    """

    name: ClassVar[str] = "evolution"
    summary: ClassVar[str] = (
        "regularised evolution: mutates a tournament's best, drops the oldest"
    )
    paper: ClassVar[str] = "Real et al., AAAI 2019, arXiv 1802.01548"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})

    population: Count = 10
    tournament: Count = 5
    moves_per_child: Count = 1

    def select(self, task: Task) -> Selection:
        """Return the best architecture found until the budget is spent."""
        search = task.search()
        with search.spending():
            population = self._first_generation(search)
            while True:
                parent = self._winner(task, population)
                child = self._mutated(task, parent.architecture)
                # A full deque drops its oldest member.
                population.append(Individual(child, search.query(child)))
        return search.selection(search.best_architecture())

    def _first_generation(self, search: Search) -> deque[Individual]:
        """Return a population of random architectures, the oldest first."""
        population: deque[Individual] = deque(maxlen=self.population)
        for _ in range(self.population):
            architecture = search.draw()
            reward = search.query(architecture)
            population.append(Individual(architecture, reward))
        return population

    def _winner(self, task: Task, population: deque[Individual]) -> Individual:
        """Return the best of a random tournament; ties go to the first drawn."""
        entrants = [task.pick(population) for _ in range(self.tournament)]
        return max(entrants, key=lambda individual: individual.reward)

    def _mutated(self, task: Task, parent: Architecture) -> Architecture:
        """Return a child: the parent after random moves."""
        child = parent
        for _ in range(self.moves_per_child):
            child = mutate(task.space, child, task.rng)
        return child
