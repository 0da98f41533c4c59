"""DARTS supernets and networks against the naive ones, the noise of S4, auxiliary heads and dropped paths."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_darts
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import (
    Mixture,
    Network,
    Supernet,
    mixture_of,
    one_hot,
)
from archselect.nasbench_adapters.networks.blocks import (
    STEMS,
    AuxiliaryHead,
    AuxiliaryShape,
)
from archselect.nasbench_adapters.networks.operations import Noise
from archselect.nasbench_adapters.space import DROPPED, OPEN, Decisions
from archselect.nasbench_adapters.spaces import get_space

NAMES = ("darts", "darts-none", "s1", "s2", "s3", "s4")
SETTINGS = {"channels": 2, "layers": 4}  # a normal cell, two reductions, a normal cell
LABELS = torch.tensor([0, 1, 2, 3])

seeds = st.integers(0, 1000)
spaces = st.sampled_from(NAMES).map(get_space)


def supernet_of(space, seed=0):
    return Supernet(space, space.skeleton(**SETTINGS), 3, 4, seed)


def network_of(space, architecture, seeds=(0,), image_channels=3, **settings):
    return Network(
        space,
        architecture,
        space.skeleton(**SETTINGS),
        image_channels,
        4,
        seeds,
        **settings,
    )


def architectures(space):
    return seeds.map(lambda seed: space.sample(np.random.default_rng(seed)))


@st.composite
def mixtures(draw, space):
    """Soft, one-hot and dropped edges, with some of the entries set to zero."""
    choices = tuple(
        tuple(
            draw(st.sampled_from([OPEN, OPEN, DROPPED, *range(len(names))]))
            for names in cell.operations
        )
        for cell in space.cells
    )
    generator = torch.Generator().manual_seed(draw(seeds))
    columns = max(len(names) for names in space.cells[0].operations)
    alphas = [
        torch.randn(14, columns, generator=generator, dtype=torch.float64)
        for _ in space.cells
    ]
    mixture = mixture_of(space, alphas, Decisions(choices))
    place = st.tuples(
        st.integers(0, 1), st.integers(0, 13), st.integers(0, columns - 1)
    )
    for cell, edge, choice in draw(st.lists(place, max_size=20)):
        mixture = mixture.without(cell, edge, choice)
    return mixture


def leaves(mixture):
    """The mixture with weights that gather gradients."""
    return Mixture(
        tuple(w.detach().clone().requires_grad_() for w in mixture.weights),
        mixture.support,
    )


def rows(mixture, space):
    """The mixture's weights as the naive net takes them."""
    return [
        [row[: len(names)] for row, names in zip(weights, cell.operations, strict=True)]
        for weights, cell in zip(mixture.weights, space.cells, strict=True)
    ]


def gradient(tensor):
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def assert_gradients_agree(pairs, parameters):
    compared = 0
    for theirs, own in pairs:
        if isinstance(own, nn.Parameter):
            wanted = gradient(own).reshape(theirs.shape)
            torch.testing.assert_close(gradient(theirs), wanted, rtol=1e-6, atol=1e-9)
            compared += 1
        else:
            torch.testing.assert_close(theirs, own, rtol=1e-9, atol=1e-10)
    assert compared == len(list(parameters))


def let_noise_through(model, copy):
    """The copy's noise is what the model draws."""
    for module, own in naive_darts.parts_of(model, copy):
        if isinstance(module, Noise):
            module.register_forward_hook(
                lambda _, inputs, output, own=own: setattr(own, "drawn", output)
            )


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=3)
@given(data=st.data(), training=st.booleans(), seed=seeds)
def test_the_supernet_is_the_naive_one(stirred, images, name, data, training, seed):
    """Logits, buffers, and gradients of weights and mixture, in training and evaluation mode, in float64."""
    space = get_space(name)
    supernet = stirred(supernet_of(space, seed)).train(training)
    copy = naive_darts.copy_of(supernet)
    let_noise_through(supernet, copy)
    ours = leaves(data.draw(mixtures(space)))
    theirs = leaves(ours)
    x = images(4, seed=seed)
    logits, wanted = supernet(x, ours), copy(x, rows(theirs, space))
    torch.testing.assert_close(logits, wanted, rtol=1e-8, atol=1e-9)
    F.cross_entropy(logits, LABELS).backward()
    F.cross_entropy(wanted, LABELS).backward()
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        torch.testing.assert_close(gradient(a), gradient(b), rtol=1e-6, atol=1e-9)
    assert_gradients_agree(naive_darts.pairs_of(supernet, copy), supernet.parameters())


