"""Mixtures: values, supports, gradients and immutability, also where edges allow different operations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import (
    Mixture,
    mixture_of,
    new_alphas,
    one_hot,
    sampled,
)
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Cell,
    Decisions,
    SearchSpace,
)
from archselect.nasbench_adapters.spaces import get_space


class Uneven(SearchSpace):
    """Two cell types whose edges allow two, three and one operations."""

    name = "uneven"
    summary = "for tests"
    cells = (
        Cell(
            "normal",
            1,
            3,
            ((0, 1), (0, 2), (1, 2)),
            (("a", "b"), ("a", "b", "c"), ("c",)),
            (2,),
        ),
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
        torch.tensor(
            draw(
                st.lists(
                    st.lists(value, min_size=w, max_size=w), min_size=n, max_size=n
                )
            )
        )
        for n, w in ((3, 3), (1, 2))
    )


@st.composite
def all_decisions(draw):
    return Decisions(
        tuple(
            tuple(
                draw(st.sampled_from([OPEN, DROPPED, *range(count)])) for count in row
            )
            for row in COUNTS
        )
    )


mixtures = st.builds(mixture_of, st.just(SPACE), all_alphas(), all_decisions())


def assert_support_is_where_weights_are(mixture):
    for weights, support in zip(mixture.weights, mixture.support, strict=True):
        assert torch.equal(weights != 0, torch.tensor(support))


@given(all_alphas(), all_decisions())
def test_open_edges_are_soft_decided_ones_one_hot_and_dropped_ones_zero(
    alphas, decisions
):
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
    ours, open_ = (
        mixture_of(SPACE, alphas),
        mixture_of(SPACE, alphas, SPACE.undecided()),
    )
    assert all(map(torch.equal, ours.weights, open_.weights))
    assert ours.support == open_.support


@given(mixtures, st.sampled_from(EDGES), st.booleans(), st.data())
def test_without_zeroes_one_entry_and_touches_nothing_else(
    mixture, place, renormalise, data
):
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
    assert after.weights[cell][edge].tolist() == [
        float(k == choice) for k in range(len(before[cell][edge]))
    ]
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
    total = sum(
        (weights * torch.arange(1.0, weights.shape[1] + 1)).sum()
        for weights in mixture.weights
    )
    gradients = torch.autograd.grad(total, alphas, allow_unused=True)
    for cell, edge in EDGES:
        gradient, count = gradients[cell][edge], COUNTS[cell][edge]
        assert torch.isfinite(gradient).all()
        assert not gradient[count:].any()
        moved = decisions.choices[cell][edge] == OPEN and count > 1
        assert bool(gradient.abs().max() > 1e-6) == moved


def test_mixtures_cannot_be_reassigned():
    mixture = mixture_of(
        SPACE, new_alphas(SPACE, torch.Generator(), torch.device("cpu"))
    )
    with pytest.raises(AttributeError):
        mixture.support = ()
    assert isinstance(mixture, Mixture)


def test_new_alphas_are_seeded_small_and_normal():
    def draw(seed, scale=1e-3):
        return new_alphas(
            SPACE, torch.Generator().manual_seed(seed), torch.device("cpu"), scale
        )

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
    first, second = (
        new_alphas(SPACE, generator, torch.device("cpu")) for _ in range(2)
    )
    assert not torch.equal(first[0], second[0])


@given(all_alphas(), all_decisions(), st.integers(0, 1000))
def test_of_every_open_edge_one_operation_is_drawn_and_decided_ones_stay(
    alphas, decisions, seed
):
    mixture = mixture_of(SPACE, alphas, decisions)
    drawn = sampled(
        SPACE,
        mixture,
        decisions,
        torch.Generator().manual_seed(seed),
        torch.device("cpu"),
    )
    assert_support_is_where_weights_are(drawn)
    for cell, edge in EDGES:
        row, before = drawn.weights[cell][edge], mixture.weights[cell][edge]
        if decisions.choices[cell][edge] == OPEN:
            assert sorted(row.tolist()) == [0.0] * (len(row) - 1) + [1.0]
            assert float(before[row == 1]) > 0
        else:
            assert torch.equal(row, before)


def test_operations_are_drawn_as_often_as_is_likely():
    alphas = (
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]),
        torch.tensor([[2.0, 0.0]]),
    )
    mixture, generator = mixture_of(SPACE, alphas), torch.Generator().manual_seed(0)
    count = 4000
    draws = [
        sampled(SPACE, mixture, SPACE.undecided(), generator, torch.device("cpu"))
        for _ in range(count)
    ]
    for c, p in enumerate(mixture.weights):
        share = sum(own.weights[c] for own in draws) / count
        # Four standard deviations of a share at most.
        assert float((share - p).abs().max()) < 4 * 0.5 / count**0.5


def test_of_a_group_of_edges_one_operation_is_drawn():
    space, generator = get_space("nb1shot1-1"), torch.Generator().manual_seed(0)
    mixture = mixture_of(space, new_alphas(space, generator, torch.device("cpu"), 1.0))
    for _ in range(20):
        drawn = sampled(
            space, mixture, space.undecided(), generator, torch.device("cpu")
        )
        for cell, rows in zip(space.cells, drawn.weights, strict=True):
            for group in set(cell.groups):
                own = [
                    edge for edge, member in enumerate(cell.groups) if member == group
                ]
                assert float(rows[own].sum()) == 1


@given(all_alphas(), st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_a_mixture_spread_over_layers_has_the_entries_of_each(alphas, layers):
    mixture = mixture_of(SPACE, alphas)
    spread = mixture.spread(layers)
    with torch.no_grad():
        other = Mixture(
            tuple(
                rows + torch.arange(len(rows))[:, None, None] for rows in spread.weights
            ),
            spread.support,
        )
    for c, count in enumerate(layers):
        assert torch.equal(other.tables(c, range(count)), other.weights[c].flatten(1))
        assert torch.equal(
            other.tables(c, [count - 1, 0]), other.weights[c][[count - 1, 0]].flatten(1)
        )
        assert spread.weights[c].shape == (count, *mixture.weights[c].shape)
        for own in (mixture, spread):
            found = torch.tensor(
                [
                    [[float(w) for w in row] for row in table]
                    for table in own.entries(c, count)
                ]
            )
            assert torch.equal(found, spread.weights[c])
            assert torch.equal(
                own.tables(c, [count - 1, 0]),
                spread.weights[c][[count - 1, 0]].flatten(1),
            )
