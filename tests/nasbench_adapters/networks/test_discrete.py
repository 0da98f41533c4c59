"""The architecture of a table is what the selector `magnitude` selects."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import mixture_of, new_alphas, one_hot
from archselect.nasbench_adapters.networks.activation import ACTIVATIONS
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Task
from archselect.selectors.magnitude import Magnitude

CPU = torch.device("cpu")
NAMES = [
    "nb201",
    "darts",
    "darts-none",
    "s1",
    "s2",
    "s3",
    "s4",
    "nb1shot1-1",
    "nb1shot1-2",
    "nb1shot1-3",
]


class TableTask:
    """A task that has alphas and an activation, and nothing else."""

    def __init__(self, space, alphas, activation):
        self.space = space
        self.alphas = tuple(alphas)
        self._activation = activation

    search = Task.search
    activation = Task.activation

    def mixture(self, decisions, alphas=None):
        return mixture_of(self.space, self.alphas, decisions, self._activation)


def tied_alphas(space, seed):
    """Alphas of few distinct values, so that operations and edges tie."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor([-0.5, 0.0, 0.25, 0.25, 0.5, 2.0])
    alphas = []
    for alpha in new_alphas(space, generator, CPU):
        places = torch.randint(len(values), alpha.shape, generator=generator)
        alphas.append(values[places])
    return alphas


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_it_is_what_magnitude_selects(name, activation, seed):
    space = get_space(name)
    alphas = tied_alphas(space, seed)
    selection = Magnitude().select(TableTask(space, alphas, activation))
    expected = one_hot(space, selection.architecture, CPU).weights
    found = strongest(space, activation.tables(space, alphas))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["nb201", "darts-none"])
def test_an_edge_whose_operations_are_all_dead(name):
    """It reads `none` where nodes keep all inputs; elsewhere it is dropped first."""
    space = get_space(name)
    alphas = [torch.ones_like(alpha) for alpha in tied_alphas(space, 0)]
    for alpha in alphas:
        alpha[0] = 0
    tables = ACTIVATIONS["crb"].tables(space, alphas)
    for cell, discrete in zip(space.cells, strongest(space, tables), strict=True):
        if name == "nb201":
            place = cell.operations[0].index("none")
            assert discrete[0].tolist() == [float(k == place) for k in range(5)]
    if name == "darts-none":
        # The first node keeps both of its edges, and `none` is no candidate there.
        assert all(float(table[0].sum()) == 1 for table in strongest(space, tables))


def test_no_gradient_flows_through_it():
    space = get_space("nb201")
    alphas = [alpha.requires_grad_() for alpha in tied_alphas(space, 0)]
    tables = ACTIVATIONS["softmax"].tables(space, alphas)
    assert not any(table.requires_grad for table in strongest(space, tables))