@settings(max_examples=10)
@given(data=st.data(), space=spaces, training=st.booleans(), seed=seeds)
def test_the_network_is_the_naive_one(stirred, images, data, space, training, seed):
    network = stirred(network_of(space, data.draw(architectures(space)), [seed])).train(
        training
    )
    copy = naive_darts.copy_of(network)
    let_noise_through(network, copy)
    x = images(4, seed=seed)
    logits, wanted = network(x), copy(x, naive_darts.ones(network))
    torch.testing.assert_close(logits, wanted, rtol=1e-8, atol=1e-9)
    F.cross_entropy(logits, LABELS).backward()
    F.cross_entropy(wanted, LABELS).backward()
    assert_gradients_agree(naive_darts.pairs_of(network, copy), network.parameters())


@pytest.fixture(scope="module")
def supernets(stirred):
    """`supernets(space)`: one each, with normalisation far from its start."""
    return cache(lambda space: stirred(supernet_of(space)))


@settings(max_examples=10)
@given(data=st.data(), space=spaces, training=st.booleans())
def test_the_network_is_the_supernet_under_a_one_hot_mixture(
    supernets, images, data, space, training
):
    """Where no pool is kept: a pool is normalised in the supernet only."""
    architecture = data.draw(architectures(space))
    supernet = supernets(space).train(training)
    network = network_of(space, architecture, [1]).double().train(training)
    own = network.state_dict()
    network.load_state_dict(
        own
        | {name: value for name, value in supernet.state_dict().items() if name in own}
    )
    x = images(4)
    same = torch.allclose(
        network(x),
        supernet(x, one_hot(space, architecture, torch.device("cpu"))),
        rtol=1e-8,
    )
    kept = [e[2] for cell in space.graph(architecture) for e in cell["edges"]]
    assert same == (not any("pool" in operation for operation in kept))


@settings(max_examples=4)
@given(
    data=st.data(),
    space=st.sampled_from(["darts", "s1", "s3"]).map(get_space),
    training=st.booleans(),
)
def test_replicas_are_networks_side_by_side(images, data, space, training):
    """Forward, gradients and buffers of three networks in one, in float64."""
    architecture = data.draw(architectures(space))
    alone = [
        network_of(space, architecture, [seed], image_channels=2)
        .double()
        .train(training)
        for seed in (3, 4, 5)
    ]
    together = (
        network_of(space, architecture, [3, 4, 5], image_channels=2)
        .double()
        .train(training)
    )
    x = images(4, channels=6)
    logits = together(x)
    singles = [
        network(part) for network, part in zip(alone, x.chunk(3, dim=1), strict=True)
    ]
    torch.testing.assert_close(
        logits, torch.stack(singles, dim=1), rtol=1e-8, atol=1e-9
    )
    weights = torch.linspace(-1, 1, 4, dtype=torch.float64)
    (logits * weights).pow(2).sum().backward()
    for single in singles:
        (single * weights).pow(2).sum().backward()
    for parameters in zip(
        together.parameters(), *(network.parameters() for network in alone), strict=True
    ):
        first, *others = map(gradient, parameters)
        torch.testing.assert_close(first, torch.cat(others), rtol=1e-7, atol=1e-9)
    for buffers in zip(
        together.buffers(), *(network.buffers() for network in alone), strict=True
    ):
        if buffers[0].dim():
            torch.testing.assert_close(
                buffers[0], torch.cat(buffers[1:]), rtol=1e-8, atol=1e-9
            )


