"""Nodes pruned by perturbation, against the protocol told by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.space import DROPPED, Architecture, Decisions
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.pruning import prune_node
from archselect.selectors.search import Search
from archselect.selectors.selection import Decision, EdgeScore, Scale

RULED = tuple(
    name for name in SPACES if any(cell.kept for cell in get_space(name).cells)
)

salts = st.integers(0, 10_000)
many_levels = st.sampled_from([1, 3, 10**6])
betters = st.sampled_from(["higher", "lower"])


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
def nodes(draw, overfull):
    """A space, a cell type of it and a node that has more inputs than it may keep."""
    space = get_space(draw(st.sampled_from(RULED)))
    cell = draw(
        st.sampled_from([c for c, found in enumerate(overfull(space)) if found])
    )
    return space, cell, draw(st.sampled_from(sorted(overfull(space)[cell])))


class Spaced:
    """A task of which only the space is asked for; its mixtures are the decisions."""

    def __init__(self, space):
        self.space = space

    def mixture(self, decisions, alphas=None):
        return decisions


def pruned(
    space,
    better,
    decisions,
    cell,
    index,
    score,
    restored,
):
    """The search after a node is pruned."""
    search = Search(Spaced(space), Scale("s", better))
    search.decisions = decisions
    (node,) = (
        node
        for node in space.overfull_nodes(decisions)
        if (node.cell, node.index) == (cell, index)
    )
    prune_node(search, node, score, edges_restored=restored)
    return search


@settings(max_examples=40)
@given(
    data=st.data(),
    salt=salts,
    levels=many_levels,
    better=betters,
    restored=st.booleans(),
)
def test_thinning_is_the_protocols(
    overfull,
    retell_pruning,
    table,
    data,
    salt,
    levels,
    better,
    restored,
):
    """Every question asked, in order; every score noted; the edges dropped; and the decisions after."""
    space, cell, node = data.draw(nodes(overfull))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    asked = []

    def score(without):
        asked.append(without)
        return scores(without, "")

    edges, keep = overfull(space)[cell][node], space.cells[cell].kept[node]
    told_asked = []

    def tell(without):
        told_asked.append(without)
        return scores(without, "")

    told, wanted = retell_pruning(decisions, cell, edges, keep, tell, better, restored)
    search = pruned(space, better, decisions, cell, node, score, restored)
    assert search.decisions == wanted
    assert asked == told_asked
    selection = search.selection(Architecture(()))
    assert selection.decisions == tuple(
        Decision(0, 0, cell, edge, DROPPED) for _, edge in told
    )
    assert selection.edge_scores == tuple(
        EdgeScore(0, 0, cell, node, edge, value)
        for values, _ in told
        for edge, value in values.items()
    )


@settings(max_examples=40)
@given(
    data=st.data(),
    salt=salts,
    levels=many_levels,
    better=betters,
    restored=st.booleans(),
)
def test_as_many_inputs_are_left_as_the_node_keeps_and_nothing_else_is_touched(
    overfull,
    table,
    data,
    salt,
    levels,
    better,
    restored,
):
    space, cell, node = data.draw(nodes(overfull))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    after = pruned(
        space, better, decisions, cell, node, lambda d: scores(d, ""), restored
    ).decisions
    changed = {
        (c, e)
        for c, row in enumerate(after.choices)
        for e, choice in enumerate(row)
        if choice != decisions.choices[c][e]
    }
    edges = overfull(space)[cell][node]
    assert changed <= {(cell, e) for e in edges}
    assert {after.choices[c][e] for c, e in changed} == {DROPPED}
    assert len(edges) - len(changed) == space.cells[cell].kept[node]
    assert all(
        (left.cell, left.index) != (cell, node) for left in space.overfull_nodes(after)
    )


@settings(max_examples=40)
@given(data=st.data(), salt=salts, levels=many_levels, better=betters)
def test_restored_edges_make_the_dropped_ones_the_worst_of_all(
    overfull,
    table,
    data,
    salt,
    levels,
    better,
):
    """Then every edge is judged in one and the same supernet; on ties later edges go first."""
    space, cell, node = data.draw(nodes(overfull))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    after = pruned(
        space, better, decisions, cell, node, lambda d: scores(d, ""), restored=True
    ).decisions
    sign = 1 if better == "higher" else -1
    key = {
        e: (sign * scores(decisions.decide(cell, e, DROPPED), ""), -e)
        for e in overfull(space)[cell][node]
    }
    dropped = {e for e in key if after.choices[cell][e] == DROPPED}
    assert max(key[e] for e in dropped) < min(key[e] for e in key if e not in dropped)


def test_whether_dropped_edges_are_restored_makes_a_difference():
    """Two edges that do the same: without either nothing is lost, without both everything is."""
    space, node = get_space("s2"), 4
    twins = [5, 6]  # into node 4, which has edges 5 to 8

    def score(without):
        row = without.choices[0]
        if all(row[e] == DROPPED for e in twins):
            return 0.0
        return 90.0 - sum(row[e] == DROPPED for e in (7, 8))

    def kept(restored):
        decisions = Decisions(((0,) * 14,) * 2)
        after = pruned(space, "lower", decisions, 0, node, score, restored).decisions
        return [e for e in (5, 6, 7, 8) if after.choices[0][e] != DROPPED]

    assert kept(restored=True) == [7, 8]
    assert kept(restored=False) == [5, 7]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_score_that_is_nan_surfaces(better):
    space = get_space("s2")
    values = iter([1.0, float("nan"), 1.0])
    with pytest.raises(ValueError, match="not finite"):
        pruned(
            space,
            better,
            Decisions(((0,) * 14,) * 2),
            0,
            3,
            lambda d: next(values),
            True,
        )
