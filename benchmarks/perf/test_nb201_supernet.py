"""NAS-Bench-201's supernet beside the naive one: scores, evaluations, a training step.

The naive formulation is that of the tests (tests/support/naive.py): an operation of its
own for every ReLU-Conv-BN, all of them computed, channel by channel, and K by both
products of every pattern. "As released" is that with what the papers' code does
besides, in a process of its own (as_released.py).
"""

from itertools import chain

import pytest
import torch
from support.paper_size import (
    candidate_mixtures,
    forward_and_backward,
    released_kernel,
)
from torch.nn.functional import cross_entropy

from archselect.nasbench_adapters.networks import FoldedSupernet, scoring
from archselect.selectors.proxies.nwot import pattern_kernel, pattern_kernels

ROUNDS = 2


class ZeroCostIteration:
    """Scores of one iteration of Zero-Cost-PT, in each way that is timed."""

    def __init__(self, pair):
        self.pair = pair
        self.edges = list(candidate_mixtures(pair))
        self.mixtures = list(chain.from_iterable(self.edges))
        self.folded = FoldedSupernet(pair.supernet)
        self.contiguous = pair.images.contiguous()

    def ours(self):
        """Return the kernels as a task has them scored: on a GPU an edge's together."""
        if self.pair.images.device.type == "cpu":
            return self.one_by_one()
        return [self._edge_kernels(edge) for edge in self.edges]

    def one_by_one(self):
        """Return the kernels, each candidate by itself."""
        return [self.kernel(mixture) for mixture in self.mixtures]

    def plain(self):
        """Return the kernels of the plain formulation."""
        return [self.plain_kernel(mixture) for mixture in self.mixtures]

    def kernel(self, mixture):
        """Return our kernel of one candidate."""
        return pattern_kernel(
            self.pair.supernet,
            lambda images: self.folded(images, mixture),
            self.pair.images,
        )

    def plain_kernel(self, mixture):
        """Return the plain kernel of one candidate."""
        weights = mixture.weights[0]
        return released_kernel(
            self.pair.plain,
            lambda images: self.pair.plain(images, weights),
            self.contiguous,
        )

    def _edge_kernels(self, edge):
        return pattern_kernels(
            self.pair.supernet,
            lambda images: self.folded.candidates(images, edge),
            self.pair.images,
            len(edge),
        )


@pytest.mark.benchmark(
    group="nb201: one iteration of Zero-Cost-PT, 30 scores of the batch"
)
def test_iteration(nb201, multiply, timed, as_released, slack, score_row):
    """Time an iteration. The floor is the forwards': K is an extra of the proxy."""
    scores = ZeroCostIteration(nb201)
    flops = nb201.flops_of(scores.mixtures)
    nb201.plain.eval()
    with scoring(nb201.supernet, "running"), torch.no_grad():
        first = scores.mixtures[0]
        kernel = scores.kernel(first)
        plain_kernel = scores.plain_kernel(first)
        difference = (kernel - plain_kernel).abs().max()
        assert difference <= slack * 1e-5 * plain_kernel.max()
        works = {
            "ours": scores.ours,
            "ours, one by one": scores.one_by_one,
            "plain": scores.plain,
            "floor": lambda: multiply(flops),
        }
        if score_row == "as released":
            released = as_released("iteration")
            works[score_row] = released
            ours = torch.linalg.slogdet(torch.stack(scores.ours())).logabsdet
            assert torch.allclose(released(), ours, rtol=1e-6)
        eager = score_row in ("ours", "ours, one by one", "plain")
        timed(works[score_row], ROUNDS, eager)


@pytest.mark.benchmark(
    group="nb201: DARTS-PT's scoring of one edge, 5 evaluations of the batch, batch statistics"
)
def test_edge(nb201, multiply, timed, executions, as_released, slack, nb201_row):
    """Time the evaluations of one edge."""
    contiguous = nb201.images.contiguous()
    mixtures = next(candidate_mixtures(nb201))
    flops = nb201.flops_of(mixtures)
    nb201.plain.train()
    runs = executions(nb201.supernet)
    run = runs.get(nb201_row, runs["ours"])

    def ours():
        return [
            cross_entropy(run(nb201.images, mixture), nb201.labels)
            for mixture in mixtures
        ]

    def plain():
        return [
            cross_entropy(nb201.plain(contiguous, mixture.weights[0]), nb201.labels)
            for mixture in mixtures
        ]

    with scoring(nb201.supernet, "batch"), torch.no_grad():
        ours()  # what comes a second time is replayed
        for mine, theirs in zip(ours(), plain(), strict=True):
            assert torch.allclose(mine, theirs, atol=slack * 1e-4)
        works = {"plain": plain, "floor": lambda: multiply(flops)}
        if nb201_row == "as released":
            released = as_released("edge")
            works[nb201_row] = released
            losses = torch.stack(ours()).double()
            assert torch.allclose(released(), losses, atol=1e-4)
        eager = nb201_row in ("ours", "plain")
        timed(works.get(nb201_row, ours), ROUNDS, eager)


@pytest.mark.benchmark(group="nb201: forward and backward of the batch, training mode")
def test_training_step(
    nb201, multiply, timed, executions, as_released, slack, nb201_row
):
    """Time a step. The floor takes a backward to be twice its forward."""
    contiguous = nb201.images.contiguous()
    nb201.supernet.train()
    nb201.plain.train()
    runs = executions(nb201.supernet)
    run = runs.get(nb201_row, runs["ours"])

    def ours():
        return forward_and_backward(
            nb201.supernet,
            nb201.alphas,
            lambda: run(nb201.images, nb201.mixture),
            nb201.labels,
        )

    def plain():
        return forward_and_backward(
            nb201.plain,
            nb201.alphas,
            lambda: nb201.plain(contiguous, nb201.weights()[0]),
            nb201.labels,
        )

    ours()  # what comes a second time is replayed
    loss, gradients = ours()
    plain_loss, plain_gradients = plain()
    assert torch.allclose(loss, plain_loss, atol=slack * 1e-4)
    for mine, other in zip(gradients, plain_gradients, strict=True):
        tolerance = slack * 2e-2 * float(other.abs().max())
        assert torch.allclose(mine, other, rtol=0, atol=tolerance)
    flops = 3 * nb201.flops
    works = {"plain": plain, "floor": lambda: multiply(flops)}
    if nb201_row == "as released":
        released = as_released("step")
        works[nb201_row] = released
        assert torch.allclose(released(), loss.double(), atol=1e-4)
    eager = nb201_row in ("ours", "plain")
    timed(works.get(nb201_row, ours), ROUNDS, eager)
