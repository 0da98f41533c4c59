"""Counted parameters are those of the networks that are built."""

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.networks import build_network
from archselect.nasbench_adapters.networks.parameters import count_parameters
from archselect.nasbench_adapters.spaces import SPACES, get_space

SMALL = {"layers": 3}
SKELETONS = {
    "nb-macro": {"channels": 2},
    "mobilenet": {"channels": 8},
    "nb201": {"cells": 1},
    "nb101": {"channels": 8, "cells": 2},
} | {f"nb1shot1-{number}": {"channels": 8, "cells": 2} for number in (1, 2, 3)}
SINGLE = ("single-cell", "single-cell-no-skip", "single-cell-all-skip")
SKELETONS |= {name: {"channels": 4} for name in SINGLE}


@pytest.mark.parametrize("name", [name for name in SPACES if name != "nbgraph"])
def test_every_space_counts_what_is_built(name):
    space = get_space(name)
    skeleton = space.skeleton(**SKELETONS.get(name, SMALL))
    rng = np.random.default_rng(1)
    cells = [space.sample(rng) for _ in range(4)]
    built = [build_network(space, cell, skeleton, 1, 7, seed=0) for cell in cells]
    expected = [
        sum(parameter.numel() for parameter in network.parameters())
        for network in built
    ]
    assert count_parameters(space, cells, skeleton, 1, 7).tolist() == expected
    assert len(set(expected)) > 1


def test_the_random_state_of_the_caller_is_left_alone():
    space = get_space("nb201")
    before = torch.get_rng_state()
    count_parameters(
        space, [space.sample(np.random.default_rng(0))], space.skeleton(cells=1)
    )
    assert torch.equal(before, torch.get_rng_state())


def test_no_architectures_have_no_parameters():
    space = get_space("nb201")
    assert count_parameters(space, [], space.skeleton(cells=1)).shape == (0,)