def test_an_input_from_before_a_reduction_is_halved():
    """The released code: where the layer before last is larger, its features go through a factorized reduction."""
    kinds = [
        [type(p.project).__name__ for p in layer.preprocess]
        for layer in supernet_of(get_space("s2")).layers
    ]
    assert kinds == [
        ["ConvNorm", "ConvNorm"],
        ["ConvNorm", "ConvNorm"],
        ["FactorizedReduction", "ConvNorm"],
        ["FactorizedReduction", "ConvNorm"],
    ]


def test_only_the_supernets_pools_are_normalised_and_nothing_in_its_cells_is_affine():
    space = get_space("darts")
    for layer in supernet_of(space).layers:
        norms = [m for m in layer.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms and not any(norm.affine for norm in norms)
        assert all(
            isinstance(edge["max_pool_3x3"].norm, nn.BatchNorm2d)
            for edge in layer.edges
        )
    pools = space.parse(str(GENOTYPE).replace("OPERATION", "max_pool_3x3"))
    for layer in network_of(space, pools).layers:
        assert not list(layer.edges.parameters())
        assert all(
            norm.affine for norm in layer.modules() if isinstance(norm, nn.BatchNorm2d)
        )


CELL = [("OPERATION", source) for source in (0, 1, 0, 1, 0, 2, 0, 4)]
GENOTYPE = f"Genotype(normal={CELL}, normal_concat=range(2, 6), reduce={CELL}, reduce_concat=range(2, 6))"


# --- the stem and the head of ImageNet networks


def test_the_imagenet_stem_puts_out_a_quarter_and_an_eighth():
    stem = STEMS["imagenet"](3, 8)
    first, second = stem(torch.zeros(1, 3, 32, 64))
    assert (first.shape, second.shape) == ((1, 8, 8, 16), (1, 8, 4, 8))
    strides = [m.stride for m in stem.modules() if isinstance(m, nn.Conv2d)]
    assert strides == [(2, 2)] * 3


def test_the_imagenet_network_reads_both_outputs_of_the_stem(stirred, images):
    """Its first cell halves the first of them; the network shrinks the image 32 times."""
    space = get_space("darts")
    skeleton = space.skeleton(**SETTINGS, stem="imagenet")
    network = stirred(
        Network(
            space,
            space.parse(GENOTYPE.replace("OPERATION", "sep_conv_3x3")),
            skeleton,
            3,
            4,
            [0],
        )
    )
    kinds = [
        [type(p.project).__name__ for p in layer.preprocess] for layer in network.layers
    ]
    assert kinds[0] == ["FactorizedReduction", "ConvNorm"]
    sizes = []
    for layer in network.layers:
        layer.register_forward_hook(
            lambda _, inputs, output: sizes.append(output.shape[2])
        )
    x = images(2, size=64).requires_grad_()
    network.eval()(x).sum().backward()
    assert sizes == [8, 4, 2, 2]
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(("stride", "size", "norms"), [(3, 8, 2), (2, 7, 1)])
def test_the_auxiliary_head_takes_features_of_one_size(stride, size, norms):
    head = AuxiliaryHead(6, 4, AuxiliaryShape(stride, last_norm=norms == 2))
    assert head(torch.randn(3, 6, size, size)).shape == (3, 4)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in head) == norms
    widths = [
        (m.in_channels, m.out_channels, m.kernel_size)
        for m in head
        if isinstance(m, nn.Conv2d)
    ]
    assert widths == [(6, 128, (1, 1)), (128, 768, (2, 2)), (768, 4, (1, 1))]


