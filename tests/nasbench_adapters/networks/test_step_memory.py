"""The counted memory of a training step: against numbers measured by other code, and its properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Supernet, mixture_of
from archselect.nasbench_adapters.networks.mixture import blank_alphas
from archselect.nasbench_adapters.networks.step_memory import StepMemoryCounter
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces import get_space

MIB = 2**20
SHAPE = (3, 32, 32)
NB201 = get_space("nb201")
SMALL = NB201.skeleton(channels=2, cells=1)


def keep_at_random(space, kept, rng):
    """Decisions in which every edge has `kept` live operations."""
    decisions = space.undecided()
    for row in space.edges:
        for edge in row:
            for choice in rng.permutation(len(edge.operations))[kept:]:
                decisions = decisions.close(edge, int(choice))
    return decisions


@pytest.fixture(scope="module")
def small():
    return StepMemoryCounter(NB201, SMALL, (1, 8, 8), 10)


def test_the_papers_nb201_supernet_takes_what_others_measured():
    """C 16, N 5; the mean of two random subsets each, which others drew otherwise.

    Two subsets of the same size lie up to 2.7 MiB apart.
    """
    counter = StepMemoryCounter(NB201, NB201.skeleton(), SHAPE, 10)
    rng = np.random.default_rng(0)
    for kept, wanted in ((1, 6.2), (2, 10.1), (3, 14.5), (4, 16.1)):
        drawn = [keep_at_random(NB201, kept, rng) for _ in range(2)]
        found = np.mean([counter.count(one).saved for one in drawn]) / MIB
        assert found == pytest.approx(wanted, abs=2.7)
    whole = counter.count(NB201.undecided())
    assert whole.saved / MIB == pytest.approx(18.56, abs=0.1)


def test_the_papers_darts_supernet_takes_five_and_a_half_gibibytes():
    """C 16, 8 layers, a batch of 64: 87.5 MiB an image."""
    darts = get_space("darts")
    counter = StepMemoryCounter(darts, darts.skeleton(), SHAPE, 10)
    whole = counter.count(darts.undecided())
    assert whole.saved / MIB == pytest.approx(87.5, abs=0.5)
    assert whole.total(64) / 2**30 == pytest.approx(5.5, abs=0.1)


def saved_in_python(space, skeleton, shape, decisions, batch):
    """What autograd holds for a backward, by its own account, without weights and buffers."""
    supernet = Supernet(space, skeleton, shape[0], 10, 3).train()
    known = {own.data_ptr() for own in (*supernet.parameters(), *supernet.buffers())}
    held = {}

    def pack(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    alphas = [own.requires_grad_() for own in blank_alphas(space, torch.device("cpu"))]
    mixture = mixture_of(space, alphas, decisions).leaf()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda own: own):
        logits = supernet(torch.rand(batch, *shape), mixture)
        loss = F.cross_entropy(logits, torch.zeros(batch, dtype=torch.long))
    total = sum(
        own.untyped_storage().nbytes()
        for place, own in held.items()
        if place not in known
    )
    loss.backward()
    weights = sum(
        4 * own.numel() for own in supernet.parameters() if own.grad is not None
    )
    return total, weights


@pytest.mark.parametrize("kept", [1, 3, 5])
@pytest.mark.parametrize("batch", [2, 8])
def test_it_is_what_a_real_step_holds(small, kept, batch):
    """Within what does not grow with the batch, and is scaled with it all the same: at most 5 %."""
    decisions = keep_at_random(NB201, kept, np.random.default_rng(kept))
    saved, weights = saved_in_python(NB201, SMALL, (1, 8, 8), decisions, batch)
    counted = small.count(decisions)
    assert counted.weights == 3 * weights
    wanted = saved + 3 * weights
    assert counted.total(batch) == pytest.approx(wanted, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=20))
def test_closing_never_takes_more(small, closings):
    decisions = NB201.undecided()
    before = small.count(decisions)
    for place, choice in closings:
        edge = NB201.edges[0][place]
        live = decisions.live(edge)
        if choice not in live or len(live) == 1:
            continue
        decisions = decisions.close(edge, choice)
        after = small.count(decisions)
        assert after.saved <= before.saved
        assert after.weights <= before.weights
        before = after


def test_a_convolution_takes_more_than_nothing(small):
    edge = NB201.edges[0][0]
    none = edge.operations.index("none")
    with_it = small.count(NB201.undecided().decide(0, 0, 3))
    without = small.count(NB201.undecided().decide(0, 0, none))
    dropped = small.count(NB201.undecided().decide(0, 0, DROPPED))
    assert without.saved < with_it.saved
    assert without.weights < with_it.weights
    assert without == dropped


def test_it_does_not_depend_on_weights_or_random_state(small):
    before = torch.random.get_rng_state()
    again = StepMemoryCounter(NB201, SMALL, (1, 8, 8), 10)
    with torch.no_grad():
        counted = again.count(NB201.undecided())
    assert counted == small.count(NB201.undecided())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_batch_scales_what_is_saved_alone(small):
    counted = small.count(NB201.undecided())
    assert counted.total(0) == counted.weights
    assert counted.total(64) == round(64 * counted.saved) + counted.weights
