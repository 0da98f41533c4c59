"""The threshold of FairDARTS, against a rule written by hand."""

import pytest
import torch

from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.networks.activation import get_activation, new_alphas
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Task
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.threshold import Threshold

SPACES = ["nb201", "darts", "darts-none", "s3", "nb1shot1-1", "minimal"]


class AlphaTask:
    """A task that has alphas under the sigmoid, and nothing else."""

    search = Task.search
    activation = "sigmoid"

    def __init__(self, space, seed):
        generator = torch.Generator().manual_seed(seed)
        self.space = space
        self.alphas = new_alphas(space, generator, torch.device("cpu"), scale=2.0)

    def mixture(self, decisions, alphas=None):
        del alphas
        activation = get_activation("sigmoid")
        return mixture_of(self.space, self.alphas, decisions, activation)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(3))
def test_below_the_threshold_is_none_where_architectures_have_it(name, seed):
    space = get_space(name)
    task = AlphaTask(space, seed)
    selected = Threshold(threshold=0.85).select(task).architecture
    by_magnitude = Magnitude().select(task).architecture
    for cell, edges in enumerate(space.edges):
        for edge in edges:
            names = [edge.operations[choice] for choice in edge.candidates]
            weights = torch.sigmoid(task.alphas[cell][edge.index])
            largest = max(
                (
                    float(weights[k])
                    for k in edge.candidates
                    if names and _is_real(edge, k)
                ),
                default=0.0,
            )
            choice = selected.choices[cell][edge.index]
            if "none" in names and largest < 0.85:
                assert edge.operations[choice] == "none"
            else:
                assert choice == by_magnitude.choices[cell][edge.index]


def _is_real(edge, choice):
    return edge.operations[choice] != "none"


@pytest.mark.parametrize("name", SPACES)
def test_at_threshold_zero_it_is_magnitude(name):
    task = AlphaTask(get_space(name), 0)
    selected = Threshold(threshold=0.0).select(task)
    assert selected.architecture == Magnitude().select(task).architecture
    assert selected.operation_scale.name == "sigmoid(alpha)"
