"""A fused supernet trains as the supernet does: output, all gradients and running statistics; with fewer kernels."""

from copy import deepcopy

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import naive
from support.dispatched import dispatched
from torch.func import functional_call
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    Supernet,
    mixture_of,
    one_hot,
    scoring,
)
from archselect.nasbench_adapters.networks.fused import MOST_PLANS, can_fuse
from archselect.nasbench_adapters.networks.mixture import count_columns
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies.nwot import pattern_kernel


def trained(run, supernet, mixture, leaves, x, labels):
    """Logits, gradients of weights and leaves, and buffers after a forward in training mode."""
    logits = run(x, mixture)
    loss = F.cross_entropy(logits, labels)
    gradients = torch.autograd.grad(
        loss, [*supernet.parameters(), *leaves], allow_unused=True
    )
    return logits.detach(), gradients, [buffer.clone() for buffer in supernet.buffers()]


def fused_and_plain(supernet):
    """(runs, supernet) twice: fused, and as it is."""
    copy = deepcopy(supernet).train()
    supernet.train()
    return (FusedSupernet(copy, always=True), copy), (supernet, supernet)


@settings(max_examples=5)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_in_float64_it_is_the_supernet(
    images, small_supernet, mixture_drawn, space_name, data, seed
):
    supernet, x = small_supernet(space_name, seed), images(3, seed=seed)
    mixture = mixture_drawn(supernet.space, data, seed)
    labels = torch.tensor([0, 1, 2])
    results = []
    for run, own in fused_and_plain(supernet):
        leaves = tuple(weights.clone().requires_grad_() for weights in mixture.weights)
        results.append(
            trained(run, own, Mixture(leaves, mixture.support), leaves, x, labels)
        )
    (logits, gradients, buffers), (wanted_logits, wanted, wanted_buffers) = results
    assert torch.allclose(logits, wanted_logits, rtol=1e-9, atol=1e-10)
    for found, expected in zip(buffers, wanted_buffers, strict=True):
        assert torch.allclose(found, expected, rtol=1e-9)
    scale = max(float(g.abs().max()) for g in wanted if g is not None)
    for found, expected in zip(gradients, wanted, strict=True):
        # What is not in the support has no gradient, or one of zeros.
        if found is None or expected is None:
            assert all(g is None or not g.any() for g in (found, expected))
        else:
            assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9 * scale)


@settings(max_examples=2)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_a_table_for_every_layer(
    images, small_supernet, mixture_drawn, space_name, data, seed
):
    """Fused or not: gradients by layer are those of tables that are apart, and add up to those of one for all."""
    supernet, x, labels = (
        small_supernet(space_name, seed),
        images(3, seed=seed),
        torch.tensor([0, 1, 2]),
    )
    mixture = mixture_drawn(supernet.space, data, seed)
    layers = [len(own) for own in supernet.layers_by_type().values()]
    own = mixture.spread(layers).leaf()
    shared = mixture.leaf()
    results = []
    for run, net in fused_and_plain(supernet):
        buffers = {name: value.clone() for name, value in net.named_buffers()}
        together = trained(run, net, shared, shared.weights, x, labels)[1][
            -len(layers) :
        ]
        net.load_state_dict(buffers, strict=False)
        apart = trained(run, net, own, own.weights, x, labels)
        results.append(apart)
        for whole, parts in zip(together, apart[1][-len(layers) :], strict=True):
            if whole is None:
                assert parts is None or not parts.any()
            else:
                assert torch.allclose(whole, parts.sum(0), rtol=1e-9, atol=1e-12)
    for found, expected in zip(results[0][1], results[1][1], strict=True):
        if found is not None and expected is not None:
            assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["nb201", "darts"])
def test_layers_may_have_other_mixtures(images, small_supernet, name):
    """A table that differs in one layer changes the logits, fused as plain."""
    supernet, x = small_supernet(name), images(3)
    generator = torch.Generator().manual_seed(0)
    alphas = [
        torch.randn(
            len(c.edges), count_columns(supernet.space, k), generator=generator
        ).double()
        for k, c in enumerate(supernet.space.cells)
    ]
    mixture = mixture_of(supernet.space, alphas)
    tables = [
        rows.clone()
        for rows in mixture.spread(
            [len(o) for o in supernet.layers_by_type().values()]
        ).weights
    ]
    tables[0][-1] = tables[0][-1].flip(0)
    other = Mixture(tuple(tables), mixture.support)
    found = []
    for run, _ in fused_and_plain(supernet):
        found.append((run(x, mixture).detach(), run(x, other).detach()))
    assert not torch.allclose(found[1][0], found[1][1], rtol=1e-3)
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two, rtol=1e-9, atol=1e-10)


