"""What is replayed or compiled gives what the supernet gives; what is made, when, and for how long it is kept."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    executed,
    mixture_of,
    scoring,
)
from archselect.nasbench_adapters.networks import execution as module
from archselect.nasbench_adapters.networks.activation import count_columns

gpu = pytest.mark.gpu
needs_a_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device"
)
LABELS = torch.tensor([0, 1, 2])


def open_mixture(supernet, device="cpu", seed=0, dtype=torch.float64):
    """A mixture of random alphas, as leaves that have gradients."""
    generator = torch.Generator().manual_seed(seed)
    alphas = [
        torch.randn(
            len(cell.edges),
            count_columns(supernet.space, c),
            generator=generator,
            dtype=dtype,
        )
        for c, cell in enumerate(supernet.space.cells)
    ]
    mixture = mixture_of(supernet.space, [alpha.to(device) for alpha in alphas])
    return Mixture(
        tuple(weights.requires_grad_() for weights in mixture.weights), mixture.support
    )


def steps(run, supernet, batches, mixtures):
    """Losses, gradients and weights over some steps of SGD."""
    optimizer, found = torch.optim.SGD(supernet.parameters(), 0.05, momentum=0.9), []
    for (x, labels), mixture in zip(batches, mixtures, strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(run(x, mixture), labels)
        loss.backward()
        found += [
            loss.detach().clone(),
            *(weights.grad.clone() for weights in mixture.weights),
        ]
        optimizer.step()
    return [
        *found,
        *(value.detach().clone() for value in supernet.state_dict().values()),
    ]


@pytest.fixture
def made(monkeypatch):
    """Notes, in place of code that is compiled, for which support it was asked for."""
    asked = []

    def make(forward, images, mixture):
        asked.append((mixture.support, tuple(images.shape), torch.is_grad_enabled()))
        return lambda x, m: forward(x, *m.weights)

    monkeypatch.setitem(module.MAKERS, "compiled", make)
    return asked


def test_eager_is_the_run_itself(small_supernet):
    supernet = small_supernet("nb201")
    assert executed(supernet, supernet, "eager") is supernet


def test_made_is_what_comes_a_second_time(small_supernet, images, made):
    """Another support, batch or mode is another piece of code."""
    supernet = small_supernet("nb201").train()
    run, mixture, x = (
        executed(supernet, supernet, "compiled"),
        open_mixture(supernet),
        images(3),
    )
    first = run(x, mixture)
    assert made == []
    second = run(x, mixture)
    assert len(made) == 1 and torch.equal(first, second)
    run(x, mixture)
    assert len(made) == 1
    fewer = mixture.without(0, 1, 3)
    for m, batch in ((fewer, x), (mixture, images(2))):
        run(batch, m)
        assert len(made) == 1
    run(x, fewer)
    run(images(2), mixture)
    assert [(s == mixture.support, shape[0]) for s, shape, _ in made] == [
        (True, 3),
        (False, 3),
        (True, 2),
    ]
    with scoring(supernet, "batch"):
        run(x, mixture)
        run(x, mixture)
    assert [grad for _, _, grad in made] == [True, True, True, False]


def test_the_latest_are_kept(small_supernet, images, made, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    supernet = small_supernet("nb201").train()
    run, mixture, x = (
        executed(supernet, supernet, "compiled"),
        open_mixture(supernet),
        images(2),
    )
    others = [mixture.without(0, 0, k) for k in range(3)]
    for _ in range(2):
        for other in others:
            run(x, other)
    assert [support for support, _, _ in made] == [other.support for other in others]
    run(x, others[2])
    run(x, others[1])
    assert len(made) == 3
    run(x, others[0])
    assert len(made) == 4 and made[-1][0] == others[0].support


def test_who_listens_to_the_supernet_is_told_once_a_call(small_supernet, images, made):
    """As a clock does, who counts. What a replay runs has no calls to listen to."""
    supernet = small_supernet("nb201").train()
    run, mixture, told = (
        executed(supernet, supernet, "compiled"),
        open_mixture(supernet),
        [],
    )
    supernet.register_forward_hook(
        lambda module, inputs, output: told.append((inputs[1].support, output))
    )
    logits = [run(images(2), mixture) for _ in range(4)]
    assert len(made) == 1
    assert [
        (support == mixture.support, output is x)
        for (support, output), x in zip(told, logits, strict=True)
    ] == [(True, True)] * 4


def test_graphs_need_a_gpu(small_supernet):
    supernet = small_supernet("nb201")
    with pytest.raises(
        UserError,
        match="'cuda-graphs' needs a CUDA device: choose 'eager' or 'compiled'",
    ):
        executed(supernet, supernet, "cuda-graphs")


@pytest.mark.slow
def test_compiled_it_trains_the_same_supernet(small_supernet, images, monkeypatch):
    """The whole forward is one graph of torch's compiler. (Without the last step, which takes minutes on a CPU.)"""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    found = []
    plain = small_supernet("nb201").train()
    for name in ("eager", "compiled"):
        supernet = deepcopy(plain)
        run = executed(FusedSupernet(supernet, always=True), supernet, name)
        mixtures = [open_mixture(supernet, seed=seed) for seed in range(3)]
        found.append(
            steps(
                run,
                supernet,
                [(images(3, seed=seed), LABELS) for seed in range(3)],
                mixtures,
            )
        )
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-9, atol=1e-11)