def test_the_auxiliary_head_reads_the_second_reduction_and_only_while_training(images):
    space = get_space("s2")
    architecture = space.parse(GENOTYPE.replace("OPERATION", "sep_conv_3x3"))
    network = network_of(space, architecture, auxiliary=True)
    plain = network_of(space, architecture)
    seen = {}
    network.layers[2].register_forward_hook(
        lambda _, inputs, output: seen.update(features=output)
    )
    network.auxiliary.register_forward_hook(
        lambda _, inputs, output: seen.update(read=inputs[0], logits=output)
    )
    x = images(4, size=32).float()
    logits, auxiliary = network.train().training_logits(x)
    assert seen["read"] is seen["features"] and seen["logits"] is auxiliary
    assert auxiliary.shape == logits.shape == (4, 4)
    assert network.auxiliary[1].stride == 3
    assert network.eval().training_logits(x)[1] is None
    assert plain.train().training_logits(x)[1] is None
    with pytest.raises(ValueError, match="with replicas cannot have an auxiliary head"):
        network_of(space, architecture, [0, 1], auxiliary=True)


def test_the_auxiliary_head_of_an_imagenet_network_is_another(images):
    """224x224 images leave 7x7 features where it reads; its last convolution is not normalised."""
    space = get_space("s2")
    skeleton = space.skeleton(channels=2, layers=3, stem="imagenet")
    architecture = space.parse(GENOTYPE.replace("OPERATION", "skip_connect"))
    network = Network(space, architecture, skeleton, 3, 4, [0], auxiliary=True).train()
    assert network.auxiliary[1].stride == 2
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.auxiliary) == 1
    read = []
    network.auxiliary.register_forward_hook(
        lambda _, inputs, output: read.append(inputs[0].shape[2:])
    )
    assert network.training_logits(images(2, size=224).float())[1].shape == (2, 4)
    assert read == [(7, 7)]


# --- dropped paths


@settings(max_examples=10)
@given(data=st.data(), space=spaces)
def test_paths_scale_every_operation_but_identities(images, data, space):
    """Factors of one change nothing; zeros leave of a node its identities only."""
    architecture = data.draw(architectures(space))
    network = network_of(space, architecture).double().train()
    x = images(4)
    strides = [(layer.cell, layer.stride) for layer in network.skeleton.layers]
    kept = [
        (source, operation, stride)
        for cell, stride in strides
        for source, _, operation in space.graph(architecture)[cell]["edges"]
    ]
    identities = [
        op == "skip_connect" and not (source < 2 and stride == 2)
        for source, op, stride in kept
    ]
    assert network.droppable == len(kept) - sum(identities)
    paths = torch.ones(network.droppable, 4, dtype=torch.float64)
    torch.testing.assert_close(
        network.training_logits(x, paths)[0], network.training_logits(x)[0]
    )
    outputs = []
    network.layers[0].register_forward_hook(
        lambda _, inputs, output: outputs.append(output)
    )
    network.training_logits(x, paths * 0)
    # Of the first cell, at stride 1, only what comes from its inputs by identities is
    # left.
    reached = {0, 1}
    for source, target, operation in sorted(
        space.graph(architecture)[0]["edges"], key=lambda edge: edge[1]
    ):
        if source in reached and operation == "skip_connect":
            reached.add(target)
    alive = [bool(part.abs().sum() > 0) for part in outputs[0].chunk(4, dim=1)]
    assert alive == [node in reached for node in (2, 3, 4, 5)]


def test_a_path_is_one_operation_of_one_layer_for_one_image(images):
    """Each factor of its own changes its image's logits, and no other's (in evaluation mode images do not mix)."""
    space = get_space("s2")
    network = (
        network_of(space, space.parse(GENOTYPE.replace("OPERATION", "sep_conv_3x3")))
        .double()
        .eval()
    )
    x = images(3)
    paths = torch.ones(network.droppable, 3, dtype=torch.float64)
    whole, _ = network.training_logits(x, paths)
    distinct = set()
    for path in range(network.droppable):
        dropped = paths.clone()
        dropped[path, 1] = 0
        logits, _ = network.training_logits(x, dropped)
        assert (logits != whole).any(dim=1).tolist() == [False, True, False]
        distinct.add(tuple(logits[1].tolist()))
    assert len(distinct) == network.droppable == 4 * 8


# --- noise


