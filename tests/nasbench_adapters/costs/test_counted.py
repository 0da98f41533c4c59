"""Parameters and multiply-adds, against networks that are built and against published numbers."""

import numpy as np
import pytest

from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.counted import MultiplyAdds, Parameters
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import build_network
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.rank_correlations import centred_ranks
from archselect.nasbench_adapters.spaces import get_space

SMALL = {
    "nb201": {"channels": 4, "cells": 1},
    "darts": {"channels": 4, "layers": 3},
    "darts-none": {"channels": 4, "layers": 3},
    "s2": {"channels": 4, "layers": 3},
    "minimal": {"channels": 4, "layers": 2},
    "nb101": {"channels": 8, "cells": 1},
    "nb1shot1-1": {"channels": 8, "cells": 2},
    "nb1shot1-3": {"channels": 8, "cells": 1},
}
SHAPE = (1, 8, 8)
CLASSES = 7


@pytest.mark.parametrize("name", SMALL)
def test_counts_are_those_of_networks_that_are_built(name):
    space = get_space(name)
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(4)]
    network = NetworkShape(SMALL[name], SHAPE, CLASSES)
    parameters = Parameters(space, network)
    multiply_adds = MultiplyAdds(space, network)
    for architecture in architectures:
        skeleton = space.skeleton(**SMALL[name])
        built = build_network(space, architecture, skeleton, SHAPE[0], CLASSES, 0)
        weights = sum(weight.numel() for weight in built.parameters())
        assert parameters.of(architecture) == weights
        assert multiply_adds.of(architecture) == ForwardCost(built, SHAPE)() / 2
    together = parameters.of_many(architectures)
    assert together.tolist() == [parameters.of(each) for each in architectures]


@pytest.mark.parametrize("kind", [Parameters, MultiplyAdds])
@pytest.mark.parametrize("name", ["nb201", "darts"])
def test_counts_are_the_base_and_the_entries_of_their_rows(kind, name):
    space = get_space(name)
    cost = kind(space, NetworkShape(SMALL[name], SHAPE, CLASSES))
    rows = cost.rows()
    for seed in range(5):
        architecture = space.sample(np.random.default_rng(seed))
        total = rows.base
        for table, choices in zip(rows.tables, architecture.choices, strict=True):
            for edge, choice in enumerate(choices):
                total += 0 if choice is None else table[edge, choice]
        assert cost.of(architecture) == total


def test_cells_of_nasbench_101_are_no_sum_over_edges():
    space = get_space("nb101")
    network = NetworkShape(SMALL["nb101"])
    assert Parameters(space, network).rows() is None
    assert MultiplyAdds(space, network).rows() is None


def test_both_rank_the_cells_of_nb201_identically(space):
    """Every operation is as large in one as in the other, up to a factor and normalisation."""
    cells = list(space.enumerate())
    parameters = Parameters(space, NetworkShape()).of_many(cells)
    multiply_adds = MultiplyAdds(space, NetworkShape()).of_many(cells)
    assert np.array_equal(centred_ranks(parameters), centred_ranks(multiply_adds))


def test_counts_are_those_that_nasbench_201_publishes(space, shared_file):
    """What its files call FLOPs are multiply-adds, of the same operations as are counted here."""
    with np.load(shared_file("nb201_reference.npz")) as reference:
        cells = [space.parse(str(text)) for text in reference["arch"]]
        millions = reference["params_m_cifar10"]
        called_flops = reference["flops_m_cifar10"]
    parameters = Parameters(space, NetworkShape()).of_many(cells)
    multiply_adds = MultiplyAdds(space, NetworkShape()).of_many(cells)
    assert np.array_equal(parameters, np.round(millions * 1e6))
    assert np.array_equal(multiply_adds, np.round(called_flops * 1e6))


def test_the_network_is_named(space):
    cost = Parameters(space, NetworkShape({"channels": 4, "cells": 1}, SHAPE, CLASSES))
    assert cost.origin == (
        "counted for stand-alone networks of channels 4, cells 1, images of 1×8×8 and 7 classes"
    )
    assert (cost.name, cost.unit, cost.fit) == ("params", "parameters", None)


def test_an_unknown_setting_of_the_network_is_refused(space):
    with pytest.raises(UserError, match="depth"):
        Parameters(space, NetworkShape({"depth": 4}))