@gpu
@needs_a_gpu
@pytest.mark.parametrize(
    ("name", "kind"),
    [("nb201", "cuda-graphs"), ("darts", "cuda-graphs"), ("nb201", "compiled")],
)
def test_on_a_gpu_it_trains_the_same_supernet(small_supernet, images, name, kind):
    found = []
    plain = small_supernet(name).train().cuda()
    for execution in ("eager", kind):
        supernet = deepcopy(plain)
        run = executed(FusedSupernet(supernet), supernet, execution)
        mixtures = [open_mixture(supernet, "cuda", seed) for seed in range(5)]
        mixtures[3] = Mixture(
            tuple(
                w.detach().requires_grad_()
                for w in mixtures[3].without(0, 1, 2).weights
            ),
            mixtures[3].without(0, 1, 2).support,
        )
        batches = [(images(3, seed=seed).cuda(), LABELS.cuda()) for seed in range(5)]
        found.append(steps(run, supernet, batches, mixtures))
    for eager, other in zip(*found, strict=True):
        torch.testing.assert_close(other, eager, rtol=1e-7, atol=1e-9)


@gpu
@needs_a_gpu
def test_replayed_under_autocast_it_reads_the_weights_as_they_are(
    small_supernet, images
):
    found = []
    plain = small_supernet("nb201").float().train().cuda()
    for execution in ("eager", "cuda-graphs"):
        supernet = deepcopy(plain)
        run = executed(FusedSupernet(supernet), supernet, execution)

        def half(x, mixture, run=run):
            with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                return run(x.float(), mixture)

        mixtures = [
            open_mixture(supernet, "cuda", seed, torch.float32) for seed in range(4)
        ]
        batches = [(images(3, seed=seed).cuda(), LABELS.cuda()) for seed in range(4)]
        found.append(steps(half, supernet, batches, mixtures))
    for eager, other in zip(*found, strict=True):
        torch.testing.assert_close(other, eager, rtol=0.05, atol=0.05)


@gpu
@needs_a_gpu
def test_a_replay_does_not_overwrite_what_a_backward_still_needs(
    small_supernet, images
):
    supernet = small_supernet("nb201").train().cuda()
    run, mixture, x = (
        executed(FusedSupernet(supernet), supernet, "cuda-graphs"),
        open_mixture(supernet, "cuda"),
        images(3).cuda(),
    )
    for _ in range(2):
        run(x, mixture).sum().backward()
    first = run(x, mixture).sum()
    with pytest.raises(RuntimeError, match="before the backward of the first"):
        run(x, mixture)
    first.backward()
    forgotten = run(x, mixture).sum()
    del forgotten
    run(x, mixture).sum().backward()
    with torch.no_grad():
        assert torch.equal(run(x, mixture), run(x, mixture).clone())
