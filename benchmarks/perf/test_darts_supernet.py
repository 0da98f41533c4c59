"""Scoring and training the DARTS supernet: ours, the plain formulation, and the floor; and that they are equal."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import scoring
from archselect.selectors.proxies.nwot import pattern_kernel

ROUNDS = 3


def plain_kernel(net, forward, images):
    """NWOT's K as the released code reckons it: both products of every pattern, in every module named after a ReLU."""
    total = torch.zeros(len(images), len(images), dtype=torch.float64)

    def listen(module, inputs, output):
        active = (inputs[0].reshape(len(images), -1) > 0).float()
        total.add_((active @ active.T).double() + ((1 - active) @ (1 - active).T).double())

    hooks = [m.register_forward_hook(listen) for m in net.modules() if "ReLU" in type(m).__name__]
    try:
        forward(images)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def time(benchmark, work, dispatched):
    benchmark.extra_info["dispatched"] = dispatched(work)
    benchmark.pedantic(work, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: forward of 64 images, evaluation mode")
def test_forward(benchmark, world, multiply, dispatched, who):
    mixture, weights = world.mixture, world.weights()
    plain = world.images.contiguous()
    ours_of, plain_of = (lambda: world.supernet(world.images, mixture)), (lambda: world.plain(plain, weights))
    world.plain.eval()
    with scoring(world.supernet, "running"):
        assert torch.allclose(ours_of(), plain_of(), atol=1e-4)
        flops = world.flops
        work = {"ours": ours_of, "plain": plain_of, "floor": lambda: multiply(flops)}[who]
        time(benchmark, work, dispatched)


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: nwot of one candidate, 64 images")
def test_nwot(benchmark, world, multiply, dispatched, who):
    """The floor is the forward's; K itself is an extra of the proxy."""
    mixture, weights = world.mixture.without(0, 3, 4), world.weights()
    weights[0] = weights[0].clone()
    weights[0][3, 4] = 0
    plain = world.images.contiguous()
    world.plain.eval()

    def ours_of():
        return pattern_kernel(world.supernet, lambda x: world.supernet(x, mixture), world.images)

    def plain_of():
        return plain_kernel(world.plain, lambda x: world.plain(x, weights), plain)

    with scoring(world.supernet, "running"), torch.no_grad():
        ours, theirs = ours_of(), plain_of()
        # Signs of features that are zero but for rounding may differ: of 10^7 a handful.
        assert (ours - theirs).abs().max() <= 1e-5 * ours.max()
        flops = world.flops
        work = {"ours": ours_of, "plain": plain_of, "floor": lambda: multiply(flops)}[who]
        time(benchmark, work, dispatched)


def step(model: nn.Module, alphas, forward, labels):
    """Loss and gradients of weights and alphas."""
    model.zero_grad()
    for alpha in alphas:
        alpha.grad = None
    loss = F.cross_entropy(forward(), labels)
    loss.backward()
    return loss.detach(), [alpha.grad.clone() for alpha in alphas]


@pytest.mark.parametrize("who", ["ours", "plain", "floor"])
@pytest.mark.benchmark(group="darts: forward and backward of 64 images, training mode")
def test_training_step(benchmark, world, multiply, dispatched, who):
    """The floor takes a backward to be twice its forward.

    That all gradients are equal is tested in float64 (tests/nasbench_adapters/networks); in float32 and training mode
    eight cells of normalisation leave two digits of an alpha's gradient.
    """
    plain = world.images.contiguous()
    world.supernet.train()
    world.plain.train()

    def ours_of():
        return step(world.supernet, world.alphas, lambda: world.supernet(world.images, world.mixture), world.labels)

    def plain_of():
        return step(world.plain, world.alphas, lambda: world.plain(plain, world.weights()), world.labels)

    (loss, ours), (wanted, theirs) = ours_of(), plain_of()
    assert torch.allclose(loss, wanted, atol=1e-4)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=2e-2 * float(other.abs().max()))
    flops = 3 * world.flops
    work = {"ours": ours_of, "plain": plain_of, "floor": lambda: multiply(flops)}[who]
    time(benchmark, work, dispatched)
