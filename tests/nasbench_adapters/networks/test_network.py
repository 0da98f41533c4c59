"""Supernet and network against the naive reference, against each other, and what scoring leaves behind: nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import (
    Network,
    Supernet,
    mixture_of,
    one_hot,
    scoring,
)
from archselect.nasbench_adapters.space import OPEN, Decisions
from archselect.nasbench_adapters.spaces import get_space

SPACE = get_space("nb201")
CPU = torch.device("cpu")
CHANNELS, CELLS = 3, 2
SKELETON = SPACE.skeleton(channels=CHANNELS, cells=CELLS)

cells = st.sampled_from(list(SPACE.enumerate()))
choices = st.lists(st.integers(-1, 4), min_size=6, max_size=6).map(tuple)
masks = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=8)


def random_alphas(seed):
    return torch.randn(
        6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def naive_weights(alphas, chosen, masked):
    """softmax on open edges, one-hot on decided ones, zero where masked; entry by entry."""
    rows = []
    for e in range(6):
        total = sum(alphas[e, k].exp() for k in range(5))
        row = [
            alphas[e, k].exp() / total if chosen[e] < 0 else float(k == chosen[e])
            for k in range(5)
        ]
        rows.append([w * 0 if (e, k) in masked else w for k, w in enumerate(row)])
    return [[torch.as_tensor(w, dtype=torch.float64) for w in row] for row in rows]


@settings(max_examples=25)
@given(st.booleans(), st.integers(0, 1000), choices, masks)
def test_the_supernet_is_the_naive_one(stirred, images, training, seed, chosen, masked):
    """Logits, and gradients of weights, alphas and images, in training and evaluation mode, in float64."""
    supernet = stirred(Supernet(SPACE, SKELETON, 3, 4, seed)).train(training)
    copy = naive.copy_of(supernet, CHANNELS, CELLS)
    x, labels = images(6, seed=seed), torch.tensor([0, 1, 2, 3, 0, 1])
    ours, theirs = (random_alphas(seed).requires_grad_() for _ in range(2))

    mixture = mixture_of(
        SPACE, [ours], Decisions((tuple(OPEN if k < 0 else k for k in chosen),))
    )
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    logits = supernet(x, mixture)
    wanted = copy(x, naive_weights(theirs, chosen, masked))
    torch.testing.assert_close(logits, wanted, rtol=1e-9, atol=1e-10)

    F.cross_entropy(logits, labels).backward()
    F.cross_entropy(wanted, labels).backward()
    zero = torch.zeros(6, 5, dtype=torch.float64)
    torch.testing.assert_close(
        zero if ours.grad is None else ours.grad,
        zero if theirs.grad is None else theirs.grad,
        rtol=1e-7,
        atol=1e-10,
    )
    compared = 0
    for parameter, own in naive.pairs_of(supernet, copy):
        if isinstance(own, nn.Parameter):
            gradient = (
                torch.zeros_like(parameter)
                if parameter.grad is None
                else parameter.grad
            )
            # An operation that the mixture leaves out has no gradient in the supernet
            # and a zero one in the copy.
            wanted = torch.zeros_like(own) if own.grad is None else own.grad
            torch.testing.assert_close(
                gradient, wanted.reshape(gradient.shape), rtol=1e-7, atol=1e-10
            )
            compared += 1
    assert compared == len(list(supernet.parameters()))


@pytest.mark.parametrize("training", [True, False])
def test_the_supernet_in_single_precision_is_the_naive_one(images, training):
    supernet = Supernet(SPACE, SKELETON, 3, 4, 0).train(training)
    copy = naive.copy_of(supernet, CHANNELS, CELLS)
    x, alphas = images(6).float(), random_alphas(0)
    logits = supernet(x, mixture_of(SPACE, [alphas.float()]))
    weights = [[w.float() for w in row] for row in naive_weights(alphas, (-1,) * 6, [])]
    torch.testing.assert_close(logits, copy(x, weights), rtol=1e-4, atol=1e-5)


@settings(max_examples=25)
@given(cells, st.booleans(), st.integers(0, 1000))
def test_the_network_is_the_naive_one(stirred, images, cell, training, seed):
    network = stirred(Network(SPACE, cell, SKELETON, 3, 4, [seed])).train(training)
    copy = naive.copy_of(network, CHANNELS, CELLS)
    ones = torch.ones(6, 1, dtype=torch.float64)
    x = images(5, seed=seed)
    torch.testing.assert_close(network(x), copy(x, ones), rtol=1e-9, atol=1e-10)


def take_from_supernet(network, supernet):
    """Copy what network and supernet share; the network's own scales and shifts stay at one and zero."""
    own = network.state_dict()
    shared = {
        name: value for name, value in supernet.state_dict().items() if name in own
    }
    network.load_state_dict(own | shared)
    return {name for name in own if name not in shared}


