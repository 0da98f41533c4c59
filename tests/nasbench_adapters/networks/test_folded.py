"""A folded supernet gives what the supernet gives, but for rounding: logits, activation patterns, chosen operations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive

from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    Supernet,
    mixture_of,
    new_alphas,
    scoring,
)
from archselect.nasbench_adapters.networks.folded import _pooled, can_fold
from archselect.nasbench_adapters.networks.operations import AveragePool
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies.nwot import pattern_kernel, pattern_kernels


@settings(max_examples=6)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_in_float64_it_is_the_supernet(
    images, small_supernet, mixture_drawn, space_name, data, seed
):
    supernet = small_supernet(space_name, seed).eval()
    mixture = mixture_drawn(supernet.space, data, seed)
    folded, x = FoldedSupernet(supernet), images(3, seed=seed)
    with scoring(supernet, "running"):
        wanted, found = supernet(x, mixture), folded(x, mixture)
        assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-10)
        kernels = [
            pattern_kernel(supernet, lambda x, run=run: run(x, mixture), x)
            for run in (supernet, folded)
        ]
    # Features that are zero up to rounding may have either sign; there are none but a
    # few.
    assert (kernels[0] - kernels[1]).abs().max() <= 1e-3 * kernels[0].max()


@settings(max_examples=5)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_candidates_together_are_the_candidates_one_by_one(
    images, small_supernet, mixture_drawn, space_name, data, seed
):
    """Logits and patterns, in float64: an edge's operations masked in turn, or the edge fixed to each."""
    supernet = small_supernet(space_name, seed).eval()
    origin, folded, x = (
        mixture_drawn(supernet.space, data, seed),
        FoldedSupernet(supernet),
        images(3, seed=seed),
    )
    c = data.draw(st.integers(0, len(supernet.space.cells) - 1))
    edge = data.draw(st.integers(0, len(supernet.space.cells[c].edges) - 1))
    change = data.draw(st.sampled_from([origin.without, origin.fixed]))
    mixtures = [
        change(c, edge, k) for k in range(len(supernet.space.cells[c].operations[edge]))
    ]
    if space_name in ("s4", "nb1shot1-1"):
        assert not folded.run_together(mixtures)
        return
    assert folded.run_together(mixtures)
    with scoring(supernet, "running"):
        wanted = torch.stack([folded(x, mixture) for mixture in mixtures])
        found = folded.candidates(x, mixtures)
        assert found.shape == wanted.shape and torch.allclose(
            found, wanted, rtol=1e-9, atol=1e-10
        )
        kernels = torch.stack(
            [pattern_kernel(supernet, lambda x, m=m: folded(x, m), x) for m in mixtures]
        )
        together = pattern_kernels(
            supernet, lambda x: folded.candidates(x, mixtures), x, len(mixtures)
        )
    # Features that are zero up to rounding may have either sign; there are none but a
    # few.
    assert (kernels - together).abs().max() <= 1e-3 * kernels.max()


def test_what_goes_together(images, small_supernet):
    """Mixtures made of one mixture, that differ from it on one edge, the same for all."""
    supernet = small_supernet("nb201").eval()
    folded, zeros = FoldedSupernet(supernet), torch.zeros(6, 5, dtype=torch.float64)
    one, other = (
        mixture_of(supernet.space, [zeros]),
        mixture_of(supernet.space, [zeros]),
    )
    assert folded.run_together([one.without(0, 1, 2)])
    assert folded.run_together([one.without(0, 1, 2), one.fixed(0, 1, 3)])
    assert not folded.run_together([one.without(0, 1, 2), one.without(0, 2, 2)])
    assert not folded.run_together([one.without(0, 1, 2), other.without(0, 1, 2)])
    assert not folded.run_together([one.without(0, 1, 2), one])
    assert not folded.run_together([one, one])
    twice = one.without(0, 1, 2)
    assert folded.run_together([twice.without(0, 3, k) for k in range(5)])
    assert not folded.run_together([one.without(0, 3, 0), twice.without(0, 3, 1)])


def test_which_cells_are_folded(small_supernet):
    for name, all_of_them in (
        ("nb201", True),
        ("darts", True),
        ("s2", True),
        ("s4", False),
        ("nb1shot1-1", False),
    ):
        assert (
            all(can_fold(cell) for _, cell in small_supernet(name).cells())
            == all_of_them
        )


def test_weights_that_moved_are_folded_anew(images, small_supernet):
    supernet = small_supernet("nb201").eval()
    folded, x = FoldedSupernet(supernet), images(3)
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    with scoring(supernet, "running"):
        before = folded(x, mixture)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.mul_(1.5)
    with scoring(supernet, "running"):
        after = folded(x, mixture)
        assert not torch.allclose(before, after)
        assert torch.allclose(after, supernet(x, mixture), rtol=1e-9)
    supernet.train()
    supernet(x, mixture)  # running statistics move
    supernet.eval()
    with scoring(supernet, "running"):
        assert torch.allclose(folded(x, mixture), supernet(x, mixture), rtol=1e-9)


def test_no_trace_is_left(images, small_supernet, trace):
    supernet = small_supernet("nb201").eval()
    folded, x = FoldedSupernet(supernet), images(3)
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    before, image = trace(supernet), x.clone()
    with scoring(supernet, "running"):
        folded(x, mixture)
    assert trace(supernet) == before and torch.equal(x, image)


@pytest.mark.slow
def test_in_float32_signs_hardly_differ_and_the_same_operations_are_chosen():
    """A whole iteration of perturbation at the papers' width, on fewer cells."""
    space = get_space("nb201")
    supernet = Supernet(space, space.skeleton(channels=16, cells=2), 3, 10, 0).to(
        memory_format=torch.channels_last
    )
    folded = FoldedSupernet(supernet.eval())
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 3, 32, 32, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    alphas = new_alphas(space, generator, torch.device("cpu"))
    decisions, worst = space.undecided(), 0.0
    with scoring(supernet, "running"):
        for edge in np.random.default_rng(0).permutation(6):
            scores = {run: [] for run in (supernet, folded)}
            for choice in range(5):
                mixture = mixture_of(space, alphas, decisions).without(
                    0, int(edge), choice
                )
                kernels = {
                    r: pattern_kernel(supernet, lambda x, r=r, m=mixture: r(x, m), x)
                    for r in scores
                }
                for run, kernel in kernels.items():
                    scores[run].append(float(torch.linalg.slogdet(kernel).logabsdet))
                plain, ours = kernels.values()
                worst = max(worst, float((plain - ours).abs().max() / plain.max()))
            best = {int(np.argmin(own)) for own in scores.values()}
            assert len(best) == 1
            decisions = decisions.decide(0, int(edge), best.pop())
    assert worst < 2e-5


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 4), (3, 1), (2, 2), (2, 5), (3, 3), (8, 6)]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_pooling_counts_the_neighbours_that_there_are(images, size, stride):
    x = images(2, size=8)[:, :, : size[0], : size[1]].contiguous(
        memory_format=torch.channels_last
    )
    with torch.no_grad():
        found, wanted = (
            _pooled(AveragePool(stride), x),
            naive.AveragePool()(x)[:, :, ::stride, ::stride],
        )
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-14)
