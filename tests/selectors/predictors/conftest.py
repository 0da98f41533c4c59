"""A made-up reward for every space, and rank correlations that must exist."""

from itertools import combinations

import numpy as np
import pytest

from archselect.nasbench_adapters.rank_correlations import spearman
from archselect.nasbench_adapters.seeds import stream_seed


def worth(space, seed=0):
    """`reward(architecture)`: every operation has a worth of its own, and so has every pair on two edges."""

    def number(*key):
        rng = np.random.default_rng(stream_seed("worth", seed, *map(str, key)))
        return float(rng.normal())

    known = {}

    def of(*key):
        if key not in known:
            known[key] = number(*key)
        return known[key]

    def reward(architecture):
        carried = [
            (cell, edge, choice)
            for cell, row in enumerate(architecture.choices)
            for edge, choice in enumerate(row)
            if choice is not None
        ]
        single = sum(of(one) for one in carried)
        pairs = sum(of(one, other) for one, other in combinations(carried, 2))
        return single + 0.2 * pairs

    return reward


@pytest.fixture(scope="session")
def made_up_worth():
    """`made_up_worth(space, seed=0)` is a reward of single operations and of pairs."""
    return worth


@pytest.fixture(scope="session")
def agree():
    """`agree(a, b)` is Spearman's rho, which must be defined."""

    def rho(a, b):
        value = spearman(a, b)
        assert value is not None
        return value

    return rho