@settings(max_examples=25)
@given(cells, st.booleans())
def test_the_network_is_the_supernet_under_a_one_hot_mixture(
    stirred, images, cell, training
):
    supernet = stirred(Supernet(SPACE, SKELETON, 3, 4, 0)).train(training)
    network = Network(SPACE, cell, SKELETON, 3, 4, [1]).double().train(training)
    left = take_from_supernet(network, supernet)
    assert all(
        ".edges." in name and name.endswith((".1.weight", ".1.bias")) for name in left
    )
    x = images(5)
    mixture = one_hot(SPACE, cell, CPU)
    torch.testing.assert_close(network(x), supernet(x, mixture), rtol=1e-9, atol=1e-10)


# --- initial weights


def test_initial_weights_follow_the_seed_and_nothing_else():
    torch.manual_seed(1)
    first = Supernet(SPACE, SKELETON, 3, 4, seed=5)
    torch.manual_seed(2)
    second, other = (
        Supernet(SPACE, SKELETON, 3, 4, seed=5),
        Supernet(SPACE, SKELETON, 3, 4, seed=6),
    )
    pairs = list(
        zip(first.parameters(), second.parameters(), other.parameters(), strict=True)
    )
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert all(
        torch.equal(a, c) == (a.dim() == 1 and bool((a == a[0]).all()))
        for a, _, c in pairs
    )


def test_making_a_model_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    model = Network(SPACE, next(SPACE.enumerate()), SKELETON, 3, 4, [0])
    model.initialise([7])
    Supernet(SPACE, SKELETON, 3, 4, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_have_the_distribution_of_torchs_own_layers():
    supernet = Supernet(SPACE, SPACE.skeleton(channels=16, cells=1), 3, 10, seed=0)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            bound = (module.in_channels * module.kernel_size[0] ** 2) ** -0.5
            weight = module.weight.detach()
            assert weight.abs().max() <= bound
            # The standard deviation of a uniform variable, give or take six standard
            # errors.
            assert weight.std() == pytest.approx(
                bound / 3**0.5, rel=6 * 0.45 / weight.numel() ** 0.5
            )
            twin = nn.Conv2d(
                module.in_channels, module.out_channels, module.kernel_size, bias=False
            )
            assert float(twin.weight.detach().std()) == pytest.approx(
                float(weight.std()), rel=0.25
            )
        if isinstance(module, nn.BatchNorm2d):
            assert not module.running_mean.any()
            assert (module.running_var == 1).all()


def test_candidates_of_a_supernet_have_no_affine_normalisation_and_track_statistics():
    for layer in Supernet(SPACE, SKELETON, 3, 4, 0).layers:
        for module in getattr(layer, "edges", nn.ModuleList()).modules():
            if isinstance(module, nn.BatchNorm2d):
                assert not module.affine
                assert module.track_running_stats


# --- replicas


@settings(max_examples=8)
@given(
    cells,
    st.lists(st.integers(0, 2**40), min_size=2, max_size=3),
    st.sampled_from(["residual", "pool"]),
)
def test_replicas_are_networks_side_by_side(cell, seeds, reduction):
    """The forward, and after two steps of SGD weights, buffers and the forward again, in float64."""
    skeleton = SPACE.skeleton(channels=3, cells=1, reduction=reduction)
    together = Network(SPACE, cell, skeleton, 2, 4, seeds).double()
    alone = [Network(SPACE, cell, skeleton, 2, 4, [seed]).double() for seed in seeds]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, len(seeds), 2, 8, 8, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (3, 8, len(seeds)), generator=generator)

    def optimizer(model):
        return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-3)

    optimizers = [optimizer(model) for model in (together, *alone)]
    for step in range(3):
        logits = together(x[step].flatten(1, 2))
        assert logits.shape == (8, len(seeds), 4)
        singles = [model(x[step][:, r]) for r, model in enumerate(alone)]
        torch.testing.assert_close(
            logits, torch.stack(singles, dim=1), rtol=1e-8, atol=1e-9
        )
        if step < 2:
            for each in optimizers:
                each.zero_grad()
            F.cross_entropy(
                logits.flatten(0, 1), y[step].flatten(), reduction="sum"
            ).backward()
            for r, single in enumerate(singles):
                F.cross_entropy(single, y[step][:, r], reduction="sum").backward()
            for each in optimizers:
                each.step()
    states = [model.state_dict() for model in alone]
    for name, value in together.state_dict().items():
        if value.dim():
            wanted = torch.cat([state[name] for state in states])
            torch.testing.assert_close(value, wanted, rtol=1e-8, atol=1e-9)


