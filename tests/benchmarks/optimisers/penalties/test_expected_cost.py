"""The penalty on costs: in a world that is the table itself, and in a training."""

import numpy as np
import pandas as pd
import pytest
import torch
from support.table_world import TableWorld

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.mixture_cost import open_mixture_cost
from archselect.benchmarks.optimisers.penalties.expected_cost import ExpectedCost
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space

SMALL = {"alpha_learning_rate": 0.05, "batch_size": 16}
PARAMS = {"cost": "params"} | SMALL


@pytest.fixture(scope="module")
def table(shared_file):
    """Return validation accuracies on CIFAR-100 by cell, after 200 epochs."""
    rows = pd.read_csv(shared_file("nb201.csv.gz"), low_memory=False)
    chosen = rows.query(
        "dataset == 'cifar100' and split == 'x-valid' and epochs == 200"
    )
    return chosen.groupby("arch").accuracy.mean()


@pytest.fixture(scope="module")
def world(table):
    space = get_space("nb201")
    texts = [space.format(architecture) for architecture in space.enumerate()]
    return TableWorld(space, table.reindex(texts).to_numpy())


def test_without_weight_the_search_ends_in_the_known_cell(world):
    # Protocol: descent on the exact expectation ends in cell 9930 on CIFAR-100.
    architecture, _ = world.search([], seed=0)
    assert world.space.format(architecture) == (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )


def test_the_cost_falls_with_its_weight_down_to_the_least(world):
    cost = open_mixture_cost("params", world.space, NetworkShape())
    found = []
    for weight in (0.0, 0.1, 10.0):
        penalty = ExpectedCost(cost=cost, cost_weight=weight)
        architecture, _ = world.search([penalty], seed=0)
        found.append(cost._cost.of(architecture))
    assert found[0] > found[1] > found[2] == cost.limits.low


def train(new_trainer, settings, epochs=3):
    """Return the alphas and weights after some epochs."""
    trainer = new_trainer(Darts(**settings))
    undecided = trainer.space.undecided()
    for epoch in range(epochs):
        trainer.epoch(undecided, epoch / epochs)
    return trainer


def test_weight_zero_is_bit_for_bit_no_cost(new_trainer):
    plain = train(new_trainer, SMALL)
    noted = train(new_trainer, PARAMS | {"cost_weight": 0.0})
    assert torch.equal(plain.alphas[0], noted.alphas[0])
    by_name = noted.supernet.state_dict()
    for name, tensor in plain.supernet.state_dict().items():
        assert torch.equal(tensor, by_name[name])


@pytest.mark.parametrize("activation", ["softmax", "crb"])
def test_the_mixture_gets_cheaper_with_the_weight(new_trainer, activation):
    costs = []
    for weight in (0.0, 1.0, 10.0):
        settings = PARAMS | {"cost_weight": weight, "activation": activation}
        trainer = train(new_trainer, settings)
        cost = open_mixture_cost("params", trainer.space, trainer.network)
        tables = trainer.activation.tables(trainer.space, trainer.alphas)
        costs.append(float(cost(tables).detach()))
    assert costs[0] > costs[1] > costs[2]


def test_the_penalty_is_the_share_of_the_range(new_trainer):
    trainer = new_trainer(Darts(**PARAMS, cost_weight=2.0))
    ((penalty, weight),) = trainer.penalties
    view = trainer._view()
    cost = open_mixture_cost("params", trainer.space, trainer.network)
    low, high = cost.limits
    share = (float(cost(view.tables).detach()) - low) / (high - low)
    assert weight * float(penalty(view).detach()) == pytest.approx(2 * share)
    assert 0 < share < 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"cost_weight": 1.0}, "cost_weight needs a cost"),
        ({"cost": "additve:x/y@100"}, "form of a cost"),
        ({"cost": "additive:x/y"}, "does not have the form"),
    ],
)
def test_settings_that_name_no_cost_are_refused(settings, reason):
    with pytest.raises(UserError, match=reason):
        Darts(**settings)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Darts(cost="params", cost_weight=-1.0)


def test_the_search_is_the_same_for_a_cost_in_another_unit(world):
    cost = open_mixture_cost("macs", world.space, NetworkShape())
    architecture, weights = world.search(
        [ExpectedCost(cost=cost, cost_weight=0.1)], seed=0
    )
    params = open_mixture_cost("params", world.space, NetworkShape())
    again, _ = world.search([ExpectedCost(cost=params, cost_weight=0.1)], seed=0)
    assert np.isfinite(weights.numpy()).all()
    assert world.space.format(architecture) == world.space.format(again)
