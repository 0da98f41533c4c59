"""What every space gets from its base class, on a toy space with two cell types and uneven edges."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Cell,
    Decisions,
    SearchSpace,
    Skeleton,
    skeleton_settings,
)
from archselect.nasbench_adapters.spaces import SPACES, get_space

DEFAULTS = {"channels": 16, "reduction": "residual"}


class Toy(SearchSpace):
    name = "toy"
    summary = "two cell types, 2 x 3 x 2 architectures"
    cells = (
        Cell("normal", 1, 3, ((0, 1), (1, 2)), (("a", "b"), ("a", "b", "c")), (2,)),
        Cell("reduction", 2, 3, ((0, 2),), (("c", "d"),), (2,)),
    )

    def parse(self, text):
        raise NotImplementedError

    def format(self, architecture):
        raise NotImplementedError

    def canonical(self, architecture):
        """Forgets the reduction cell."""
        return Architecture((architecture.choices[0], (0,)))

    def skeleton(self, **settings):
        return Skeleton(4, ())


TOY = Toy()


class Ruled(SearchSpace):
    """Nodes that keep two of three inputs, one of two, and more than they have; `none` and single operations."""

    name = "ruled"
    summary = "for tests"
    cells = (
        Cell("free", 1, 2, ((0, 1), (0, 1)), (("none", "a"), ("b",)), (1,)),
        Cell(
            "ruled",
            1,
            5,
            # Not sorted by target, as nothing says they are.
            ((0, 3), (0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4)),
            (
                ("a",),
                ("a", "none"),
                ("none", "a", "b"),
                ("a", "b"),
                ("c", "none", "d"),
                ("a", "b", "none"),
                ("a", "b"),
            ),
            (3, 4),
            kept=(None, None, 1, 2, 3),
        ),
    )

    parse = format = canonical = skeleton = Toy.parse


RULED = Ruled()


def by_brute_force(space):
    """Every assignment of operations, or of nothing, to all edges that the topology rule allows."""
    found = []
    sets = [
        [None, *range(len(names))] for cell in space.cells for names in cell.operations
    ]
    for flat in product(*sets):
        rows, start = [], 0
        for cell in space.cells:
            rows.append(flat[start : start + len(cell.edges)])
            start += len(cell.edges)
        if all(
            _allowed(cell, row) for cell, row in zip(space.cells, rows, strict=True)
        ):
            found.append(Architecture(tuple(rows)))
    return found


def _allowed(cell, row):
    for node in range(cell.inputs, cell.nodes):
        into = [e for e, (_, target) in enumerate(cell.edges) if target == node]
        keep = cell.kept[node] if cell.kept else None
        if sum(row[e] is not None for e in into) != (
            len(into) if keep is None else min(keep, len(into))
        ):
            return False
        if keep is not None and any(
            row[e] is not None and cell.operations[e][row[e]] == "none" for e in into
        ):
            return False
    return True


def test_enumerate_gives_every_architecture_once_and_in_order():
    wanted = [
        Architecture(((a, b), (c,)))
        for a, b, c in product(range(2), range(3), range(2))
    ]
    assert list(TOY.enumerate()) == wanted
    assert len(wanted) == TOY.size == 12


def test_sample_is_uniform_and_seeded():
    rng = np.random.default_rng(0)
    counts = Counter(TOY.sample(rng) for _ in range(6000))
    assert set(counts) == set(TOY.enumerate())
    # Each is drawn 500 times, give or take five standard deviations.
    assert all(
        abs(count - 500) < 5 * (6000 * 11 / 144) ** 0.5 for count in counts.values()
    )
    again = [TOY.sample(np.random.default_rng(3)) for _ in range(2)]
    assert again[0] == again[1]


def test_a_topology_rule_is_honoured_by_enumeration_and_size():
    listed = list(RULED.enumerate())
    assert len(set(listed)) == len(listed) == RULED.size
    assert set(listed) == set(by_brute_force(RULED))
    assert set(TOY.enumerate()) == set(by_brute_force(TOY))


def test_a_sample_takes_every_set_of_inputs_and_every_operation_alike():
    """Inputs are drawn first: each pair of node 3 is as likely, whatever it allows.

    Node 3: 1, 2 and 2 operations.
    """
    rng, draws = np.random.default_rng(0), 6000
    drawn = [RULED.sample(rng) for _ in range(draws)]
    assert set(drawn) == set(RULED.enumerate())

    def expect(counts, probability):
        assert all(
            abs(n - draws * probability) < 5 * (draws * probability) ** 0.5
            for n in counts.values()
        )

    sets = Counter(
        tuple(e for e in (0, 4, 5) if a.choices[1][e] is not None) for a in drawn
    )
    assert set(sets) == {(0, 4), (0, 5), (4, 5)}
    expect(sets, 1 / 3)
    choices = Counter(a.choices[1][4:6] for a in drawn if a.choices[1][0] is None)
    assert set(choices) == {(0, 0), (0, 1), (2, 0), (2, 1)}
    expect(choices, 1 / 12)


@given(st.data())
def test_open_choices_overfull_nodes_and_settle_are_what_is_left_to_decide(data):
    """Each against its definition, for decisions half made."""
    decisions = Decisions(
        tuple(
            tuple(
                data.draw(st.sampled_from([OPEN, DROPPED, *range(len(names))]))
                for names in cell.operations
            )
            for cell in RULED.cells
        )
    )
    places = [
        (c, e) for c, cell in enumerate(RULED.cells) for e in range(len(cell.edges))
    ]
    names = {(c, e): RULED.cells[c].operations[e] for c, e in places}
    undecided = [(c, e) for c, e in places if decisions.choices[c][e] == OPEN]
    for cell in range(2):
        wanted = [(c, e) for c, e in undecided if c == cell and len(names[c, e]) > 1]
        assert [
            (edge.cell, edge.index) for edge in RULED.open_choices(decisions, cell)
        ] == wanted
    assert [
        (edge.cell, edge.index) for edge in RULED.open_edges(decisions)
    ] == undecided
    settled = RULED.decide_forced_edges(decisions)
    for c, e in places:
        single = (c, e) in undecided and len(names[c, e]) == 1
        assert settled.choices[c][e] == (0 if single else decisions.choices[c][e])
    overfull = {}
    for node, keep in ((2, 1), (3, 2)):  # node 4 may keep more than it has
        left = [
            e for e, (_, target) in enumerate(RULED.cells[1].edges) if target == node
        ]
        left = [e for e in left if decisions.choices[1][e] != DROPPED]
        if len(left) > keep:
            overfull[1, node] = (keep, left)
    nodes = RULED.overfull_nodes(decisions)
    assert {
        (n.cell, n.index): (n.keeps, [edge.index for edge in n.inputs]) for n in nodes
    } == overfull


def test_a_cell_knows_its_nodes():
    free, ruled = RULED.cells
    assert [ruled.incoming(node) for node in range(5)] == [
        [],
        [1],
        [2, 3],
        [0, 4, 5],
        [6],
    ]
    assert [ruled.kept_inputs(node) for node in range(5)] == [None, None, 1, 2, 3]
    assert [free.kept_inputs(node) for node in range(2)] == [None, None]
    # `none` is a choice where every input is kept.
    assert [free.candidates(edge) for edge in (0, 1)] == [[0, 1], [0]]
    assert [ruled.candidates(edge) for edge in range(7)] == [
        [0],
        [0, 1],
        [1, 2],
        [0, 1],
        [0, 2],
        [0, 1],
        [0, 1],
    ]
    assert [ruled.width(node) for node in range(5)] == [1] * 5
    wide = Cell(
        "wide", 1, 3, ((0, 1), (1, 2)), (("a",), ("a",)), (2,), widths=(1, 1, 3)
    )
    assert [wide.width(node) for node in range(3)] == [1, 1, 3]


def test_classes_and_representatives_follow_canonical():
    assert TOY.classes == {a: TOY.canonical(a) for a in TOY.enumerate()}
    assert TOY.representatives == tuple(
        Architecture(((a, b), (0,))) for a in range(2) for b in range(3)
    )


def test_operations_by_index_and_name():
    assert TOY.operation(0, 1, 2) == "c"
    assert TOY.operation_index(1, 0, "d") == 1
    with pytest.raises(UserError, match="unknown operation of toy 'c': known: a, b"):
        TOY.operation_index(0, 0, "c")


def test_graph_has_the_kept_edges_of_every_cell_type():
    normal, reduction = TOY.graph(Architecture(((1, None), (0,))))
    assert normal == {
        "name": "normal",
        "inputs": 1,
        "nodes": 3,
        "output": [2],
        "edges": [[0, 1, "b"]],
    }
    assert reduction["edges"] == [[0, 2, "c"]]


@given(st.data())
def test_deciding_every_edge_once_in_any_order_gives_the_architecture(data):
    architecture = data.draw(st.sampled_from(list(TOY.enumerate())))
    decisions = TOY.undecided()
    edges = [(0, 0), (0, 1), (1, 0)]
    for done, (cell, edge) in enumerate(data.draw(st.permutations(edges))):
        before = decisions
        assert len(TOY.open_edges(before)) == 3 - done
        with pytest.raises(ValueError, match="still open"):
            before.architecture()
        decisions = before.decide(cell, edge, architecture.choices[cell][edge])
        assert before.choices[cell][edge] == OPEN
        assert set(TOY.open_edges(before)) - set(TOY.open_edges(decisions)) == {
            TOY.edges[cell][edge]
        }
    assert decisions.architecture() == architecture


def test_a_dropped_edge_carries_no_operation():
    decisions = Decisions(((1, OPEN), (0,))).decide(0, 1, DROPPED)
    assert decisions.architecture() == Architecture(((1, None), (0,)))


def test_skeleton_settings_update_defaults_and_leave_them_alone():
    assert skeleton_settings("toy", {"channels": 4}, DEFAULTS) == {
        "channels": 4,
        "reduction": "residual",
    }
    assert DEFAULTS == {"channels": 16, "reduction": "residual"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chanels": 4}, "did you mean 'channels'"),
        ({"channels": 0}, "whole number of at least 1, not 0"),
        ({"channels": -3}, "whole number of at least 1, not -3"),
        ({"channels": 4.0}, "whole number of at least 1, not 4.0"),
        ({"channels": True}, "whole number of at least 1, not True"),
        ({"channels": "4"}, "whole number of at least 1, not '4'"),
        ({"channels": None}, "whole number of at least 1, not None"),
        ({"reduction": 4}, "a text, not 4"),
    ],
)
def test_a_wrong_skeleton_setting_is_a_user_error(settings, message):
    with pytest.raises(UserError, match=message):
        skeleton_settings("toy", settings, DEFAULTS)


def test_spaces_are_found_by_name():
    assert all(get_space(name).name == name for name in SPACES)
    with pytest.raises(UserError, match="unknown space 'nb21': known: darts, "):
        get_space("nb21")
