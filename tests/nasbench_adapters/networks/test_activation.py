"""Activations against numpy: values, sums, supports, what is dead, and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.networks.activation import (
    ACTIVATIONS,
    SOFTMAX,
    ClippedAlphas,
    Ones,
    get_activation,
    new_alphas,
)
from archselect.nasbench_adapters.space import DROPPED, Decisions
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")
CRB = ClippedAlphas()
SIGMOID = get_activation("sigmoid")
NAMES = ["nb201", "darts", "darts-none", "s1", "s2", "s4", "nb1shot1-2"]


def random_alphas(space, seed, low=-0.5, high=1.5):
    """Alphas in double precision; about half of them are outside of [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    alphas = []
    for alpha in new_alphas(space, generator, CPU):
        uniform = torch.rand(alpha.shape, generator=generator, dtype=torch.float64)
        alphas.append((low + (high - low) * uniform).requires_grad_())
    return tuple(alphas)


def groups_of(cell):
    """Lists of (edge, operation) whose weights share a sum."""
    labels = cell.groups or range(len(cell.edges))
    groups = {}
    for edge, label in enumerate(labels):
        entries = [(edge, place) for place in range(len(cell.operations[edge]))]
        groups.setdefault(label, []).extend(entries)
    return list(groups.values())


def slow_softmax(cell, alpha):
    table = np.zeros(alpha.shape)
    for entries in groups_of(cell):
        exponentials = {entry: np.exp(alpha[entry]) for entry in entries}
        for entry, value in exponentials.items():
            table[entry] = value / sum(exponentials.values())
    return table


def slow_crb(cell, alpha):
    table = np.zeros(alpha.shape)
    for edge, names in enumerate(cell.operations):
        for place, name in enumerate(names):
            if name != "none":
                table[edge, place] = min(max(alpha[edge, place], 0), 1)
    return table


def slow_sigmoid(cell, alpha):
    table = np.zeros(alpha.shape)
    for edge, names in enumerate(cell.operations):
        for place, name in enumerate(names):
            if name != "none":
                table[edge, place] = 1 / (1 + np.exp(-alpha[edge, place]))
    return table


def slow_dirichlet(cell, alpha):
    table = np.zeros(alpha.shape)
    for entries in groups_of(cell):
        shapes = {}
        for entry in entries:
            value = alpha[entry]
            shapes[entry] = value + 1 if value > 0 else np.exp(value)
        for entry, shape in shapes.items():
            table[entry] = shape / sum(shapes.values())
    return table


def slow_ones(cell, alpha):
    table = np.zeros(alpha.shape)
    for edge, names in enumerate(cell.operations):
        table[edge, : len(names)] = 1
    return table


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("activation", "slow"),
    [
        (SOFTMAX, slow_softmax),
        (CRB, slow_crb),
        (SIGMOID, slow_sigmoid),
        (get_activation("dirichlet"), slow_dirichlet),
        (Ones(), slow_ones),
    ],
)
def test_a_table_is_that_of_numpy(name, activation, slow):
    space = get_space(name)
    alphas = random_alphas(space, 1)
    tables = activation.tables(space, alphas)
    for cell, alpha, table in zip(space.cells, alphas, tables, strict=True):
        expected = slow(cell, alpha.detach().numpy())
        np.testing.assert_allclose(table.detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
def test_probabilities_sum_to_one_and_are_zero_where_all_is_dead(name, activation):
    space = get_space(name)
    for seed, high in ((0, 1.5), (1, 0.2), (2, -0.1)):
        alphas = random_alphas(space, seed, high=high)
        for cell, alpha in zip(space.cells, alphas, strict=True):
            table = activation.table(cell, alpha).detach()
            probabilities = activation.probabilities(cell, alpha).detach()
            for entries in groups_of(cell):
                total = sum(float(probabilities[entry]) for entry in entries)
                is_alive = any(float(table[entry]) > 0 for entry in entries)
                assert total == pytest.approx(1.0 if is_alive else 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_initial_alphas_of_crb_are_one_by_the_number_of_operations(name):
    space = get_space(name)
    alphas = CRB.new_alphas(space, torch.Generator().manual_seed(0), CPU, 1e-4)
    for cell, alpha in zip(space.cells, alphas, strict=True):
        for edge, names in enumerate(cell.operations):
            weighed = [place for place, one in enumerate(names) if one != "none"]
            rest = [place for place in range(alpha.shape[1]) if place not in weighed]
            for place in weighed:
                assert float(alpha[edge, place]) == pytest.approx(
                    1 / len(weighed), abs=1e-3
                )
            assert not alpha[edge, rest].any()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), name=st.sampled_from(NAMES))
