"""The sub-spaces of NAS-Bench-1Shot1: their sizes against the published counts, their cells, their classes."""

import csv
import gzip
from collections import Counter
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb101 import (
    VertexGraph,
    canonical_graph,
    live_vertices,
    parse_graph,
    prune,
)

NAMES = ("nb1shot1-1", "nb1shot1-2", "nb1shot1-3")
SPACES = [get_space(name) for name in NAMES]
NB101 = get_space("nb101")

spaces = pytest.mark.parametrize("space", SPACES, ids=NAMES)


@pytest.fixture(scope="module")
def members():
    """`members(space)`, kept for the smaller two."""
    found = {}

    def look(space):
        if space.name not in found:
            found[space.name] = space.members()
        return found[space.name]

    return look


def architecture_of(row):
    return Architecture(
        (tuple(None if choice == DROPPED else int(choice) for choice in row),)
    )


def samples(space, count=40, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def connections(space):
    """Every choice of parents, as a matrix."""
    blocks = space.blocks
    for chosen in product(
        *(
            combinations(range(v), keeps)
            for v, keeps in enumerate(space.parents, start=1)
        )
    ):
        matrix = np.zeros((blocks + 2, blocks + 2), dtype=int)
        for v, parents in enumerate(chosen, start=1):
            matrix[list(parents), v] = 1
        yield matrix


# --- size


@spaces
def test_the_size_counts_every_choice_of_parents_and_operations(space):
    assert space.size == sum(3**space.blocks for _ in connections(space))
    assert (
        space.size
        == {"nb1shot1-1": 14_580, "nb1shot1-2": 29_160, "nb1shot1-3": 1_312_200}[
            space.name
        ]
    )


def test_the_papers_counts_with_loose_ends():
    """6,240, 29,160 and 363,648: the first and last count operations only of blocks that something reads (a loose end
    counts as reading); the second counts all."""
    read = [
        sum(3 ** int((m.sum(axis=1)[1:-1] > 0).sum()) for m in connections(space))
        for space in SPACES
    ]
    assert read[0] == 6_240
    assert read[2] == 363_648
    assert SPACES[1].size == 29_160 != read[1]


def released_graphs(parents):
    """What the released generator of graphs without loose ends lists: it works back from the output and adds a
    block's parents one by one, going on from each before the next is added."""
    size = len(parents) + 1

    def complete(matrix):
        reads, is_read = matrix.sum(axis=0), matrix.sum(axis=1)
        numbers = all(reads[v] in (0, (0, *parents)[v]) for v in range(size))
        return bool(
            is_read[1:-1].any()
            and is_read[0]
            and numbers
            and (reads > 0).sum() == (is_read > 0).sum()
        )

    def grow(matrix, v):
        if complete(matrix):
            yield matrix
            return
        left = parents[v - 1] - matrix[:v, v].sum() if v else 0
        options = (
            [(0,)] if v == 1 else combinations(np.flatnonzero(matrix[:v, v] == 0), left)
        )
        for chosen in options:
            grown = matrix.copy()
            for u in chosen:
                grown[u, v] = 1
                yield from grow(grown, u)

    return [
        matrix.copy() for matrix in grow(np.zeros((size, size), dtype=int), size - 1)
    ]


@pytest.mark.parametrize(
    ("space", "published"),
    [(SPACES[0], 2_487), (SPACES[1], 3_609), (SPACES[2], 24_066)],
)
def test_the_papers_counts_without_loose_ends(space, published):
    """Reproduced by the released generator's own rule, which leaves cells out that the space has."""
    graphs = released_graphs(space.parents)
    assert sum(3 ** int((m.sum(axis=1)[1:-1] > 0).sum()) for m in graphs) == published
    listed = {m.tobytes() for m in graphs}
    without = {m.tobytes() for m in map(_cleared, connections(space))}
    assert listed < without


def test_the_released_generator_lists_fewer_cells_than_the_space_has(
    shared_file, members
):
    """Those of space 2 are the cells at hand."""
    space, listed = SPACES[1], set()
    for matrix in released_graphs(space.parents):
        used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
        bits = "".join(map(str, matrix[np.ix_(used, used)].ravel()))
        listed |= {
            canonical_graph(VertexGraph(bits, k))
            for k in product(range(3), repeat=len(used) - 2)
        }
    with gzip.open(shared_file("nb101_cells.csv.gz"), "rt", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["source"].startswith("nas-bench-1shot1")
        ]
    assert listed == {
        canonical_graph(parse_graph(f"{row['adjacency']}:{row['ops']}")) for row in rows
    }
    assert len(listed) < len(members(space).cells) / 2


def _cleared(matrix):
    """The matrix with the blocks that lead nowhere cut off."""
    kept = live_vertices("".join(map(str, matrix.ravel())))
    inside = np.zeros_like(matrix)
    inside[np.ix_(kept, kept)] = matrix[np.ix_(kept, kept)]
    return inside


# --- text and cells


@spaces
def test_every_architecture_survives_the_round_trip_through_text(space):
    for architecture in samples(space):
        text = space.format(architecture)
        assert space.parse(text) == architecture
        assert NB101.format(NB101.parse(text)) == text


@spaces
def test_the_text_form_is_that_of_nb101_and_so_is_the_cell(space):
    for architecture in samples(space):
        cell = NB101.parse(space.format(architecture))
        assert space.cell_graph(architecture) == NB101.cell_graph(cell)
        assert space.in_truth(architecture) == NB101.canonical(cell)
        assert space.hash(architecture) == NB101.hash(cell)
        assert space.contains(cell)


@spaces
def test_a_cell_as_nb101_writes_it_gives_its_representative(space):
    for architecture in samples(space):
        cell = space.in_truth(architecture)
        parsed = space.parse(NB101.format(cell))
        assert space.canonical(parsed) == space.canonical(architecture)
        assert space.in_truth(parsed) == cell
        if space.cell_graph(architecture).vertices < space.blocks + 2:
            assert parsed == space.canonical(parsed)


@cache
def graphs_of(space):
    """The graphs of a space's cells, without operations."""
    alike = (
        VertexGraph("".join(map(str, m.ravel())), (0,) * space.blocks)
        for m in connections(space)
    )
    return {canonical_graph(module).bits for module in alike}


@settings(max_examples=60)
@given(
    st.sampled_from(SPACES),
    st.sampled_from([NB101, *SPACES]),
    st.integers(0, 2**32 - 1),
)
def test_a_cell_is_contained_exactly_if_some_architecture_is_it(space, other, seed):
    """Against all choices of parents: is one of them, pruned, the same graph?"""
    module = other.cell_graph(other.sample(np.random.default_rng(seed)))
    wanted = canonical_graph(module).bits in graphs_of(space)
    assert space.contains(NB101.architecture(module)) == wanted


def test_what_is_not_in_the_space_is_a_user_error():
    with pytest.raises(
        UserError,
        match="not a cell of nb1shot1-1, whose blocks and output have 1, 2, 2, 2 and 2 parents",
    ):
        SPACES[0].parse("010/001/000:maxpool3x3")
    with pytest.raises(
        UserError, match="unknown NAS-Bench-101 operation 'maxpool': known: "
    ):
        SPACES[0].parse("010/001/000:maxpool")


def test_what_keeps_another_number_of_parents_has_no_text():
    (row,) = samples(SPACES[1], 1)[0].choices
    more = tuple(
        0 if names == ("projection",) else k
        for k, names in zip(row, SPACES[1].cells[0].operations, strict=True)
    )
    with pytest.raises(ValueError, match="1, 1, 2, 2 and 3 parents"):
        SPACES[1].format(Architecture((more,)))


def test_the_cells_at_hand_are_in_the_space_they_are_labelled_with(shared_file):
    with gzip.open(shared_file("nb101_cells.csv.gz"), "rt", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["source"].startswith("nas-bench-1shot1")
        ]
    assert len(rows) > 3000
    for row in rows:
        space = get_space(f"nb1shot1-{row['source'][-1]}")
        cell = NB101.parse(f"{row['adjacency']}:{row['ops']}")
        assert space.contains(cell)
        assert space.in_truth(space.parse(NB101.format(cell))) == NB101.canonical(cell)


# --- supernet's cell


@spaces
def test_parents_compete_where_there_is_a_choice(space):
    cell = space.cells[0]
    for node in range(1, cell.nodes):
        groups = {cell.groups[edge] for edge in cell.incoming(node)}
        keeps, edges = cell.kept_inputs(node), cell.incoming(node)
        if node % 2:
            assert keeps == space.parents[node // 2]
            assert len(groups) == (1 if keeps < len(edges) else len(edges))
        else:
            assert keeps is None
            assert len(edges) == 1
    assert max(Counter(cell.groups).values()) == space.blocks + 1
    assert [cell.width(node) for node in range(cell.nodes)] == [1] * (
        cell.nodes - 1
    ) + [space.blocks]


# --- members


@pytest.mark.parametrize("space", SPACES[:2], ids=NAMES[:2])
def test_members_are_all_architectures_by_cell(space, members):
    found = members(space)
    listed = {
        architecture_of(row): cell
        for row, cell in zip(found.choices, found.cell, strict=True)
    }
    assert listed.keys() == set(space.enumerate())
    assert (
        len(np.unique(found.cells, axis=0)) == len(found.cells) == found.cell.max() + 1
    )
    rng = np.random.default_rng(0)
    for index in rng.integers(len(found.choices), size=300).tolist():
        architecture, cell = architecture_of(found.choices[index]), found.cell[index]
        assert architecture_of(found.cells[cell]) == space.in_truth(architecture)
        assert architecture_of(found.choices[found.first[cell]]) == space.canonical(
            architecture
        )
    assert np.array_equal(found.cell[found.first], np.arange(len(found.first)))


def test_the_number_of_distinct_cells(members):
    """Counted again by pruning and comparing."""
    for space in SPACES[:2]:
        forms = set()
        for matrix in connections(space):
            bits = "".join(map(str, matrix.ravel()))
            used = len(live_vertices(bits)) - 2
            if used < space.blocks and bits in forms:
                continue
            for operations in product(range(3), repeat=space.blocks):
                forms.add(prune(VertexGraph(bits, operations)))
        assert len({canonical_graph(form) for form in forms}) == len(
            members(space).cells
        )


def test_members_of_the_largest_space():
    found = SPACES[2].members()
    assert len(found.choices) == SPACES[2].size
    rng = np.random.default_rng(0)
    for index in rng.integers(len(found.choices), size=200).tolist():
        architecture, cell = architecture_of(found.choices[index]), found.cell[index]
        assert architecture_of(found.choices[found.first[cell]]) == SPACES[2].canonical(
            architecture
        )
        assert architecture_of(found.cells[cell]) == SPACES[2].in_truth(architecture)
