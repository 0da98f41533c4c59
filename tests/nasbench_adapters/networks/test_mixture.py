"""Mixtures: values, supports, gradients and immutability, also where edges allow different operations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import Mixture, mixture_of, new_alphas, one_hot
from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture, Cell, Decisions, SearchSpace


class Uneven(SearchSpace):
    """Two cell types whose edges allow two, three and one operations."""

    name = "uneven"
    summary = "for tests"
    cells = (
        Cell("normal", 1, 3, ((0, 1), (0, 2), (1, 2)), (("a", "b"), ("a", "b", "c"), ("c",)), (2,)),
        Cell("reduction", 1, 2, ((0, 1),), (("c", "d"),), (1,)),
    )

    def parse(self, text):
        raise NotImplementedError

    format = canonical = skeleton = parse


SPACE = Uneven()
COUNTS = [[len(names) for names in cell.operations] for cell in SPACE.cells]
EDGES = [(c, e) for c, row in enumerate(COUNTS) for e in range(len(row))]


@st.composite
def all_alphas(draw):
    value = st.floats(-5, 5, width=32)
    return tuple(
        torch.tensor(draw(st.lists(st.lists(value, min_size=w, max_size=w), min_size=n, max_size=n)))
        for n, w in ((3, 3), (1, 2))
    )


@st.composite
def all_decisions(draw):
    return Decisions(
        tuple(tuple(draw(st.sampled_from([OPEN, DROPPED, *range(count)])) for count in row) for row in COUNTS)
    )


mixtures = st.builds(mixture_of, st.just(SPACE), all_alphas(), all_decisions())


def assert_support_is_where_weights_are(mixture):
    for weights, support in zip(mixture.weights, mixture.support, strict=True):
        assert torch.equal(weights != 0, torch.tensor(support))


@given(all_alphas(), all_decisions())
def test_open_edges_are_soft_decided_ones_one_hot_and_dropped_ones_zero(alphas, decisions):
    mixture = mixture_of(SPACE, alphas, decisions)
    for cell, edge in EDGES:
        row, choice, count = (
            mixture.weights[cell][edge],
            decisions.choices[cell][edge],
            COUNTS[cell][edge],
        )
        if choice == OPEN:
            powers = alphas[cell][edge][:count].double().exp()
            wanted = [*(powers / powers.sum()).tolist(), *[0.0] * (len(row) - count)]
            assert row.tolist() == pytest.approx(wanted, abs=1e-6)
        else:
            assert row.tolist() == [float(k == choice) for k in range(len(row))]
    assert_support_is_where_weights_are(mixture)


@given(all_alphas())
def test_without_decisions_every_edge_is_open(alphas):
    ours, open_ = mixture_of(SPACE, alphas), mixture_of(SPACE, alphas, SPACE.undecided())
    assert all(map(torch.equal, ours.weights, open_.weights))
    assert ours.support == open_.support


@given(mixtures, st.sampled_from(EDGES), st.booleans(), st.data())
def test_without_zeroes_one_entry_and_touches_nothing_else(mixture, place, renormalise, data):
    cell, edge = place
    choice = data.draw(st.integers(0, COUNTS[cell][edge] - 1))
    before, support = [weights.clone() for weights in mixture.weights], mixture.support
    after = mixture.without(cell, edge, choice, renormalise=renormalise)

    assert all(map(torch.equal, mixture.weights, before))
    assert mixture.support == support
    assert_support_is_where_weights_are(after)
    assert after.weights[cell][edge, choice] == 0
    left = before[cell][edge].clone()
    left[choice] = 0
    if renormalise and left.sum() > 0:
        left = left / left.sum()
    torch.testing.assert_close(after.weights[cell][edge], left)
    for c, e in EDGES:
        if (c, e) != place:
            assert torch.equal(after.weights[c][e], before[c][e])


@given(mixtures, st.sampled_from(EDGES), st.data())
def test_fixed_makes_one_edge_one_hot_and_touches_nothing_else(mixture, place, data):
    cell, edge = place
    choice = data.draw(st.integers(0, COUNTS[cell][edge] - 1))
    before, support = [weights.clone() for weights in mixture.weights], mixture.support
    after = mixture.fixed(cell, edge, choice)

    assert all(map(torch.equal, mixture.weights, before))
    assert mixture.support == support
    assert_support_is_where_weights_are(after)
    assert after.weights[cell][edge].tolist() == [float(k == choice) for k in range(len(before[cell][edge]))]
    for c, e in EDGES:
        if (c, e) != place:
            assert torch.equal(after.weights[c][e], before[c][e])


def test_removing_the_only_operation_leaves_an_edge_of_zeros():
    mixture = one_hot(SPACE, Architecture(((1, 2, 0), (1,))), torch.device("cpu"))
    for renormalise in (False, True):
        after = mixture.without(0, 1, 2, renormalise=renormalise)
        assert after.weights[0][1].tolist() == [0, 0, 0]
        assert after.support[0][1] == (False, False, False)


def test_one_hot_follows_the_architecture_and_drops_what_it_drops():
    mixture = one_hot(SPACE, Architecture(((1, None, 0), (1,))), torch.device("cpu"))
    assert [weights.tolist() for weights in mixture.weights] == [
        [[0, 1, 0], [0, 0, 0], [1, 0, 0]],
        [[0, 1]],
    ]
    assert_support_is_where_weights_are(mixture)


@given(all_alphas(), all_decisions())
def test_gradients_reach_open_edges_only(alphas, decisions):
    alphas = tuple(alpha.double().requires_grad_() for alpha in alphas)
    mixture = mixture_of(SPACE, alphas, decisions)
    total = sum((weights * torch.arange(1.0, weights.shape[1] + 1)).sum() for weights in mixture.weights)
    gradients = torch.autograd.grad(total, alphas, allow_unused=True)
    for cell, edge in EDGES:
        gradient, count = gradients[cell][edge], COUNTS[cell][edge]
        assert torch.isfinite(gradient).all()
        assert not gradient[count:].any()
        moved = decisions.choices[cell][edge] == OPEN and count > 1
        assert bool(gradient.abs().max() > 1e-6) == moved


def test_mixtures_cannot_be_reassigned():
    mixture = mixture_of(SPACE, new_alphas(SPACE, torch.Generator(), torch.device("cpu")))
    with pytest.raises(AttributeError):
        mixture.support = ()
    assert isinstance(mixture, Mixture)


def test_new_alphas_are_seeded_small_and_normal():
    def draw(seed, scale=1e-3):
        return new_alphas(SPACE, torch.Generator().manual_seed(seed), torch.device("cpu"), scale)

    assert [alpha.shape for alpha in draw(0)] == [(3, 3), (1, 2)]
    assert all(map(torch.equal, draw(0), draw(0)))
    assert not torch.equal(draw(0)[0], draw(1)[0])
    torch.testing.assert_close(draw(0, 1.0)[0], 1000 * draw(0)[0])
    pooled = torch.cat([draw(seed, 1.0)[0].flatten() for seed in range(300)])
    # Five standard errors of 2,700 normal draws.
    assert abs(pooled.mean()) < 5 / 2700**0.5
    assert abs(pooled.std() - 1) < 5 / 5400**0.5


def test_successive_draws_differ():
    generator = torch.Generator().manual_seed(0)
    first, second = (new_alphas(SPACE, generator, torch.device("cpu")) for _ in range(2))
    assert not torch.equal(first[0], second[0])
