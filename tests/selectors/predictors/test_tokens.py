"""Tokens of every space: what is written is read again, and nothing else is an architecture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.predictors.tokens import PAD, EdgeTokens, tokens_of

NB101 = get_space("nb101")
GRAPHS = get_space("nbgraph")
DARTS = get_space("darts")


def draw(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def is_architecture(space, architecture):
    """By the space's text form, which checks what it reads."""
    return space.parse(space.format(architecture)) == architecture


@pytest.mark.parametrize("name", SPACES)
def test_what_is_written_is_read_again(name):
    space = get_space(name)
    tokens = tokens_of(space)
    drawn = draw(space, 60)
    written = tokens.encode(drawn)
    assert written.shape == (60, tokens.length)
    assert written.min() >= PAD and written.max() < tokens.vocabulary
    assert [tokens.decode(row) for row in written.tolist()] == drawn
    assert tokens.encode([]).shape == (0, tokens.length)


@pytest.mark.parametrize("name", [name for name in SPACES if name != "nb101"])
def test_no_token_stands_for_two_edges(name):
    space = get_space(name)
    tokens = tokens_of(space)
    assert isinstance(tokens, EdgeTokens)
    written = tokens.encode(draw(space, 300))
    of_edge = [set(column) for column in written.T.tolist()]
    assert sum(map(len, of_edge)) == len(set().union(*of_edge))
    assert PAD not in set().union(*of_edge)


@pytest.mark.parametrize("name", ["nb201", "nbgraph", "darts", "s3", "nb1shot1-3"])
def test_a_changed_token_gives_another_architecture_or_none(name):
    space = get_space(name)
    tokens = tokens_of(space)
    rng = np.random.default_rng(1)
    read = 0
    for row in tokens.encode(draw(space, 150)):
        changed = row.copy()
        place = rng.integers(tokens.length)
        changed[place] += rng.integers(-2, 3)
        architecture = tokens.decode(changed.tolist())
        if architecture is not None:
            assert is_architecture(space, architecture)
            assert tokens.encode([architecture])[0].tolist() == changed.tolist()
            read += 1
    assert 0 < read < 150


def test_architectures_that_a_space_excludes_are_not_read():
    skips = Architecture(((0, 0, 0), (8, 8, 8, 8)))
    tokens = tokens_of(GRAPHS)
    assert tokens.decode(tokens.encode([skips])[0].tolist()) is None
    (cell,) = draw(DARTS, 1)
    normal, reduction = cell.choices
    tokens = tokens_of(DARTS)
    kept = next(edge for edge, choice in enumerate(normal) if choice is not None)
    dropped = normal.index(None)
    for edge, choice in ((kept, None), (dropped, 0)):
        row = [*normal[:edge], choice, *normal[edge + 1 :]]
        wrong = Architecture((tuple(row), reduction))
        assert tokens.decode(tokens.encode([wrong])[0].tolist()) is None
    assert tokens.decode([PAD] * tokens.length) is None


def test_cells_of_nasbench_101_are_written_vertex_by_vertex():
    tokens = tokens_of(NB101)
    assert (tokens.length, tokens.vocabulary) == (27, 7)
    cell = NB101.parse("0101/0010/0001/0000:conv1x1-bn-relu,maxpool3x3")
    # Vertex 1 reads the input, 2 reads 1, and the output reads the input and 2.
    expected = [2, 3, 1, 2, 5, 2, 1, 2, 6]
    assert tokens.encode([cell])[0].tolist() == expected + [0] * 18
    loose = NB101.parse(
        "01100/00001/00000/00000/00000:" + ",".join(["conv3x3-bn-relu"] * 3)
    )
    assert tokens.encode([loose])[0].tolist() == [2, 4, 1, 2, 6] + [0] * 22


@settings(max_examples=300)
@given(st.data())
def test_broken_cells_of_nasbench_101_are_none(data):
    """Mostly well-formed sequences: some are cells, and those are read as the pruned cell."""
    tokens = tokens_of(NB101)
    row = []
    for vertex in range(1, 7):
        row += data.draw(
            st.lists(st.sampled_from([1, 2]), min_size=vertex, max_size=vertex)
        )
        last = vertex == 6 or data.draw(st.integers(0, 5)) == 0
        row.append(6 if last else data.draw(st.integers(3, 5)))
        if last:
            break
    row += [0] * (27 - len(row))
    whole = tokens.decode(row)
    if whole is not None:
        assert NB101.canonical(whole) is not None
        again = tokens.encode([whole])[0].tolist()
        assert tokens.decode(again) == whole
    place = row.index(6)
    for broken in (
        [*row[:place], 0, *row[place + 1 :]],
        [*row[:place], 7, *row[place + 1 :]],
        [3, *row[1:]],
        [*row[:26], 1] if place < 26 else [0] * 27,
    ):
        assert tokens.decode(broken) is None
