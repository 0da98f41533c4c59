"""Where proxies have scores, and which proxies give equal functions equal scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import Network, scoring
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb201 import EDGES, _text
from archselect.selectors.proxies import PROXIES, swap, zen

NB201 = get_space("nb201")
SKELETON = NB201.skeleton(channels=3, cells=1)
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])
NONE = NB201.operation_index(0, 0, "none")
FINE = 1e-6
"""Relative difference that rounding may make, in float64."""

proxies = pytest.mark.parametrize("name", PROXIES)


def at_work(choices):
    """The edges that carry something from the images to the output of a NAS-Bench-201 cell."""
    fed, used = {0}, {3}
    for (source, target), choice in zip(EDGES, choices, strict=True):
        if choice != NONE and source in fed:
            fed.add(target)
    for (source, target), choice in reversed(list(zip(EDGES, choices, strict=True))):
        if choice != NONE and target in used:
            used.add(source)
    return [
        edge
        for edge, ((source, target), choice) in enumerate(
            zip(EDGES, choices, strict=True)
        )
        if choice != NONE and source in fed and target in used
    ]


CONNECTED = [cell for cell in NB201.enumerate() if at_work(cell.choices[0])]
INCOMPLETE = [
    cell
    for cell in CONNECTED
    if len(at_work(cell.choices[0])) < 6 - Counter(cell.choices[0])[NONE]
]
"""Connected cells with an operation that reads an empty node, or that nothing reads."""


def names_of_roles(cell):
    """Per edge a name of its role in the cell's function, which edges of equal functions share; None if not at work."""
    choices = cell.choices[0]
    text = {node: _text(node, choices[: node * (node + 1) // 2]) for node in range(4)}
    seen = Counter()
    roles = dict.fromkeys(range(len(EDGES)))
    for edge in at_work(choices):
        source, target = EDGES[edge]
        role = text[source], text[target], choices[edge]
        roles[edge] = f"{role} {seen[role]}"
        seen[role] += 1
    return roles


def network_by_roles(cell, seed):
    """A network whose weights, layer by layer, go with the roles of the edges."""
    network = Network(NB201, cell, SKELETON, 3, 3, [seed]).double()
    roles = names_of_roles(cell)
    # Those outside the cells are drawn by name, too: a network's own depend on how many
    # weights its cells have.
    for name, parameter in network.named_parameters():
        if parameter.dim() != 4 and name != "classifier.bias":
            continue
        parts = name.split(".")
        key = name if "edges" not in parts else f"{parts[1]} {roles[int(parts[3])]}"
        generator = torch.Generator().manual_seed(stream_seed(key, seed))
        parameter.data = (
            torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3
        )
    return network


def own_weights(model, _stream, _draw):
    """In place of a draw: the model's own weights, so that those of two networks can be matched."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def score_by_roles(name, cell, images, seed=0, norm="batch"):
    network = network_by_roles(cell, seed)
    with pytest.MonkeyPatch.context() as patch, scoring(network, norm):
        patch.setattr(zen, "gaussian_weights", own_weights)
        patch.setattr(swap, "gaussian_weights", own_weights)
        labels = LABELS.repeat(3)[: len(images)]
        return PROXIES[name].measure(network, network, images, labels)


def is_convolution(choice):
    return "conv" in NB201.operation(0, 0, choice)


@cache
def equal_functions():
    """Groups of several connected cells that compute the same function with the same weights.

    That is less than a class of NAS-Bench-201, which compares expressions without
    weights: there a convolution that is read twice equals two convolutions, with
    weights of their own, that read the same.
    """
    found = defaultdict(list)
    for cell in CONNECTED:
        roles = names_of_roles(cell)
        convolutions = {
            role
            for edge, role in roles.items()
            if role and is_convolution(cell.choices[0][edge])
        }
        found[NB201.canonical(cell), frozenset(convolutions)].append(cell)
    return [members for members in found.values() if len(members) > 1]


def drawn(kind, count, seed=0):
    rng = np.random.default_rng(seed)
    return [kind[k] for k in rng.choice(len(kind), count, replace=False)]


@pytest.fixture(scope="module")
def batch(images):
    return images(len(LABELS), seed=7)


@proxies
@pytest.mark.parametrize(
    "kind", [CONNECTED, INCOMPLETE], ids=["connected", "incomplete"]
)
def test_connected_cells_have_scores(name, kind, batch):
    """Finite ones: `measure` refuses what is not, or is outside the proxy's domain."""
    for cell in drawn(kind, 16):
        network = Network(NB201, cell, SKELETON, 3, 3, [1])
        for norm in ("batch", "running"):
            with scoring(network, norm):
                PROXIES[name].measure(network, network, batch.float(), LABELS)


@proxies
@pytest.mark.parametrize("space", ["darts", "s2", "s4"])
def test_darts_cells_have_scores(name, space, images):
    space, rng = get_space(space), np.random.default_rng(3)
    x = images(len(LABELS), seed=5).float()
    for seed in range(3):
        network = Network(
            space, space.sample(rng), space.skeleton(channels=4, layers=3), 3, 3, [seed]
        )
        with scoring(network, "batch"):
            PROXIES[name].measure(network, network, x, LABELS)


def spread(values):
    return (max(values) - min(values)) / max(1e-9, *map(abs, values))


@pytest.mark.parametrize(
    "name", [name for name, proxy in PROXIES.items() if proxy.domain.equal == "yes"]
)
def test_equal_functions_with_the_same_weights_have_equal_scores(name, batch):
    for members in drawn(equal_functions(), 12):
        values = [
            score_by_roles(name, cell, batch)
            for cell in drawn(members, min(3, len(members)))
        ]
        assert spread(values) < FINE, [NB201.format(cell) for cell in members]


@pytest.mark.parametrize(
    "name", [name for name, proxy in PROXIES.items() if proxy.domain.equal == "no"]
)
def test_what_is_declared_unequal_is(name, images):
    """Of 16 images: the units make all patterns that a few images can have."""
    batch = images(16, seed=7)
    found = [
        spread(
            [
                score_by_roles(name, cell, batch)
                for cell in drawn(members, min(3, len(members)))
            ]
        )
        for members in drawn(equal_functions(), 12)
    ]
    assert max(found) > 0.01


PAIRS = [
    # A convolution that reads an empty node.
    (
        "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|",
        {"nor_conv_3x3~1": "none~1"},
    ),
    # A convolution whose output nothing reads.
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|",
        {"nor_conv_3x3~0|+": "none~0|+"},
    ),
]


@pytest.mark.parametrize(("text", "change"), PAIRS)
@pytest.mark.parametrize("norm", ["batch", "running"])
def test_layers_that_are_not_at_work_do_not_change_zen(text, change, norm, batch):
    """Not in the least: the other layers keep their weights."""
    other = text
    for before, after in change.items():
        other = other.replace(before, after, 1)
    assert other != text
    values = []
    for cell in (text, other):
        network = Network(NB201, NB201.parse(cell), SKELETON, 3, 3, [1])
        with scoring(network, norm):
            values.append(
                PROXIES["zen"].measure(network, network, batch.float(), LABELS)
            )
    assert values[0] == values[1]


@settings(max_examples=8)
@given(st.sampled_from(CONNECTED), st.integers(0, 10))
def test_every_normalisation_at_work_counts_in_zen(batch, cell, seed):
    """By the cell's wiring: those of the convolutions on its edges at work, and all outside the cells."""
    network = Network(NB201, cell, SKELETON, 3, 3, [seed])
    names = {module: name.split(".") for name, module in network.named_modules()}
    live = at_work(cell.choices[0])
    with scoring(network, "batch"):
        found = zen.working(network, network, batch.float(), torch.nn.BatchNorm2d)
    wanted = {
        module
        for module, name in names.items()
        if isinstance(module, torch.nn.BatchNorm2d)
        and ("edges" not in name or int(name[3]) in live)
    }
    assert found == wanted