def test_the_dead_stay_dead(seed, name):
    """However far steps would lift them."""
    space = get_space(name)
    generator = torch.Generator().manual_seed(seed)
    alphas = CRB.new_alphas(space, generator, CPU, 0.1)
    for _ in range(8):
        alive = CRB.living(alphas)
        for alpha in alphas:
            alpha += 0.3 * torch.randn(alpha.shape, generator=generator)
        CRB.settle(alphas, alive)
        for before, now, alpha in zip(alive, CRB.living(alphas), alphas, strict=True):
            assert not (now & ~before).any()
            assert not alpha[~now].any()


def test_softmax_has_none_that_die():
    space = get_space("nb201")
    (alpha,) = random_alphas(space, 0, low=-1, high=0)
    before = alpha.detach().clone()
    assert SOFTMAX.living([alpha]) is None
    SOFTMAX.settle([alpha], None)
    assert torch.equal(alpha, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [1.0, 0.03])
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
def test_relaxed_is_the_softmax_of_noisy_logarithms(name, temperature, activation):
    space = get_space(name)
    for cell, alpha in zip(space.cells, random_alphas(space, 3), strict=True):
        noise = torch.randn(alpha.shape, dtype=torch.float64)
        relaxed = activation.relaxed(cell, alpha, noise, temperature)
        probabilities = activation.probabilities(cell, alpha).detach().numpy()
        expected = np.zeros(alpha.shape)
        for entries in groups_of(cell):
            alive = [entry for entry in entries if probabilities[entry] > 0]
            noisy = {}
            for entry in alive:
                logarithm = np.log(probabilities[entry])
                noisy[entry] = (logarithm + noise[entry].item()) / temperature
            largest = max(noisy.values(), default=0)
            powers = {entry: np.exp(one - largest) for entry, one in noisy.items()}
            for entry, power in powers.items():
                expected[entry] = power / sum(powers.values())
        np.testing.assert_allclose(relaxed.detach().numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_edges_are_dead(name, dtype):
    space = get_space(name)
    for high in (1.5, -0.1):
        for cell, drawn in zip(
            space.cells, random_alphas(space, 4, high=high), strict=True
        ):
            alpha = drawn.detach().to(dtype).requires_grad_()
            noise = torch.randn(alpha.shape, dtype=dtype)
            results = (
                CRB.table(cell, alpha),
                CRB.probabilities(cell, alpha),
                CRB.relaxed(cell, alpha, noise, 0.03),
            )
            for result in results:
                weights = torch.rand(result.shape, dtype=dtype)
                (gradient,) = torch.autograd.grad((weights * result).sum(), alpha)
                assert result.isfinite().all()
                assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_support_of_crb_is_what_is_above_zero(name):
    space = get_space(name)
    alphas = random_alphas(space, 5)
    rows = [[-1] * len(cell.edges) for cell in space.cells]
    rows[0][0] = 1
    rows[0][1] = DROPPED
    decisions = Decisions(tuple(map(tuple, rows)))
    mixture = mixture_of(space, alphas, decisions, CRB)
    for table, support in zip(mixture.weights, mixture.support, strict=True):
        assert torch.equal(table != 0, torch.tensor(support))
    first = mixture.weights[0].detach()
    assert first[0].tolist() == [float(k == 1) for k in range(first.shape[1])]
    assert not first[1].any()


def test_a_sigmoid_moves_its_own_operation_alone():
    """In contrast to the softmax, nothing competes."""
    (alpha,) = random_alphas(get_space("nb201"), 7)
    cell = get_space("nb201").cells[0]
    place = cell.operations[2].index("skip_connect")
    for activation, moved in ((SIGMOID, 1), (SOFTMAX, len(cell.operations[2]))):
        weight = activation.table(cell, alpha)[2, place]
        (gradient,) = torch.autograd.grad(weight, alpha)
        assert int((gradient != 0).sum()) == moved


@pytest.mark.parametrize("name", NAMES)
def test_without_an_activation_a_mixture_is_the_softmax(name):
    space = get_space(name)
    alphas = random_alphas(space, 6)
    plain = mixture_of(space, alphas)
    named = mixture_of(space, alphas, None, get_activation("softmax"))
    assert plain.support == named.support
    for one, other in zip(plain.weights, named.weights, strict=True):
        assert torch.equal(one, other)


def test_an_unknown_activation():
    with pytest.raises(UserError, match="unknown activation 'sofmax': did you mean"):
        get_activation("sofmax")
