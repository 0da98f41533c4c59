"""The cost of a mixture, against costs of architectures and of all cells of a space."""

import numpy as np
import pytest
import torch

from archselect.benchmarks.optimisers.mixture_cost import (
    MixtureCost,
    open_mixture_cost,
)
from archselect.nasbench_adapters.costs.base import Cost, NetworkShape, Regressor
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import one_hot
from archselect.nasbench_adapters.spaces import get_space

NETWORK = NetworkShape({"channels": 4}, (1, 8, 8), 10)
CPU = torch.device("cpu")


class Perceptron(Cost):
    """A small perceptron with random weights on one-hot cells of nb201."""

    name = "made-up"
    unit = "ms"
    origin = "made up"

    def __init__(self):
        rng = np.random.default_rng(0)
        self.weights = (rng.normal(size=(30, 7)), rng.normal(size=(7, 1)))
        self.biases = (rng.normal(size=7), rng.normal(size=1))

    def of(self, architecture):
        """Return the output at the one-hot cell, layer by layer."""
        x = np.zeros((6, 5))
        x[np.arange(6), architecture.choices[0]] = 1
        hidden = np.maximum(x.flatten() @ self.weights[0] + self.biases[0], 0)
        return 3.0 + 2.0 * float(hidden @ self.weights[1][:, 0] + self.biases[1][0])

    def regressor(self):
        """Return the layers."""
        return Regressor(self.weights, self.biases, 3.0, 2.0)


class Constant(Cost):
    """The same for every cell."""

    name = "constant"
    unit = "ms"
    origin = "made up"

    def of(self, architecture):
        """Return one."""
        del architecture
        return 1.0

    def regressor(self):
        """Return a perceptron without a say."""
        return Regressor((np.zeros((30, 1)),), (np.zeros(1),), 1.0, 1.0)


def random_tables(space, seed=0):
    """Return random rows that sum to one, in double precision."""
    rng = np.random.default_rng(seed)
    tables = []
    for cell in space.cells:
        columns = max(map(len, cell.operations))
        rows = rng.exponential(size=(len(cell.edges), columns))
        tables.append(rows / rows.sum(1, keepdims=True))
    return tables


@pytest.mark.parametrize("of", ["params", "macs"])
@pytest.mark.parametrize("name", ["nb201", "darts", "s2"])
def test_a_one_hot_mixture_costs_what_its_architecture_costs(name, of):
    space = get_space(name)
    network = (
        NETWORK if name == "nb201" else NetworkShape({"layers": 3}, (3, 32, 32), 10)
    )
    cost = open_mixture_cost(of, space, network)
    rng = np.random.default_rng(1)
    for _ in range(20):
        architecture = space.sample(rng)
        mixture = one_hot(space, architecture, CPU)
        wanted = cost._cost.of(architecture)
        assert float(cost(mixture.weights)) == pytest.approx(wanted, rel=1e-5)


def test_a_sum_over_edges_is_the_exact_mean_of_drawn_cells():
    space = get_space("nb201")
    cost = open_mixture_cost("params", space, NETWORK)
    (table,) = random_tables(space)
    mean = 0.0
    for architecture in space.enumerate():
        choices = np.array(architecture.choices[0])
        probability = np.prod(table[np.arange(6), choices])
        mean += probability * cost._cost.of(architecture)
    assert float(cost([torch.from_numpy(table)])) == pytest.approx(mean, rel=1e-6)


def test_drawn_cells_have_the_mean_of_a_sum_and_not_that_of_a_perceptron():
    space = get_space("nb201")
    tables = random_tables(space)
    for cost, agrees in (
        (open_mixture_cost("params", space, NETWORK), True),
        (MixtureCost("made-up", Perceptron(), space), False),
    ):
        drawn = cost.of_drawn_cells(tables, 4000, seed=0)
        error = drawn.std() / np.sqrt(len(drawn))
        mixture = float(cost([torch.from_numpy(table).float() for table in tables]))
        is_near = bool(abs(mixture - drawn.mean()) < 4 * error)
        assert is_near is agrees


def test_a_perceptron_at_one_hot_cells_and_its_gradient():
    space = get_space("nb201")
    cost = MixtureCost("made-up", Perceptron(), space)
    rng = np.random.default_rng(2)
    for _ in range(20):
        architecture = space.sample(rng)
        mixture = one_hot(space, architecture, CPU)
        wanted = Perceptron().of(architecture)
        assert float(cost(mixture.weights)) == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    table = torch.from_numpy(random_tables(space)[0]).float().requires_grad_()
    (gradient,) = torch.autograd.grad(cost([table]), table)
    step = 1e-2
    moved = table.detach() - step * gradient / gradient.norm()
    fall = float(cost([table.detach()]) - cost([moved]))
    assert fall == pytest.approx(step * float(gradient.norm()), rel=0.05)


def test_limits_are_those_of_all_cells():
    space = get_space("nb201")
    cost = open_mixture_cost("params", space, NETWORK)
    costs = cost._cost.of_many(list(space.enumerate()))
    assert cost.limits == (costs.min(), costs.max())


def test_an_edge_that_carries_nothing_costs_nothing():
    space = get_space("nb201")
    cost = open_mixture_cost("params", space, NETWORK)
    dead = np.zeros((6, 5))
    drawn = cost.of_drawn_cells([dead], 3, seed=0)
    assert np.allclose(drawn, cost.limits.low)


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        (type("Looked", (Constant,), {"regressor": lambda _: None})(), "looked up"),
        (Constant(), "the same for all cells"),
    ],
)
def test_a_cost_that_cannot_be_penalised_is_refused(cost, reason):
    with pytest.raises(UserError, match=reason):
        MixtureCost("made-up", cost, get_space("nb201"))
