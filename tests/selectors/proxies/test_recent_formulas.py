"""ZiCo, MeCo, SWAP and AZ-NAS against slow formulas that share nothing with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Network, scoring
from archselect.nasbench_adapters.networks.operations import Rectifier
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import PROXIES, az_trainability, meco, swap
from archselect.selectors.proxies.base import Undefined

SPACE = get_space("nb201")
SKELETON = SPACE.skeleton(channels=3, cells=1)
CLASSES = 3
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])
CELL = SPACE.parse(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)


@pytest.fixture(scope="module")
def batch(images):
    return images(len(LABELS), seed=3)


@pytest.fixture(scope="module")
def network():
    return Network(SPACE, CELL, SKELETON, 3, CLASSES, [2]).double()


def score(name, model, x, labels=LABELS, norm="batch"):
    with scoring(model, norm):
        return PROXIES[name].measure(model, model, x, labels)


def weights_of(model):
    kinds = (nn.Conv2d, nn.Linear)
    return [m.weight for m in model.modules() if isinstance(m, kinds)]


def gradients_of_halves(model, batch):
    """Per half and layer the gradient of the loss, by ordinary backward."""
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        model.zero_grad()
        F.cross_entropy(model(batch[part]), LABELS[part]).backward()
        halves.append([weight.grad.flatten().numpy() for weight in weights_of(model)])
    model.zero_grad()
    return halves


def zico_by_loops(halves):
    wanted = 0.0
    for one, other in zip(*halves, strict=True):
        ratios = 0.0
        for a, b in zip(one, other, strict=True):
            if np.std([a, b]):
                ratios += np.mean(np.abs([a, b])) / np.std([a, b])
        if ratios:
            wanted += np.log(ratios)
    return wanted


def test_zico_by_loops(network, batch):
    """Also as released, where the second gradient is the sum of both."""
    first, second = gradients_of_halves(network.train(), batch)
    added = [a + b for a, b in zip(first, second, strict=True)]
    cases = {"zico": [first, second], "zico_as_released": [first, added]}
    for name, halves in cases.items():
        wanted = zico_by_loops(halves)
        assert score(name, network, batch) == pytest.approx(wanted, rel=1e-7), name


def test_zico_of_equal_halves_is_undefined(network, batch):
    """No weight has two different gradients; with sums, all have."""
    twice = torch.cat([batch[:3], batch[:3]])
    labels = torch.cat([LABELS[:3], LABELS[:3]])
    with pytest.raises(Undefined, match="no gradient differs"):
        score("zico", network, twice, labels)
    with pytest.raises(Undefined, match="at least two images"):
        score("zico", network, batch[:1], LABELS[:1])


def test_zico_as_released_of_equal_halves_counts_weights(network, batch):
    """The gradients g and 2 g have a mean of 1.5 |g| and a deviation of |g| / 2."""
    twice = torch.cat([batch[:3], batch[:3]])
    labels = torch.cat([LABELS[:3], LABELS[:3]])
    halves = gradients_of_halves(network.train(), twice)
    counts = [np.count_nonzero(of_layer) for of_layer in halves[0]]
    wanted = sum(np.log(3 * count) for count in counts)
    value = score("zico_as_released", network, twice, labels)
    assert value == pytest.approx(wanted, rel=1e-6)


def heard_features(model, image, kinds):
    """What every module that `kinds` accepts gives for an image, by hooks."""
    heard = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, output: heard.append(output))
        for module in model.modules()
        if kinds(module)
    ]
    with torch.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()
    return [x[0].flatten(1).numpy() for x in heard if x.dim() == 4]


def least_by_numpy(channels, as_released):
    constant = np.ptp(channels, axis=1) == 0
    if as_released:
        with np.errstate(invalid="ignore", divide="ignore"):
            matrix = np.nan_to_num(np.corrcoef(channels))
        return np.linalg.eigvalsh(np.atleast_2d(matrix))[0]
    kept = channels[~constant]
    return np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(kept)))[0] if len(kept) else 0.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("as_released", [False, True])
def test_meco_by_numpy(as_released, network, batch):
    blank = batch.new_empty(1, 3, meco.SIDE, meco.SIDE)
    image = meco.normal(blank, "meco", meco.draw_of(LABELS), "image")
    with scoring(network, "batch"):
        features = heard_features(
            network, image, lambda m: as_released or not list(m.children())
        )
    wanted = sum(least_by_numpy(channels, as_released) for channels in features)
    name = "meco_as_released" if as_released else "meco"
    assert score(name, network, batch) == pytest.approx(wanted, rel=1e-7)


def test_a_constant_channel_is_left_out_of_meco_and_ends_it_as_released():
    rng = torch.Generator().manual_seed(0)
    channels = torch.randn(3, 50, generator=rng, dtype=torch.float64)
    with_constant = torch.cat([channels, torch.full_like(channels[:1], 0.3)])
    alone = meco._least_eigenvalue(channels, as_released=False)
    left_out = meco._least_eigenvalue(with_constant, as_released=False)
    assert 0 < alone == pytest.approx(float(left_out))
    released = meco._least_eigenvalue(with_constant, as_released=True)
    assert float(released) == pytest.approx(0, abs=1e-12)
    nothing = meco._least_eigenvalue(torch.ones(3, 50), as_released=False)
    assert float(nothing) == 0


class Chain(nn.Module):
    """Blocks of one convolution each, ReLUs, the mean over positions, a classifier."""

    def __init__(self, widths, rectified=True, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths)
        )
        self.rectify = Rectifier() if rectified else nn.Identity()
        self.classifier = nn.Conv2d(widths[-1], CLASSES, 1)
        self.double()

    def forward(self, images):
        x = images
        for layer in self.layers:
            x = self.rectify(layer(x))
        return self.classifier(x.mean(dim=(2, 3), keepdim=True)).flatten(1)


def test_swap_by_sets_of_patterns(batch, monkeypatch):
    monkeypatch.setattr(swap, "DRAWS", 3)
    chain = Chain([3, 4, 2])
    counts = []
    for repeat in range(3):
        weights = swap.gaussian_weights(chain, f"swap {repeat}", swap.draw_of(LABELS))
        patterns, x = set(), batch
        for place in range(2):
            x = F.conv2d(x, weights[f"layers.{place}.weight"]).relu()
            units = (x > 0).flatten(1).T.tolist()
            patterns |= set(map(tuple, units))
        counts.append(len(patterns))
    assert score("swap", chain, batch) == pytest.approx(np.mean(counts))


def test_swap_looks_at_sixteen_images_and_not_at_the_weights(images, monkeypatch):
    monkeypatch.setattr(swap, "DRAWS", 2)
    x = images(20, seed=1)
    labels = torch.arange(20) % CLASSES
    value = score("swap", Chain([3, 4, 2]), x, labels)
    other = x.clone()
    other[swap.IMAGES :] = 0
    assert score("swap", Chain([3, 4, 2], seed=1), other, labels) == value
    assert 1 < value <= 2**swap.IMAGES


def test_regularised_swap_prefers_a_size(batch, monkeypatch):
    monkeypatch.setattr(swap, "DRAWS", 2)
    chain = Chain([3, 4, 2])
    thousands = sum(p.numel() for p in chain.parameters()) / 1_000
    plain = score("swap", chain, batch)
    for mu, sigma in ((thousands, 2.0), (3.0, 5.0)):
        proxy = swap.regularised(mu, sigma)
        with scoring(chain, "batch"):
            value = proxy.measure(chain, chain, batch, LABELS)
        wanted = plain * np.exp(-((thousands - mu) ** 2) / sigma)
        assert value == pytest.approx(wanted)
    with pytest.raises(ValueError, match="sigma 0 must be above zero"):
        swap.regularised(1, 0)


def entropy_by_numpy(features):
    rows = features.transpose(1, 0, 2, 3).reshape(features.shape[1], -1)
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(rows, bias=True)))
    shares = values[values > 1e-15] / values.sum()
    return -sum(share * np.log(share) for share in shares)


def test_az_expressivity_and_progressivity_by_numpy(network, batch):
    with scoring(network, "batch"), torch.no_grad():
        x = network.stem(batch)
        spreads = []
        for layer in network.layers:
            x = layer([x]) if hasattr(layer, "cell") else layer(x)
            spreads.append(entropy_by_numpy(x.numpy()))
    expressivity = score("az_expressivity", network, batch)
    assert expressivity == pytest.approx(sum(spreads), rel=1e-9)
    progressivity = score("az_progressivity", network, batch)
    assert progressivity == pytest.approx(min(np.diff(spreads)), abs=1e-9)


def test_white_features_have_the_highest_entropy(images):
    """Of orthogonal channels of equal variance: the log of their number."""
    chain = Chain([3, 2, 2], rectified=False)
    for layer in chain.layers:
        layer.weight.data = torch.eye(2, layer.in_channels)[:, :, None, None].double()
    x = torch.zeros(4, 3, 2, 2, dtype=torch.float64)
    x[:2, 0] = 1
    x[::2, 1] = 1
    value = score("az_expressivity", chain, x, LABELS[:4])
    assert value == pytest.approx(2 * np.log(2))
    assert score("az_progressivity", chain, x, LABELS[:4]) == pytest.approx(0)


def test_az_trainability_of_linear_blocks_is_near_their_spectral_norms(images):
    """The estimate of a linear map comes out of enough probes."""
    chain = Chain([3, 4, 4, 2], rectified=False)
    x = images(60, seed=2)
    labels = torch.arange(60) % CLASSES
    norms = [
        np.linalg.norm(layer.weight.detach().numpy()[:, :, 0, 0], 2)
        for layer in chain.layers[1:]
    ]
    wanted = np.mean([2 - s - 1 / (s + 1e-6) for s in norms])
    value = score("az_trainability", chain, x, labels)
    assert value == pytest.approx(wanted, abs=0.1)


def test_a_block_that_halves_the_image_reads_all_that_a_position_covers(batch):
    """Of a convolution of stride 2 whose windows do not overlap: its whole kernel."""
    kernel = torch.randn(5, 6, 2, 2, generator=torch.Generator().manual_seed(0))
    before = torch.randn(200, 6, 7, 7, dtype=torch.float64).requires_grad_()
    with torch.enable_grad():
        after = F.conv2d(F.pad(before, (0, 1, 0, 1)), kernel.double(), stride=2)
    generator = torch.Generator().manual_seed(1)
    probe = torch.randn(after.shape, generator=generator, dtype=torch.float64).sign()
    wanted = np.linalg.norm(kernel.flatten(1).numpy(), 2)
    estimate = az_trainability._spectral_norm(before, after, probe)
    # A quarter of the windows reach over the border, where there is no gradient.
    assert 0.7 * wanted < float(estimate) <= 1.05 * wanted


@pytest.mark.parametrize(
    "name", ["az_expressivity", "az_progressivity", "az_trainability"]
)
def test_az_nas_needs_blocks(name, batch):
    flat = nn.Sequential(nn.Conv2d(3, CLASSES, 8), nn.Flatten()).double()
    with pytest.raises(Undefined, match="the network has no two blocks"):
        score(name, flat, batch)
