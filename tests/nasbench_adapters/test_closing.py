"""Closing operations one by one: what is live, what a mixture then is, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.networks.activation import (
    ACTIVATIONS,
    get_activation,
    new_alphas,
)
from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture
from archselect.nasbench_adapters.spaces import get_space

NB201 = get_space("nb201")
DARTS = get_space("darts-none")
SPACES = st.sampled_from(["nb201", "darts-none", "nb1shot1-1"]).map(get_space)


@st.composite
def closings(draw):
    """A space and operations that can be closed one after the other."""
    space = draw(SPACES)
    decisions = space.undecided()
    closed = []
    for _ in range(draw(st.integers(0, 25))):
        cell = draw(st.sampled_from(space.edges))
        edge = draw(st.sampled_from(cell))
        live = decisions.live(edge)
        choice = draw(st.sampled_from(edge.choices))
        kept = set(live) - {choice}
        if decisions.choices[edge.cell][edge.index] != OPEN or choice not in live:
            continue
        if kept.isdisjoint(edge.candidates):
            continue
        decisions = decisions.close(edge, choice)
        closed.append((edge, choice))
    return space, decisions, closed


@given(closings())
def test_live_is_what_was_not_closed(case):
    space, decisions, closed = case
    for cell in space.edges:
        for edge in cell:
            lost = {choice for other, choice in closed if other == edge}
            left = [choice for choice in edge.choices if choice not in lost]
            assert list(decisions.live(edge)) == left
            choice = decisions.choices[edge.cell][edge.index]
            if lost and len(left) == 1:
                assert choice == left[0]
            else:
                assert choice == OPEN


@given(closings(), st.randoms())
def test_the_order_of_closing_does_not_matter(case, random):
    space, decisions, closed = case
    last_of = {edge: choice for edge, choice in closed}
    shuffled = list(closed)
    random.shuffle(shuffled)
    again = space.undecided()
    for edge, choice in shuffled:
        again = again.close(edge, choice)
    assert [again.live(edge) for edge in last_of] == [
        decisions.live(edge) for edge in last_of
    ]


@given(closings(), st.sampled_from(sorted(ACTIVATIONS)), st.integers(0, 99))
def test_a_mixture_is_the_activation_of_what_is_live(case, name, seed):
    """By a slow reference, edge by edge; softmaxes shared by a group are left out."""
    space, decisions, _ = case
    activation = get_activation(name)
    generator = torch.Generator().manual_seed(seed)
    alphas = new_alphas(space, generator, torch.device("cpu"), scale=1.0)
    mixture = mixture_of(space, alphas, decisions, activation)
    whole = mixture_of(space, alphas, space.undecided(), activation)
    for edges in space.edges:
        for edge in edges:
            row = mixture.weights[edge.cell][edge.index]
            live = decisions.live(edge)
            dead = [k for k in range(len(row)) if k not in live]
            assert row[dead].eq(0).all()
            support = mixture.support[edge.cell][edge.index]
            assert [k for k, is_live in enumerate(support) if is_live] == [
                k for k in live if row[k] != 0
            ]
            is_open = decisions.choices[edge.cell][edge.index] == OPEN
            if name == "softmax" and is_open and not space.cells[edge.cell].groups:
                wanted = alphas[edge.cell][edge.index, list(live)].softmax(0)
                assert torch.allclose(row[list(live)], wanted, atol=1e-6)
            if name == "crb" and is_open:
                kept = whole.weights[edge.cell][edge.index, list(live)]
                assert torch.equal(row[list(live)], kept)


def test_a_shared_softmax_sums_to_one_without_what_is_closed():
    space = get_space("nb1shot1-1")
    edges = [edge for edge in space.edges[0] if len(edge.operations) > 1]
    decisions = space.undecided().close(edges[0], 1)
    alphas = new_alphas(space, torch.Generator().manual_seed(0), torch.device("cpu"))
    before = mixture_of(space, alphas).weights[0]
    after = mixture_of(space, alphas, decisions).weights[0]
    assert float(after.sum()) == pytest.approx(float(before.sum()), abs=1e-5)
    assert float(after[edges[0].index, 1]) == 0


@given(closings(), st.sampled_from(sorted(ACTIVATIONS)))
def test_closed_operations_get_no_gradient(case, name):
    space, decisions, closed = case
    generator = torch.Generator().manual_seed(0)
    alphas = new_alphas(space, generator, torch.device("cpu"))
    for alpha in alphas:
        alpha.requires_grad_()
    mixture = mixture_of(space, alphas, decisions, get_activation(name))
    sum(table.square().sum() for table in mixture.weights).backward()
    for alpha in alphas:
        assert alpha.grad.isfinite().all()
    for edge, choice in closed:
        assert alphas[edge.cell].grad[edge.index, choice] == 0


def test_nothing_closed_is_the_same_alphas():
    """No copy, so that all that does not close computes what it did."""
    alphas = new_alphas(NB201, torch.Generator().manual_seed(0), torch.device("cpu"))
    for decisions in (None, NB201.undecided()):
        ours = mixture_of(NB201, alphas, decisions)
        plain = get_activation("softmax").tables(NB201, alphas)
        assert all(map(torch.equal, ours.weights, plain))


def test_an_edge_left_with_one_operation_is_decided():
    edge = NB201.edges[0][2]
    decisions = NB201.undecided()
    for choice in (4, 0, 1, 2):
        assert decisions.choices[0][2] == OPEN
        decisions = decisions.close(edge, choice)
    assert decisions.choices[0] == (OPEN, OPEN, 3, OPEN, OPEN, OPEN)
    assert decisions.live(edge) == (3,)


def test_what_cannot_be_closed_is_refused():
    edge = DARTS.edges[0][0]
    none = edge.operations.index("none")
    decisions = DARTS.undecided()
    with pytest.raises(ValueError, match="no live operation 99"):
        decisions.close(edge, 99)
    for choice in edge.candidates[1:]:
        decisions = decisions.close(edge, choice)
    assert decisions.live(edge) == tuple(sorted((none, edge.candidates[0])))
    with pytest.raises(ValueError, match="no live operation"):
        decisions.close(edge, edge.candidates[1])
    with pytest.raises(
        ValueError, match="the last one that an architecture may have on edge 0→2"
    ):
        decisions.close(edge, edge.candidates[0])
    decided = decisions.close(edge, none)
    for after in (decided, decisions.decide(0, 0, DROPPED)):
        with pytest.raises(ValueError, match="is not open"):
            after.close(edge, edge.candidates[0])


def test_decisions_without_closings_are_what_they_were():
    architecture = Architecture(((0, 1, 2, 3, 4, 0),))
    decisions = NB201.undecided()
    for index, choice in enumerate(architecture.choices[0]):
        decisions = decisions.decide(0, index, choice)
    assert decisions == type(decisions).of(architecture)
    assert decisions.architecture() == architecture