def test_it_is_the_naive_supernet(images, nb201, tiny, stirred):
    """Against the slow reference, which shares nothing with either."""
    supernet = stirred(Supernet(nb201, tiny, 3, 4, 0)).train()
    reference, fused = naive.copy_of(supernet, 4, 1), FusedSupernet(supernet)
    alphas = torch.randn(
        6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    ).requires_grad_()
    x, labels = images(4), torch.tensor([0, 1, 2, 3])
    losses = [
        F.cross_entropy(fused(x, mixture_of(nb201, [alphas])), labels),
        F.cross_entropy(reference(x, torch.softmax(alphas, 1)), labels),
    ]
    ours, theirs = (torch.autograd.grad(loss, alphas)[0] for loss in losses)
    assert torch.allclose(losses[0], losses[1], rtol=1e-9)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-12)


@settings(max_examples=20)
@given(
    choices=st.lists(st.integers(0, 4), min_size=6, max_size=6),
    seed=st.integers(0, 1000),
)
@example(choices=[0, 3, 0, 1, 4, 1], seed=0)
@example(choices=[0] * 6, seed=0)
@example(choices=[1] * 6, seed=0)
def test_one_operation_per_edge(images, small_supernet, choices, seed):
    """One-hot mixtures, as sampled, in float32: cells with one convolution, none, or nothing at all among them."""
    supernet, labels = small_supernet("nb201", seed).float(), torch.tensor([0, 1, 2])
    x = images(3, seed=seed).float().contiguous(memory_format=torch.channels_last)
    mixture = one_hot(
        supernet.space, Architecture((tuple(choices),)), torch.device("cpu")
    )
    found = []
    for run, own in fused_and_plain(supernet):
        leaf = mixture.weights[0].clone().requires_grad_()
        found.append(
            trained(run, own, Mixture((leaf,), mixture.support), [leaf], x, labels)
        )
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        if ours is None or theirs is None:
            assert all(
                gradient is None or not gradient.any() for gradient in (ours, theirs)
            )
        else:
            torch.testing.assert_close(
                ours, theirs, rtol=1e-2, atol=1e-3 * max(1.0, float(theirs.abs().max()))
            )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_supernet(images, small_supernet, space_name):
    """Depthwise convolutions among what is fused there."""
    supernet, x, labels = (
        small_supernet(space_name).train(),
        images(3),
        torch.tensor([0, 1, 2]),
    )
    there = deepcopy(supernet).cuda()
    found = []
    for run, own, device in (
        (supernet, supernet, "cpu"),
        (FusedSupernet(there, always=True), there, "cuda"),
    ):
        alphas = [
            torch.zeros(
                len(cell.edges),
                count_columns(own.space, c),
                dtype=torch.float64,
                device=device,
                requires_grad=True,
            )
            for c, cell in enumerate(own.space.cells)
        ]
        mixture = mixture_of(own.space, alphas)
        logits, gradients, buffers = trained(
            run, own, mixture, alphas, x.to(device), labels.to(device)
        )
        found.append([logits, *gradients, *buffers])
    for here, other in zip(*found, strict=True):
        assert here is other is None or torch.allclose(
            other.cpu(), here, rtol=1e-6, atol=1e-9
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "always",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.xfail(
                reason="a quarter off on an H200, and why is not known"
            ),
        ),
    ],
)
def test_on_a_gpu_gradients_in_float32_are_near_those_in_float64(always):
    """At the papers' size.

    Half of the difference on a CPU is 0.4 % of the largest, as ReLUs near zero change
    sign.
    """
    torch.backends.cudnn.allow_tf32 = False
    space = get_space("nb201")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, 32, 32, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.randint(10, (64,), generator=generator)
    found = []
    for dtype, device in ((torch.float64, "cpu"), (torch.float32, "cuda")):
        supernet = (
            Supernet(space, space.skeleton(), 3, 10, 0)
            .to(device, dtype, memory_format=torch.channels_last)
            .train()
        )
        alphas = torch.zeros(6, 5, dtype=dtype, device=device, requires_grad=True)
        run = FusedSupernet(supernet, always=always)
        loss = F.cross_entropy(
            run(x.to(device, dtype), mixture_of(space, [alphas])), labels.to(device)
        )
        found.append(torch.autograd.grad(loss, alphas)[0].cpu().double())
    wanted, ours = found
    assert float((ours - wanted).abs().max()) < 0.04 * float(wanted.abs().max())


