"""A toy space and a fake task whose scores come from a table, so that a selector's every step can be foretold."""

from dataclasses import dataclass, replace
from typing import ClassVar
from zlib import crc32

import numpy as np
import pytest

from archselect.nasbench_adapters.space import Cell, Decisions, SearchSpace
from archselect.selectors.base import Evaluation


class ToySpace(SearchSpace):
    """Two cell types; the edges allow three, two, four, two and two operations."""

    name = "toy"
    summary = "for tests"
    cells = (
        Cell("normal", 1, 3, ((0, 1), (0, 2), (1, 2)), (tuple("abc"), tuple("ab"), tuple("abcd")), (2,)),
        Cell("reduction", 1, 3, ((0, 1), (1, 2)), (tuple("ab"), tuple("cd")), (2,)),
    )
    places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))
    counts: ClassVar = {(0, 0): 3, (0, 1): 2, (0, 2): 4, (1, 0): 2, (1, 1): 2}

    def parse(self, text):
        raise NotImplementedError

    format = canonical = skeleton = parse


@dataclass(frozen=True)
class FakeMixture:
    """What a mixture was made of: the decisions, the alphas, and the entry that was masked."""

    decisions: Decisions
    alphas: object = None
    masked: tuple[int, int, int] | None = None
    renormalise: bool = False

    def without(self, cell, edge, choice, renormalise=False):
        assert self.masked is None
        return replace(self, masked=(cell, edge, choice), renormalise=renormalise)


class TableTask:
    """A task without a supernet. `table(mixture or architecture, purpose)` gives every score; calls are noted."""

    def __init__(self, table, seed=0):
        self.space = ToySpace()
        self.rng = np.random.default_rng(seed)
        self.table = table
        self.evaluations, self.tunings, self.minibatches, self.proxies, self.networks = [], [], [], [], []
        self.drawn_alphas = 0

    def mixture(self, decisions, alphas=None):
        return FakeMixture(decisions, alphas)

    def new_alphas(self):
        self.drawn_alphas += 1
        return f"alphas {self.drawn_alphas}"

    def evaluate(self, mixture, norm="running", augment=False):
        self.evaluations.append((mixture, norm, augment))
        return Evaluation(self.table(mixture, "accuracy"), self.table(mixture, "loss"))

    def minibatch(self, size):
        self.minibatches.append(size)
        return f"batch {len(self.minibatches)}"

    def proxy(self, name, mixture, batch, norm="running"):
        self.proxies.append((name, mixture, batch, norm))
        return self.table(mixture, "proxy")

    def proxy_of_network(self, name, architecture, batches, size):
        self.networks.append((name, architecture, batches, size))
        return self.table(architecture, "network")

    def tune(self, decisions, epochs, learning_rate):
        self.tunings.append((decisions, epochs, learning_rate))


def random_table(salt, levels):
    """A score for every question, the same at every call: one of `levels` numbers, so that there are ties."""
    return lambda asked, purpose: float(crc32(repr((salt, asked, purpose)).encode()) % levels)


@pytest.fixture(scope="session")
def toy():
    return ToySpace()


@pytest.fixture(scope="session")
def table_task():
    """`table_task(table, seed)`: a fake task; see :class:`TableTask`."""
    return TableTask


@pytest.fixture(scope="session")
def table():
    """`table(salt, levels)`: see :func:`random_table`."""
    return random_table
