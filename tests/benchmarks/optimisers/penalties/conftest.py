"""What penalties are shown, without a training."""

import pytest
import torch

from archselect.benchmarks.optimisers.penalties.base import AlphaView
from archselect.nasbench_adapters.networks.activation import get_activation
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")


@pytest.fixture
def new_alphas():
    """`new_alphas(space, activation, seed)`: leaves in float64, far from any tie."""

    def make(space, activation="softmax", seed=0):
        space = get_space(space)
        generator = torch.Generator().manual_seed(seed)
        alphas = get_activation(activation).new_alphas(space, generator, CPU, 0.1)
        return tuple(alpha.double().requires_grad_() for alpha in alphas)

    return make


@pytest.fixture
def view_of():
    """`view_of(space, activation, alphas, clock, progress, memory)`."""

    def make(space, activation, alphas, clock=1.0, progress=1.0, memory=None):
        space = get_space(space)
        memory = {} if memory is None else memory
        decisions = space.undecided()
        activation = get_activation(activation)
        return AlphaView(space, activation, decisions, alphas, clock, progress, memory)

    return make
