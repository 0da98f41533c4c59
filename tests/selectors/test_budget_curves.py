"""Curves of rewards under a budget against independent ones on the same tables.

The references are means over 100 seeds (NAS-Bench-201) and 30 seeds (NAS-Bench-Graph)
of other code: the accuracy by test of the best by validation, after some queries.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import graph_bench
from archselect.selectors.conservative import Conservative
from archselect.selectors.evolution import RegularisedEvolution
from archselect.selectors.local_search import LocalSearch
from archselect.selectors.random_search import RandomSearch

POINTS = (10, 50, 100, 300)
"""Queries after which a curve is read."""
SEEDS = 30
MOST_ERRORS = 4
"""Standard errors of the difference of two means that chance explains."""
ROUNDING = 0.006
"""Of a reference with two decimals, and a little more."""


class Table(NamedTuple):
    """A data set's accuracies in per cent, by architecture."""

    space: object
    validation: dict
    test: dict


class Curves(NamedTuple):
    """Accuracies of the best by validation, (seeds, points)."""

    validation: np.ndarray
    test: np.ndarray

    def require_mean(self, expected, seeds):
        """Fail unless the tests' means are the expected ones of so many seeds."""
        deviations = self.test.std(axis=0, ddof=1)
        errors = deviations * np.sqrt(1 / len(self.test) + 1 / seeds)
        differences = self.test.mean(axis=0) - expected
        assert (abs(differences) <= MOST_ERRORS * errors + ROUNDING).all(), differences


def curves(selector, table, counting, pool=None):
    """What a selector's best is after so many queries, for some seeds."""
    validation = []
    test = []
    for seed in range(SEEDS):
        task = query_task(
            table.space,
            table.validation.__getitem__,
            POINTS[-1],
            seed=seed,
            counting=counting,
            pool=pool,
        )
        selector.select(task)
        asked = list(task.queries.answers)
        best = [max(asked[:point], key=table.validation.get) for point in POINTS]
        validation.append([table.validation[architecture] for architecture in best])
        test.append([table.test[architecture] for architecture in best])
    return Curves(np.array(validation), np.array(test))


@pytest.fixture(scope="module")
def cifar10(shared_file):
    space = get_space("nb201")
    trials = pd.read_csv(shared_file("nb201.csv.gz"), dtype={"seed": str})
    trials = trials[trials.epochs == 200]
    means = []
    for dataset in ("cifar10-valid", "cifar10"):
        own = trials[trials.dataset == dataset]
        by_text = own.groupby("arch").accuracy.mean()
        means.append({space.parse(text): mean for text, mean in by_text.items()})
    return Table(space, *means)


@pytest.fixture(scope="module")
def graphs():
    """`graphs(dataset)` is its table, of one architecture per class."""
    if not graph_bench.installed():
        pytest.skip(f"the package is not installed: {graph_bench.INSTALL}")
    space = get_space("nbgraph")
    truth = graph_bench.graph_bench_table()

    def table(dataset):
        splits = []
        for split in (graph_bench.VALIDATION, graph_bench.TEST):
            means = {}
            for architecture in space.representatives:
                means[architecture] = truth.mean(architecture, dataset, split, 0)
            splits.append(means)
        return Table(space, *splits)

    return table


@pytest.fixture(scope="module")
def arxiv(graphs):
    return graphs("arxiv")


def graph_curves(selector, table):
    """The curves where random architectures are drawn class by class."""
    return curves(selector, table, "classes", table.space.representatives)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (RegularisedEvolution(), (92.995, 94.066, 94.229, 94.371)),
        (LocalSearch(), (92.865, 94.100, 94.268, 94.373)),
    ],
    ids=["evolution", "local search"],
)
def test_the_curves_on_nasbench_201_by_texts(selector, expected, cifar10):
    curves(selector, cifar10, "texts").require_mean(expected, seeds=100)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (RegularisedEvolution(), (71.50, 71.93, 72.02, 72.13)),
        (Conservative(), (71.43, 72.01, 72.01, 72.03)),
        (Conservative(classes_per_move=2), (71.57, 71.88, 72.04, 72.00)),
    ],
    ids=["evolution", "conservative", "two classes"],
)
def test_the_curves_on_arxiv(selector, expected, arxiv):
    graph_curves(selector, arxiv).require_mean(expected, seeds=30)


def test_without_restarts_the_neighbours_are_used_up(arxiv):
    """After 90 queries in the mean of the reference."""
    counts = []
    for seed in range(SEEDS):
        pool = arxiv.space.representatives
        reward = arxiv.validation.__getitem__
        task = query_task(arxiv.space, reward, 300, seed=seed, pool=pool)
        Conservative(restarts=False).select(task)
        counts.append(len(task.queries.answers))
    error = np.std(counts, ddof=1) * np.sqrt(1 / SEEDS + 1 / 30)
    assert abs(np.mean(counts) - 90) <= MOST_ERRORS * error
    assert max(counts) < 300


@pytest.mark.parametrize("dataset", ["cs", "citeseer"])
def test_evolution_finds_better_validation_than_random_search(dataset, graphs):
    table = graphs(dataset)
    evolution = graph_curves(RegularisedEvolution(), table).validation[:, -1]
    random = graph_curves(RandomSearch(), table).validation[:, -1]
    gains = evolution - random
    assert gains.mean() > MOST_ERRORS * gains.std(ddof=1) / np.sqrt(SEEDS)
