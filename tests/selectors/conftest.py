"""A toy space and a fake task whose scores come from a table, so that a selector's every step can be foretold."""

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import pytest

from archselect.nasbench_adapters.space import (
    DROPPED,
    Architecture,
    Cell,
    Decisions,
    SearchSpace,
)
from archselect.selectors.base import Evaluation, Task
from archselect.selectors.proxies import swap


@pytest.fixture(autouse=True, scope="module")
def few_draws():
    """What holds of SWAP's 32 draws of weights holds of two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swap, "DRAWS", 2)
        yield


class ToySpace(SearchSpace):
    """Two cell types.

    In the second, nodes 2 and 3 keep one of their two and three inputs; in the first
    all are kept.

    Edges allow one to four operations, among them `none`, which is no choice of an
    architecture where edges are dropped.
    """

    name = "toy"
    summary = "for tests"
    cells = (
        Cell(
            "normal",
            1,
            3,
            ((0, 1), (0, 2), (1, 2)),
            (tuple("abc"), ("none", "b"), ("a",)),
            (2,),
        ),
        Cell(
            "reduction",
            1,
            4,
            ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)),
            (
                tuple("ab"),
                ("none", "a"),
                ("none", "a", "b"),
                tuple("abcd"),
                ("d",),
                tuple("ab"),
            ),
            (3,),
            kept=(None, None, 1, 1),
        ),
    )

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

    def fixed(self, cell, edge, choice):
        return replace(self, decisions=self.decisions.decide(cell, edge, choice))


class TableTask(Task):
    """A task without a supernet.

    `table(mixture or architecture, purpose)` gives every score; calls are noted.
    """

    alphas = "the task's alphas"

    def __init__(self, table, seed=0, space=None):
        self.space = space or ToySpace()
        self.rng = np.random.default_rng(seed)
        self.table = table
        (
            self.evaluations,
            self.tunings,
            self.minibatches,
            self.proxied,
            self.networks,
        ) = [], [], [], [], []
        self.drawn_alphas, self.tuned = 0, []

    def mixture(self, decisions, alphas=None):
        return FakeMixture(decisions, alphas)

    def new_alphas(self):
        self.drawn_alphas += 1
        return f"alphas {self.drawn_alphas}"

    def evaluate(self, mixture, norm="running", augment=False):
        self.evaluations.append((mixture, norm, augment))
        return Evaluation(self.table(mixture, "accuracy"), self.table(mixture, "loss"))

    def evaluate_tuned(
        self, decisions, epochs, learning_rate, norm="running", augment=False
    ):
        self.tuned.append((decisions, epochs, learning_rate, norm, augment))
        mixture = self.mixture(decisions)
        return Evaluation(
            self.table(mixture, "tuned accuracy"), self.table(mixture, "tuned loss")
        )

    def minibatch(self, size):
        self.minibatches.append(size)
        return f"batch {len(self.minibatches)}"

    def proxy(self, name, mixture, batch, norm="running"):
        self.proxied.append((name, mixture, batch, norm))
        return self.table(mixture, "proxy")

    def proxies(self, name, mixtures, batch, norm="running"):
        return [self.proxy(name, mixture, batch, norm) for mixture in mixtures]

    def output_information(
        self, mixture, norm="running", augment=False, skips_flat=False
    ):
        return [
            [
                [
                    1 + self.table((mixture, edge, k), "information")
                    for k in edge.choices
                ]
                for edge in edges
            ]
            for edges in self.space.edges
        ]

    def proxy_of_network(self, name, architecture, batches, size):
        self.networks.append((name, architecture, batches, size))
        return self.table(architecture, "network")

    def memory(self, decisions, batch_size=None):
        live = sum(
            len(decisions.live(edge)) for row in self.space.edges for edge in row
        )
        return live * (batch_size or 1)

    def tune(self, decisions, epochs, learning_rate):
        self.tunings.append((decisions, epochs, learning_rate))


def random_table(salt, levels):
    """A score for every question, the same at every call: one of `levels` numbers, so that there are ties."""
    return lambda asked, purpose: float(
        crc32(repr((salt, asked, purpose)).encode()) % levels
    )


def naive_thinning(decisions, cell, edges, keep, score, better, restored):
    """[(scores by edge, the edge dropped), ...] and the decisions after: topology by perturbation, told by hand.

    While a node has too many edges each of those left is taken away in turn; the one is
    dropped whose absence gives the worst score, the last such on a tie. An edge dropped
    before is away as well, unless it is `restored`.
    """
    left, gone, told = list(edges), [], []
    while len(left) > keep:
        scores = {}
        for edge in left:
            without = decisions
            for away in ([] if restored else gone) + [edge]:
                without = without.decide(cell, away, DROPPED)
            scores[edge] = score(without)
        worst = max(scores.values()) if better == "lower" else min(scores.values())
        dropped = max(edge for edge in left if scores[edge] == worst)
        told.append((scores, dropped))
        gone.append(dropped)
        left.remove(dropped)
    for edge in gone:
        decisions = decisions.decide(cell, edge, DROPPED)
    return told, decisions


def filled_up(space, decisions):
    """The architecture by the rule of the released `genotype()`, told by hand, for edges that are all decided.

    Of the edges into a node that keeps k, each weighs one where its operation is not
    `none` and it is not dropped, else zero; the k heaviest are taken, the first on a
    tie; one that weighs zero takes its first operation but `none`.
    """
    choices = []
    for cell, row in zip(space.cells, decisions.choices, strict=True):
        chosen = [None if choice == DROPPED else choice for choice in row]
        for node in range(cell.nodes):
            edges = [e for e, (_, target) in enumerate(cell.edges) if target == node]
            if cell.kept and cell.kept[node] is not None:
                weight = {
                    e: chosen[e] is not None and cell.operations[e][chosen[e]] != "none"
                    for e in edges
                }
                taken = sorted(edges, key=lambda e, weight=weight: not weight[e])[
                    : cell.kept[node]
                ]
                for e in edges:
                    if e not in taken:
                        chosen[e] = None
                    elif not weight[e]:
                        chosen[e] = next(
                            k
                            for k, name in enumerate(cell.operations[e])
                            if name != "none"
                        )
        choices.append(tuple(chosen))
    return Architecture(tuple(choices))


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


@pytest.fixture(scope="session")
def retell_pruning():
    """See :func:`naive_thinning`."""
    return naive_thinning


@pytest.fixture(scope="session")
def retell_filling():
    """See :func:`filled_up`."""
    return filled_up


@pytest.fixture(scope="session")
def open_choices():
    """`open_choices(space)`: per cell type the edges that have more than one operation."""
    return lambda space: [
        [e for e, names in enumerate(cell.operations) if len(names) > 1]
        for cell in space.cells
    ]


@pytest.fixture(scope="session")
def overfull():
    """`overfull(space)`: per cell type the nodes that may not keep all their inputs, with those edges."""

    def find(space):
        found = []
        for cell in space.cells:
            into = {
                n: [e for e, (_, target) in enumerate(cell.edges) if target == n]
                for n in range(cell.nodes)
            }
            keep = cell.kept or (None,) * cell.nodes
            found.append(
                {
                    n: edges
                    for n, edges in into.items()
                    if keep[n] is not None and len(edges) > keep[n]
                }
            )
        return found

    return find
