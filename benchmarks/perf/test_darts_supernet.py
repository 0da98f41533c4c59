"""Scoring and training the DARTS supernet: ours, the plain formulation, the floor.

That ours and the plain one are equal is checked, too.
"""

import pytest
import torch
from support.paper_size import forward_and_backward, released_kernel

from archselect.nasbench_adapters.networks import FoldedSupernet, scoring
from archselect.selectors.proxies.nwot import pattern_kernel

ROUNDS = 3


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: forward of the batch, evaluation mode")
def test_forward(darts, multiply, timed, slack, who):
    """Time one forward."""
    mixture = darts.mixture
    weights = darts.weights()
    contiguous = darts.images.contiguous()
    folded = FoldedSupernet(darts.supernet)

    def ours():
        return folded(darts.images, mixture)

    def plain():
        return darts.plain(contiguous, weights)

    darts.plain.eval()
    with scoring(darts.supernet, "running"):
        assert torch.allclose(ours(), plain(), atol=slack * 1e-4)
        flops = darts.flops
        works = {"ours": ours, "plain": plain, "floor": lambda: multiply(flops)}
        timed(works[who], ROUNDS)


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: nwot of one candidate")
def test_nwot(darts, multiply, timed, slack, who):
    """Time one score. The floor is the forward's; K itself is an extra of the proxy."""
    mixture = darts.mixture.without(0, 3, 4)
    weights = darts.weights()
    weights[0] = weights[0].clone()
    weights[0][3, 4] = 0
    contiguous = darts.images.contiguous()
    darts.plain.eval()
    folded = FoldedSupernet(darts.supernet)

    def ours():
        return pattern_kernel(
            darts.supernet, lambda images: folded(images, mixture), darts.images
        )

    def plain():
        return released_kernel(
            darts.plain, lambda images: darts.plain(images, weights), contiguous
        )

    with scoring(darts.supernet, "running"), torch.no_grad():
        kernel = ours()
        # Signs of features that are zero but for rounding may differ: of 10^7 a
        # handful.
        assert (kernel - plain()).abs().max() <= slack * 1e-5 * kernel.max()
        flops = darts.flops
        works = {"ours": ours, "plain": plain, "floor": lambda: multiply(flops)}
        timed(works[who], ROUNDS)


@pytest.mark.benchmark(group="darts: forward and backward of the batch, training mode")
def test_training_step(darts, multiply, timed, executions, slack, row):
    """Time a step. The floor takes a backward to be twice its forward.

    That all gradients are equal is tested in float64
    (tests/nasbench_adapters/networks); in float32 and training mode eight cells of
    normalisation leave two digits of an alpha's gradient.
    """
    contiguous = darts.images.contiguous()
    darts.supernet.train()
    darts.plain.train()
    runs = executions(darts.supernet)
    run = runs.get(row, runs["ours"])

    def ours():
        return forward_and_backward(
            darts.supernet,
            darts.alphas,
            lambda: run(darts.images, darts.mixture),
            darts.labels,
        )

    def plain():
        return forward_and_backward(
            darts.plain,
            darts.alphas,
            lambda: darts.plain(contiguous, darts.weights()),
            darts.labels,
        )

    ours()  # what comes a second time is replayed
    loss, gradients = ours()
    plain_loss, plain_gradients = plain()
    assert torch.allclose(loss, plain_loss, atol=slack * 1e-4)
    for mine, other in zip(gradients, plain_gradients, strict=True):
        tolerance = slack * 2e-2 * float(other.abs().max())
        assert torch.allclose(mine, other, rtol=0, atol=tolerance)
    flops = 3 * darts.flops
    works = {"plain": plain, "floor": lambda: multiply(flops)}
    timed(works.get(row, ours), ROUNDS, "," not in row)
