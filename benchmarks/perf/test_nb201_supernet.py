"""NAS-Bench-201's supernet: a round of Zero-Cost-PT, DARTS-PT's scoring of an edge, a training step; against the naive.

The naive formulation is that of the tests (tests/support/naive.py): an operation of its
own for every ReLU-Conv-BN, all of them computed, channel by channel, and K by both
products of every pattern. "As released" is that with what the papers' code does
besides, in a process of its own (as_released.py).
"""

import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import FoldedSupernet, mixture_of, scoring
from archselect.selectors.proxies.nwot import pattern_kernel, pattern_kernels

ROUNDS = 2


def decided(world, edges):
    """The decisions after so many edges: convolutions of both sizes and a skip, as nwot likes them."""
    decisions = world.supernet.space.undecided()
    for edge in range(edges):
        decisions = decisions.decide(0, edge, (3, 2, 3, 1, 2, 3)[edge])
    return decisions


def candidates(world):
    """The mixtures that one iteration of Zero-Cost-PT scores, edge by edge: every operation masked in turn."""
    for edge in range(6):
        mixture = mixture_of(
            world.supernet.space,
            [alpha.detach() for alpha in world.alphas],
            decided(world, edge),
        )
        yield [mixture.without(0, edge, choice) for choice in range(5)]


@pytest.mark.benchmark(
    group="nb201: one iteration of Zero-Cost-PT, 30 scores of the batch"
)
def test_iteration(
    benchmark, nb201, multiply, timed, plain_kernel, as_released, slack, score_row
):
    """The floor is the forwards': K is an extra of the proxy."""
    plain = nb201.images.contiguous()
    edges = list(candidates(nb201))
    mixtures = [mixture for edge in edges for mixture in edge]
    flops = nb201.flops_of(mixtures)
    nb201.plain.eval()

    def plainly(mixture):
        return plain_kernel(
            nb201.plain, lambda x: nb201.plain(x, mixture.weights[0]), plain
        )

    folded = FoldedSupernet(nb201.supernet)

    def ours_of():
        """As a task has them scored: on a GPU an edge's candidates together."""
        supernet, images = nb201.supernet, nb201.images
        if images.device.type == "cpu":
            return [
                pattern_kernel(supernet, lambda x, m=m: folded(x, m), images)
                for m in mixtures
            ]
        return [
            pattern_kernels(
                supernet, lambda x, e=e: folded.candidates(x, e), images, len(e)
            )
            for e in edges
        ]

    def plain_of():
        return [plainly(m) for m in mixtures]

    with scoring(nb201.supernet, "running"), torch.no_grad():
        first = mixtures[:1]
        ours = pattern_kernel(
            nb201.supernet, lambda x: folded(x, first[0]), nb201.images
        )
        theirs = plainly(first[0])
        assert (ours - theirs).abs().max() <= slack * 1e-5 * theirs.max()
        apart = [
            lambda m=m: pattern_kernel(
                nb201.supernet, lambda x: folded(x, m), nb201.images
            )
            for m in mixtures
        ]
        works = {
            "ours, one by one": lambda: [one() for one in apart],
            "plain": plain_of,
        }
        works["floor"] = lambda: multiply(flops)
        if score_row == "as released":
            works[score_row] = released = as_released("iteration")
            assert torch.allclose(
                released(),
                torch.linalg.slogdet(torch.stack(ours_of())).logabsdet,
                rtol=1e-6,
            )
        timed(
            benchmark,
            works.get(score_row, ours_of),
            ROUNDS,
            score_row in ("ours", "ours, one by one", "plain"),
        )


@pytest.mark.benchmark(
    group="nb201: DARTS-PT's scoring of one edge, 5 evaluations of the batch, batch statistics"
)
def test_edge(
    benchmark, nb201, multiply, timed, executions, as_released, slack, nb201_row
):
    plain, mixtures = nb201.images.contiguous(), next(candidates(nb201))
    flops = nb201.flops_of(mixtures)
    nb201.plain.train()

    runs = executions(nb201.supernet)
    run = runs.get(nb201_row, runs["ours"])

    def ours_of():
        return [F.cross_entropy(run(nb201.images, m), nb201.labels) for m in mixtures]

    def plain_of():
        return [
            F.cross_entropy(nb201.plain(plain, m.weights[0]), nb201.labels)
            for m in mixtures
        ]

    with scoring(nb201.supernet, "batch"), torch.no_grad():
        ours_of()  # what comes a second time is replayed
        for ours, theirs in zip(ours_of(), plain_of(), strict=True):
            assert torch.allclose(ours, theirs, atol=slack * 1e-4)
        works = {"plain": plain_of, "floor": lambda: multiply(flops)}
        if nb201_row == "as released":
            works[nb201_row] = released = as_released("edge")
            assert torch.allclose(
                released(), torch.stack(ours_of()).double(), atol=1e-4
            )
        timed(
            benchmark,
            works.get(nb201_row, ours_of),
            ROUNDS,
            nb201_row in ("ours", "plain"),
        )


@pytest.mark.benchmark(group="nb201: forward and backward of the batch, training mode")
def test_training_step(
    benchmark, nb201, multiply, timed, step, executions, as_released, slack, nb201_row
):
    """The floor takes a backward to be twice its forward."""
    plain = nb201.images.contiguous()
    nb201.supernet.train()
    nb201.plain.train()

    runs = executions(nb201.supernet)
    run = runs.get(nb201_row, runs["ours"])

    def ours_of():
        return step(
            nb201.supernet,
            nb201.alphas,
            lambda: run(nb201.images, nb201.mixture),
            nb201.labels,
        )

    def plain_of():
        return step(
            nb201.plain,
            nb201.alphas,
            lambda: nb201.plain(plain, nb201.weights()[0]),
            nb201.labels,
        )

    ours_of()  # what comes a second time is replayed
    (loss, ours), (wanted, theirs) = ours_of(), plain_of()
    assert torch.allclose(loss, wanted, atol=slack * 1e-4)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(
            mine, other, rtol=0, atol=slack * 2e-2 * float(other.abs().max())
        )
    works = {"plain": plain_of, "floor": lambda: multiply(3 * nb201.flops)}
    if nb201_row == "as released":
        works[nb201_row] = released = as_released("step")
        assert torch.allclose(released(), loss.double(), atol=1e-4)
    timed(
        benchmark, works.get(nb201_row, ours_of), ROUNDS, nb201_row in ("ours", "plain")
    )
