"""Scoring and training the DARTS supernet: ours, the plain formulation, and the floor; and that they are equal."""

import pytest
import torch

from archselect.nasbench_adapters.networks import FoldedSupernet, scoring
from archselect.selectors.proxies.nwot import pattern_kernel

ROUNDS = 3


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: forward of the batch, evaluation mode")
def test_forward(benchmark, world, multiply, timed, slack, who):
    mixture, weights = world.mixture, world.weights()
    plain = world.images.contiguous()
    folded = FoldedSupernet(world.supernet)
    ours_of, plain_of = (
        (lambda: folded(world.images, mixture)),
        (lambda: world.plain(plain, weights)),
    )
    world.plain.eval()
    with scoring(world.supernet, "running"):
        assert torch.allclose(ours_of(), plain_of(), atol=slack * 1e-4)
        flops = world.flops
        work = {"ours": ours_of, "plain": plain_of, "floor": lambda: multiply(flops)}[
            who
        ]
        timed(benchmark, work, ROUNDS)


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: nwot of one candidate")
def test_nwot(benchmark, world, multiply, timed, plain_kernel, slack, who):
    """The floor is the forward's; K itself is an extra of the proxy."""
    mixture, weights = world.mixture.without(0, 3, 4), world.weights()
    weights[0] = weights[0].clone()
    weights[0][3, 4] = 0
    plain = world.images.contiguous()
    world.plain.eval()

    folded = FoldedSupernet(world.supernet)

    def ours_of():
        return pattern_kernel(
            world.supernet, lambda x: folded(x, mixture), world.images
        )

    def plain_of():
        return plain_kernel(world.plain, lambda x: world.plain(x, weights), plain)

    with scoring(world.supernet, "running"), torch.no_grad():
        ours, theirs = ours_of(), plain_of()
        # Signs of features that are zero but for rounding may differ: of 10^7 a
        # handful.
        assert (ours - theirs).abs().max() <= slack * 1e-5 * ours.max()
        flops = world.flops
        work = {"ours": ours_of, "plain": plain_of, "floor": lambda: multiply(flops)}[
            who
        ]
        timed(benchmark, work, ROUNDS)


@pytest.mark.benchmark(group="darts: forward and backward of the batch, training mode")
def test_training_step(benchmark, world, multiply, timed, step, executions, slack, row):
    """The floor takes a backward to be twice its forward.

    That all gradients are equal is tested in float64
    (tests/nasbench_adapters/networks); in float32 and training mode eight cells of
    normalisation leave two digits of an alpha's gradient.
    """
    plain = world.images.contiguous()
    world.supernet.train()
    world.plain.train()

    runs = executions(world.supernet)
    run = runs.get(row, runs["ours"])

    def ours_of():
        return step(
            world.supernet,
            world.alphas,
            lambda: run(world.images, world.mixture),
            world.labels,
        )

    def plain_of():
        return step(
            world.plain,
            world.alphas,
            lambda: world.plain(plain, world.weights()),
            world.labels,
        )

    ours_of()  # what comes a second time is replayed
    (loss, ours), (wanted, theirs) = ours_of(), plain_of()
    assert torch.allclose(loss, wanted, atol=slack * 1e-4)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(
            mine, other, rtol=0, atol=slack * 2e-2 * float(other.abs().max())
        )
    flops = 3 * world.flops
    work = {"plain": plain_of, "floor": lambda: multiply(flops)}.get(row, ours_of)
    timed(benchmark, work, ROUNDS, "," not in row)