def test_replicas_need_as_many_seeds():
    cell = next(SPACE.enumerate())
    with pytest.raises(ValueError, match="2 replicas need 2 seeds, not 1"):
        Network(SPACE, cell, SKELETON, 3, 4, [0, 1]).initialise([0])


# --- scoring


@settings(max_examples=25)
@given(st.sampled_from(["running", "batch"]), st.data(), choices, masks, st.booleans())
def test_scoring_leaves_no_trace(
    stirred, trace, images, norm, data, chosen, masked, failing
):
    supernet = stirred(Supernet(SPACE, SKELETON, 3, 4, 0))
    for module in supernet.modules():
        module.training = data.draw(st.booleans(), label="training")
    mixture = mixture_of(SPACE, [random_alphas(0)], Decisions((chosen,)))
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    weights = [w.clone() for w in mixture.weights]
    before = trace(supernet)
    try:
        with scoring(supernet, norm):
            assert not supernet(images(3), mixture).requires_grad
            if failing:
                raise KeyError("within")
    except KeyError:
        assert failing
    assert trace(supernet) == before
    assert all(map(torch.equal, mixture.weights, weights))


def test_the_trace_sees_a_forward_in_training_mode(stirred, trace, images):
    """So the test above can fail."""
    supernet = stirred(Supernet(SPACE, SKELETON, 3, 4, 0)).train()
    before = trace(supernet)
    supernet(images(3), mixture_of(SPACE, [random_alphas(0)]))
    assert trace(supernet) != before


def test_the_batch_norm_mode_decides_whose_statistics_normalise(stirred, images):
    supernet = stirred(Supernet(SPACE, SKELETON, 3, 4, 0))
    mixture, x = mixture_of(SPACE, [random_alphas(0)]), images(6)
    with scoring(supernet, "running"):
        running = supernet(x, mixture)
        alone = torch.cat([supernet(x[i : i + 1], mixture) for i in range(6)])
    with scoring(supernet, "batch"):
        batch = supernet(x, mixture)
    torch.testing.assert_close(running, alone)
    assert not torch.allclose(running, batch)
    torch.testing.assert_close(running, supernet.eval()(x, mixture))
    torch.testing.assert_close(batch, supernet.train()(x, mixture))


def test_an_unknown_batch_norm_mode_is_a_user_error(tiny):
    supernet = Supernet(SPACE, tiny, 3, 4, 0)
    with (
        pytest.raises(UserError, match="did you mean 'running'"),
        scoring(supernet, "runing"),
    ):
        pytest.fail("the body must not run")


def test_what_the_mixture_leaves_out_is_not_computed(images, tiny):
    supernet = Supernet(SPACE, tiny, 3, 4, 0).double()
    cell = SPACE.parse(
        "|skip_connect~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
    )
    called = set()
    for layer in supernet.layers:
        for e, edge in enumerate(getattr(layer, "edges", [])):
            for name, module in edge.items():
                module.register_forward_hook(lambda *_, key=(e, name): called.add(key))
    supernet(images(2), one_hot(SPACE, cell, CPU))
    assert called == {(0, "skip_connect"), (5, "nor_conv_1x1")}


def test_a_disconnected_cell_gives_every_image_the_same_logits(images, tiny):
    supernet = Supernet(SPACE, tiny, 3, 4, 0).double().eval()
    cell = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    logits = supernet(images(5), one_hot(SPACE, cell, CPU))
    torch.testing.assert_close(logits, logits[:1].expand(5, 4))
