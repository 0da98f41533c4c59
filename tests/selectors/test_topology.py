"""Which inputs a node keeps, against the protocol told by hand and the rule of the released `genotype()`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.space import DROPPED, OPEN, Decisions
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.base import Decision, EdgeScore, Log, Scale
from archselect.selectors.topology import complete, thin

RULED = tuple(name for name in SPACES if any(cell.kept for cell in get_space(name).cells))

salts = st.integers(0, 10_000)
many_levels = st.sampled_from([1, 3, 10**6])
betters = st.sampled_from(["higher", "lower"])


@st.composite
def decided(draw, space, dropped=False):
    """Decisions on every edge of a space, some of them dropped if asked."""
    return Decisions(
        tuple(
            tuple(
                draw(st.sampled_from([*range(len(names)), *[DROPPED] * (dropped and draw(st.booleans()))]))
                for names in cell.operations
            )
            for cell in space.cells
        )
    )


@st.composite
def nodes(draw, crowded):
    """A space, a cell type of it and a node that has more inputs than it may keep."""
    space = get_space(draw(st.sampled_from(RULED)))
    cell = draw(st.sampled_from([c for c, found in enumerate(crowded(space)) if found]))
    return space, cell, draw(st.sampled_from(sorted(crowded(space)[cell])))


def thinned(space, log, decisions, cell, node, score, restored):
    return thin(space, log, decisions, cell, node, score, round=3, step=7, edges_restored=restored)


@settings(max_examples=40)
@given(data=st.data(), salt=salts, levels=many_levels, better=betters, restored=st.booleans())
def test_thinning_is_the_protocols(crowded, retell_thinning, table, data, salt, levels, better, restored):
    """Every question asked, in order; every score noted; the edges dropped; and the decisions after."""
    space, cell, node = data.draw(nodes(crowded))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    log, asked = Log(Scale("s", better)), []

    def score(without):
        asked.append(without)
        return scores(without, "")

    edges, keep = crowded(space)[cell][node], space.cells[cell].kept[node]
    told_asked = []

    def tell(without):
        told_asked.append(without)
        return scores(without, "")

    told, wanted = retell_thinning(decisions, cell, edges, keep, tell, better, restored)
    assert thinned(space, log, decisions, cell, node, score, restored) == wanted
    assert asked == told_asked
    selection = log.selection(None)
    assert selection.decisions == tuple(Decision(3, 7, cell, edge, DROPPED) for _, edge in told)
    assert selection.edge_scores == tuple(
        EdgeScore(3, 7, cell, node, edge, value) for values, _ in told for edge, value in values.items()
    )


@settings(max_examples=40)
@given(data=st.data(), salt=salts, levels=many_levels, better=betters, restored=st.booleans())
def test_as_many_inputs_are_left_as_the_node_keeps_and_nothing_else_is_touched(
    crowded, table, data, salt, levels, better, restored
):
    space, cell, node = data.draw(nodes(crowded))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    after = thinned(space, Log(Scale("s", better)), decisions, cell, node, lambda d: scores(d, ""), restored)
    changed = {
        (c, e)
        for c, row in enumerate(after.choices)
        for e, choice in enumerate(row)
        if choice != decisions.choices[c][e]
    }
    edges = crowded(space)[cell][node]
    assert changed <= {(cell, e) for e in edges}
    assert {after.choices[c][e] for c, e in changed} == {DROPPED}
    assert len(edges) - len(changed) == space.cells[cell].kept[node]
    assert (cell, node) not in space.crowded(after)


@settings(max_examples=40)
@given(data=st.data(), salt=salts, levels=many_levels, better=betters)
def test_restored_edges_make_the_dropped_ones_the_worst_of_all(crowded, table, data, salt, levels, better):
    """Then every edge is judged in one and the same supernet; on ties later edges go first."""
    space, cell, node = data.draw(nodes(crowded))
    decisions, scores = data.draw(decided(space)), table(salt, levels)
    after = thinned(space, Log(Scale("s", better)), decisions, cell, node, lambda d: scores(d, ""), restored=True)
    sign = 1 if better == "higher" else -1
    key = {e: (sign * scores(decisions.decide(cell, e, DROPPED), ""), -e) for e in crowded(space)[cell][node]}
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
        after = thinned(space, Log(Scale("accuracy", "lower")), decisions, 0, node, score, restored)
        return [e for e in (5, 6, 7, 8) if after.choices[0][e] != DROPPED]

    assert kept(restored=True) == [7, 8]
    assert kept(restored=False) == [5, 7]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_score_that_is_nan_surfaces(better):
    space = get_space("s2")
    values = iter([1.0, float("nan"), 1.0])
    with pytest.raises(ValueError, match="not finite"):
        thinned(space, Log(Scale("s", better)), Decisions(((0,) * 14,) * 2), 0, 3, lambda d: next(values), True)


# --- none in a supernet, but in no architecture


@st.composite
def thin_s3(draw, crowded):
    """Decisions on S3 as thinning leaves them: `none` anywhere, surplus edges dropped."""
    space = get_space("s3")
    decisions = draw(decided(space))
    for cell, found in enumerate(crowded(space)):
        for edges in found.values():
            for edge in draw(st.permutations(edges))[2:]:
                decisions = decisions.decide(cell, edge, DROPPED)
    return decisions


@settings(max_examples=40)
@given(data=st.data())
def test_completing_is_the_released_genotypes_rule(crowded, retell_filling, data):
    space = get_space("s3")
    decisions = data.draw(thin_s3(crowded))
    architecture = complete(space, decisions).architecture()
    assert architecture == retell_filling(space, decisions)
    # It is an architecture of the space, and keeps every live choice.
    assert space.parse(space.format(architecture)) == architecture
    for before, after in zip(decisions.choices, architecture.choices, strict=True):
        assert all(b in (DROPPED, 0) or a == b for a, b in zip(after, before, strict=True))


@settings(max_examples=40)
@given(data=st.data(), name=st.sampled_from([name for name in SPACES if name != "s3"]))
def test_without_none_nothing_is_left_to_complete(crowded, data, name):
    """`none` stays where all edges are kept: there it is a choice."""
    space = get_space(name)
    decisions = data.draw(decided(space))
    for c, (cell, found) in enumerate(zip(space.cells, crowded(space), strict=True)):
        for node, edges in found.items():
            for edge in edges[cell.kept[node] :]:
                decisions = decisions.decide(c, edge, DROPPED)
        if cell.kept:
            for edge, names in enumerate(cell.operations):
                if "none" in names and decisions.choices[c][edge] == names.index("none"):
                    decisions = decisions.decide(c, edge, names.index("none") + 1)
    assert complete(space, decisions) == decisions


def test_a_node_left_with_none_alone_is_filled_from_its_lowest_edge_on():
    """Also with an edge that was dropped before: it weighs as little as `none` does."""
    space = get_space("s3")
    none, skip, conv = range(3)
    # Node 4 has edges 5 to 8.
    row = [conv] * 5 + [DROPPED, DROPPED, none, none] + [conv, conv, DROPPED, DROPPED, DROPPED]
    row[2] = DROPPED
    done = complete(space, Decisions((tuple(row), tuple(row))))
    assert done.choices[0][5:9] == (skip, skip, DROPPED, DROPPED)
    row[8] = conv
    assert complete(space, Decisions((tuple(row),) * 2)).choices[0][5:9] == (skip, DROPPED, DROPPED, conv)
    with pytest.raises(ValueError, match="undecided"):
        complete(space, Decisions((tuple(row), (OPEN, *row[1:])))).architecture()
