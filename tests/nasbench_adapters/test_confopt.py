"""The spaces of confopt's benchmarks: operation sets, the single cell, its text, loose ends and sizes."""

from dataclasses import replace
from math import comb, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Network, Supernet, build_network
from archselect.nasbench_adapters.networks.parameters import count_parameters
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space

SINGLE = ("single-cell", "single-cell-no-skip")
WITHOUT_SKIP = ("darts-no-skip", "single-cell-no-skip")
BENCHMARKS = [
    *(
        (space, skeleton)
        for space in ("darts-none", "darts-no-skip", "darts-all-skip")
        for skeleton in ({"channels": 18, "layers": 4}, {"channels": 7, "layers": 18})
    ),
    *((space, {"channels": 26}) for space in (*SINGLE, "single-cell-all-skip")),
]

seeds = st.integers(0, 2**32)


def sampled(space, seed):
    return space.sample(np.random.default_rng(seed))


@pytest.mark.parametrize("name", WITHOUT_SKIP)
def test_without_skip_an_edge_has_the_other_seven(name):
    regular = set(get_space("darts-none").cells[0].operations[0])
    for cell in get_space(name).cells:
        for operations in cell.operations:
            assert set(operations) == regular - {"skip_connect"}


@pytest.mark.parametrize(("name", "operations"), [(SINGLE[0], 7), (SINGLE[1], 6)])
def test_the_single_cell_has_eight_nodes_with_two_inputs_each(name, operations):
    space = get_space(name)
    (cell,) = space.cells
    assert len(cell.edges) == sum(range(2, 10))
    assert cell.output == (6, 7, 8, 9)
    assert space.size == prod(comb(n, 2) * operations**2 for n in range(2, 10))


@given(st.sampled_from(SINGLE).map(get_space), seeds)
def test_a_cell_survives_the_round_trip_through_text(space, seed):
    architecture = sampled(space, seed)
    assert space.parse(space.format(architecture)) == architecture
    canonical = space.canonical(architecture)
    assert space.canonical(canonical) == canonical
    assert space.parse(space.format(canonical)) == canonical


@pytest.mark.parametrize(
    ("name", "regular"),
    [("darts-all-skip", "darts-none"), ("single-cell-all-skip", "single-cell")],
)
def test_all_skip_is_regular_with_a_skip_beside_every_edge(name, regular):
    space, other = get_space(name), get_space(regular)
    assert space.size == other.size
    for cell, plain in zip(space.cells, other.cells, strict=True):
        assert cell == replace(plain, skips_beside=True)
    architecture = sampled(space, 3)
    assert space.format(architecture) == other.format(architecture)


def test_the_single_cell_has_no_normal_cell_in_its_text():
    space = get_space("single-cell")
    text = space.format(sampled(space, 0))
    with pytest.raises(UserError, match="no normal cell: write normal="):
        space.parse(text.replace("normal=[]", "normal=[('skip_connect', 0)]"))
    with pytest.raises(UserError, match="reduce_concat must be"):
        space.parse(text.replace("[6, 7, 8, 9]", "[2, 3, 4, 5]"))


@settings(max_examples=10)
@given(seeds)
def test_the_canonical_cell_computes_the_same(seed):
    """The live operations' weights are copied from one network to the other."""
    space = get_space("single-cell")
    architecture = sampled(space, seed)
    canonical = space.canonical(architecture)
    skeleton = space.skeleton(channels=2)
    ours = Network(space, architecture, skeleton, 3, 4, (0,)).eval().double()
    other = Network(space, canonical, skeleton, 3, 4, (1,)).eval().double()
    shared = {
        name: tensor
        for name, tensor in ours.state_dict().items()
        if name in other.state_dict() and tensor.shape == other.state_dict()[name].shape
    }
    other.load_state_dict(shared, strict=False)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(ours(images), other(images))


def test_a_loose_end_is_another_cell_of_the_same_class():
    space = get_space("single-cell")
    (cell,) = space.cells
    last = [edge for edge, (source, _) in enumerate(cell.edges) if source in (0, 1)]
    row = [None] * len(cell.edges)
    for edge in last:
        row[edge] = 3
    loose = list(row)
    loose[cell.edges.index((0, 2))] = 5
    one = Architecture((tuple(row),))
    two = Architecture((tuple(loose),))
    assert one != two
    assert space.canonical(one) == space.canonical(two)


@pytest.mark.parametrize(("name", "skeleton"), BENCHMARKS)
def test_the_networks_of_the_benchmarks_have_the_counted_parameters(name, skeleton):
    space = get_space(name)
    architecture = sampled(space, 1)
    built = space.skeleton(**skeleton)
    network = build_network(space, architecture, built, 3, 10, seed=0)
    counted = count_parameters(space, [architecture], built)
    assert counted == [sum(p.numel() for p in network.parameters())]


@pytest.mark.parametrize("name", SINGLE)
def test_the_single_cell_halves_the_image_and_has_twice_the_channels(name):
    space = get_space(name)
    supernet = Supernet(space, space.skeleton(), 3, 10, seed=0)
    (module,) = [module for _, module in supernet.cells()]
    assert module.stride == 2
    assert module.channels_out == 4 * 2 * 26
    assert supernet.skeleton.stem_channels == 3 * 26