@pytest.mark.parametrize("name", ["nb201", "darts"])
def test_under_autocast_it_is_near_the_supernet(images, small_supernet, name):
    """Output in bf16; running statistics stay in float32."""
    supernet, x = (
        small_supernet(name).float(),
        images(3).float().contiguous(memory_format=torch.channels_last),
    )
    found = []
    for run, own in fused_and_plain(supernet):
        alphas = [
            torch.zeros(len(cell.edges), count_columns(own.space, c))
            for c, cell in enumerate(own.space.cells)
        ]
        with torch.autocast("cpu", torch.bfloat16):
            logits = run(x, mixture_of(own.space, alphas))
        assert logits.dtype == torch.bfloat16
        found.append(
            (logits.detach().float(), [buffer.clone() for buffer in own.buffers()])
        )
    (ours, buffers), (plain, wanted) = found
    assert float((ours - plain).abs().max()) < 0.1 * float(plain.abs().max())
    for own, other in zip(buffers, wanted, strict=True):
        assert own.dtype == other.dtype
        torch.testing.assert_close(own, other, rtol=0.1, atol=0.1)


def test_scoring_with_the_batchs_statistics_leaves_no_trace(
    images, small_supernet, trace
):
    supernet = small_supernet("nb201").eval()
    fused, x = FusedSupernet(supernet, always=True), images(3)
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    before = trace(supernet)
    with scoring(supernet, "batch"):
        assert torch.allclose(fused(x, mixture), supernet(x, mixture), rtol=1e-9)
        kernels = [
            pattern_kernel(supernet, lambda x, run=run: run(x, mixture), x)
            for run in (fused, supernet)
        ]
        assert torch.equal(*kernels)
        assert torch.equal(
            FusedSupernet(supernet)(x, mixture), supernet(x, mixture)
        )  # on a CPU left as it is
    assert trace(supernet) == before


def test_in_evaluation_mode_it_is_the_supernet_bit_by_bit(images, small_supernet):
    supernet = small_supernet("nb201").eval()
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    assert torch.equal(
        FusedSupernet(supernet)(images(3), mixture), supernet(images(3), mixture)
    )


def test_other_weights_by_name(images, small_supernet):
    """As the alphas' gradient through a step of the weights needs it."""
    supernet = small_supernet("nb201").train()
    other = small_supernet("nb201", seed=1)
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    before = [buffer.clone() for buffer in supernet.buffers()]
    tensors = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    found = functional_call(
        supernet, tensors, (images(3), mixture, FusedSupernet(supernet).replace_cells)
    )
    assert torch.allclose(found, other.train()(images(3), mixture), rtol=1e-9)
    assert all(
        torch.equal(a, b) for a, b in zip(before, supernet.buffers(), strict=True)
    )


def test_depthwise_convolutions_are_left_alone_on_a_cpu(small_supernet):
    for name, always, on_a_cpu in (
        ("nb201", True, True),
        ("darts", True, False),
        ("s4", False, False),
    ):
        cells = [cell for _, cell in small_supernet(name).cells()]
        assert all(can_fuse(cell) for cell in cells) == always
        assert all(can_fuse(cell, depthwise=False) for cell in cells) == on_a_cpu


def test_plans_are_forgotten(images, small_supernet, monkeypatch):
    """However many supports, memory is bounded, and the answer is right."""
    monkeypatch.setattr("archselect.nasbench_adapters.networks.fused.MOST_PLANS", 2)
    supernet = small_supernet("nb201").train()
    fused, x = FusedSupernet(supernet), images(3)
    mixture = mixture_of(supernet.space, [torch.zeros(6, 5, dtype=torch.float64)])
    for choice in range(5):
        masked = mixture.without(0, 2, choice)
        assert torch.allclose(fused(x, masked), supernet(x, masked), rtol=1e-9)
        assert len(fused._plans) <= 2 < MOST_PLANS


@pytest.mark.parametrize(("name", "share"), [("nb201", 0.35), ("darts", 0.35)])
def test_a_step_has_few_kernels(images, small_supernet, name, share):
    """Forward and backward of an open supernet hand a third of the operations to the device, or little more."""
    counts = []
    for run, own in fused_and_plain(small_supernet(name)):
        alphas = [
            torch.zeros(
                len(cell.edges),
                count_columns(own.space, c),
                dtype=torch.float64,
                requires_grad=True,
            )
            for c, cell in enumerate(own.space.cells)
        ]

        def step(run=run, own=own, alphas=alphas):
            logits = run(images(3), mixture_of(own.space, alphas))
            F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()

        step()  # makes the plan
        own.zero_grad()
        counts.append(dispatched(step))
    assert counts[0] <= share * counts[1]
