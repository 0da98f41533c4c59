"""Nodes filled up to as many inputs as they keep, against the rule of the released `genotype()`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.space import DROPPED, OPEN, Decisions
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.topology import fill_nodes


@st.composite
def decided(draw, space):
    """Decisions for an operation on every edge of a space."""
    return Decisions(
        tuple(
            tuple(draw(st.sampled_from(range(len(names)))) for names in cell.operations)
            for cell in space.cells
        )
    )


@st.composite
def pruned_s3(draw, overfull):
    """Decisions on S3 as pruning leaves them: `none` anywhere, surplus edges dropped."""
    space = get_space("s3")
    decisions = draw(decided(space))
    for cell, found in enumerate(overfull(space)):
        for edges in found.values():
            for edge in draw(st.permutations(edges))[2:]:
                decisions = decisions.decide(cell, edge, DROPPED)
    return decisions


@settings(max_examples=40)
@given(data=st.data())
def test_filling_is_the_released_genotypes_rule(overfull, retell_filling, data):
    space = get_space("s3")
    decisions = data.draw(pruned_s3(overfull))
    architecture = fill_nodes(space, decisions).architecture()
    assert architecture == retell_filling(space, decisions)
    # It is an architecture of the space, and keeps every live choice.
    assert space.parse(space.format(architecture)) == architecture
    for before, after in zip(decisions.choices, architecture.choices, strict=True):
        assert all(
            b in (DROPPED, 0) or a == b for a, b in zip(after, before, strict=True)
        )


@settings(max_examples=40)
@given(data=st.data(), name=st.sampled_from([name for name in SPACES if name != "s3"]))
def test_without_none_nothing_is_left_to_fill_nodes(overfull, data, name):
    """`none` stays where all edges are kept: there it is a choice."""
    space = get_space(name)
    decisions = data.draw(decided(space))
    for c, (cell, found) in enumerate(zip(space.cells, overfull(space), strict=True)):
        for node, edges in found.items():
            for edge in edges[cell.kept[node] :]:
                decisions = decisions.decide(c, edge, DROPPED)
        if cell.kept:
            for edge, names in enumerate(cell.operations):
                if "none" in names and decisions.choices[c][edge] == names.index(
                    "none"
                ):
                    decisions = decisions.decide(c, edge, names.index("none") + 1)
    assert fill_nodes(space, decisions) == decisions


def test_a_node_left_with_none_alone_is_filled_from_its_lowest_edge_on():
    """Also with an edge that was dropped before: it weighs as little as `none` does."""
    space = get_space("s3")
    none, skip, conv = range(3)
    # Node 4 has edges 5 to 8.
    row = (
        [conv] * 5
        + [DROPPED, DROPPED, none, none]
        + [conv, conv, DROPPED, DROPPED, DROPPED]
    )
    row[2] = DROPPED
    done = fill_nodes(space, Decisions((tuple(row), tuple(row))))
    assert done.choices[0][5:9] == (skip, skip, DROPPED, DROPPED)
    row[8] = conv
    assert fill_nodes(space, Decisions((tuple(row),) * 2)).choices[0][5:9] == (
        skip,
        DROPPED,
        DROPPED,
        conv,
    )
    with pytest.raises(ValueError, match="still open"):
        fill_nodes(space, Decisions((tuple(row), (OPEN, *row[1:])))).architecture()
