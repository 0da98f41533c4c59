"""Small supernets of every kind of space, and random mixtures for them."""

import pytest
import torch
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import Supernet, mixture_of, new_alphas
from archselect.nasbench_adapters.space import DROPPED, OPEN, Decisions
from archselect.nasbench_adapters.spaces import get_space

SKELETONS = {
    "nb201": {"channels": 3, "cells": 2},
    "darts": {"channels": 2, "layers": 4},
    "darts-none": {"channels": 2, "layers": 4},
    "s2": {"channels": 2, "layers": 4},
    "s4": {"channels": 2, "layers": 4},
    "nb1shot1-1": {"channels": 4, "cells": 1},
    "minimal:0-2=skip_connect,0-3=none+sep_conv_3x3": {"channels": 2, "layers": 2},
}


@pytest.fixture(scope="session", params=SKELETONS)
def space_name(request):
    """A space, one of every kind."""
    return request.param


@pytest.fixture(scope="session")
def small_supernet(stirred):
    """`small_supernet(space, seed=0)` is a stirred one in float64, channels-last in memory."""

    def make(name, seed=0):
        space = get_space(name)
        supernet = Supernet(space, space.skeleton(**SKELETONS[name]), 3, 4, seed)
        return stirred(supernet, seed).to(memory_format=torch.channels_last)

    return make


@pytest.fixture(scope="session")
def mixture_drawn():
    """`mixture_drawn(space, data, seed)` is of random alphas: open, decided and dropped edges, some entries masked."""

    def draw(space, data, seed):
        generator = torch.Generator().manual_seed(seed)
        alphas = [
            alpha.double()
            for alpha in new_alphas(space, generator, torch.device("cpu"), scale=1.0)
        ]
        rows = tuple(
            tuple(
                data.draw(st.sampled_from([OPEN, OPEN, DROPPED, *range(len(names))]))
                for names in cell.operations
            )
            for cell in space.cells
        )
        mixture = mixture_of(space, alphas, Decisions(rows))
        for _ in range(data.draw(st.integers(0, 6))):
            c = data.draw(st.integers(0, len(space.cells) - 1))
            edge = data.draw(st.integers(0, len(space.cells[c].edges) - 1))
            mixture = mixture.without(
                c,
                edge,
                data.draw(st.integers(0, len(space.cells[c].operations[edge]) - 1)),
            )
        return mixture

    return draw