def test_noise_is_standard_normal_and_white():
    """Mean, variance, kurtosis and tails; no correlation between neighbours, channels, images or the input."""
    x = torch.randn(16, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    noise = Noise()(x)
    assert (noise.shape, noise.dtype) == (x.shape, x.dtype)
    count = noise.numel()
    five = 5 / count**0.5  # five standard errors of a mean of unit variance
    assert abs(noise.mean()) < five
    assert abs(noise.var() - 1) < 2**0.5 * five
    assert abs((noise**4).mean() - 3) < 96**0.5 * five
    assert abs((noise > 2).double().mean() - 0.02275) < five
    shifts = [noise.roll(by, dim) for dim in range(4) for by in (1, 2)]
    flat = noise.flatten()
    halves = torch.cat([flat[count // 2 :], flat[: count // 2]]).view_as(noise)
    for other in (*shifts, halves, x):
        assert abs((noise * other).mean()) < five
    # Nor do radii (Box and Muller draw two numbers from one) hang together.
    assert abs(((noise**2 - 1) * (halves**2 - 1)).mean()) < 2 * five


def test_the_two_numbers_of_a_pair_are_independent():
    """Radius and angle of the plane's points fill a grid evenly: chi-square within five of its standard deviations."""
    noise = (
        Noise()(torch.randn(16, 8, 32, 32, generator=torch.Generator().manual_seed(0)))
        .double()
        .flatten()
    )
    x, y = noise.chunk(2)
    inside = torch.exp(-(x**2 + y**2) / 2)
    around = torch.atan2(y, x) / (2 * torch.pi) % 1
    side = 64
    cells = (inside * side).long().clamp(max=side - 1) * side + (
        around * side
    ).long().clamp(max=side - 1)
    counts, expected = torch.bincount(cells, minlength=side**2), len(x) / side**2
    chi_square, freedom = ((counts - expected) ** 2 / expected).sum(), side**2 - 1
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


@given(
    seed=seeds,
    where=st.integers(0, 2 * 3 * 2 * 2 - 1),
    bit=st.integers(0, 31),
    stride=st.sampled_from([1, 2]),
)
def test_noise_changes_with_any_bit_of_what_it_replaces(seed, where, bit, stride):
    x = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    changed = x.clone()
    changed.view(torch.int32).view(-1)[where] ^= torch.tensor(
        1 << bit, dtype=torch.int64
    ).to(torch.int32)
    first, second = (
        Noise(stride)(y.repeat_interleave(stride, 2).repeat_interleave(stride, 3))
        for y in (x, changed)
    )
    assert (first != second).double().mean() > 0.9


def test_noise_is_the_same_for_the_same_input_and_touches_no_random_state(trace):
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    module = Noise()
    before = trace(module)
    first = module(x)
    assert torch.equal(module(x), first)
    assert torch.equal(Noise()(x.contiguous(memory_format=torch.channels_last)), first)
    assert trace(module) == before
    assert not module(x.requires_grad_()).requires_grad


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (4, 2), (5, 2)])
def test_noise_has_the_size_of_the_strided_input(size, stride):
    """Odd numbers of entries too, and in float64."""
    x = torch.randn(1, 1, size, size, dtype=torch.float64)
    noise = Noise(stride)(x)
    assert noise.dtype == torch.float64
    assert noise.shape == x[:, :, ::stride, ::stride].shape
    assert torch.isfinite(noise).all()


def test_noise_of_different_edges_is_different():
    """As in the released code, where every operation draws its own, also those that read the same node."""
    space = get_space("s4")
    supernet = supernet_of(space)
    drawn = []
    for layer in supernet.layers:
        for edge in layer.edges:
            edge["noise"].register_forward_hook(
                lambda _, inputs, output: drawn.append(output.flatten()[:48])
            )
    weights = [torch.zeros(14, 2)] * 2
    supernet(
        torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)),
        mixture_of(space, weights),
    )
    assert len(drawn) == 4 * 14
    correlations = torch.corrcoef(torch.stack(drawn)).fill_diagonal_(0)
    # Six standard errors of a correlation of 48 pairs.
    assert correlations.abs().max() < 6 / 48**0.5
