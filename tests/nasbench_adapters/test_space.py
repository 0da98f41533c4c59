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


def test_enumerate_gives_every_architecture_once_and_in_order():
    wanted = [Architecture(((a, b), (c,))) for a, b, c in product(range(2), range(3), range(2))]
    assert list(TOY.enumerate()) == wanted
    assert len(wanted) == TOY.size == 12


def test_sample_is_uniform_and_seeded():
    rng = np.random.default_rng(0)
    counts = Counter(TOY.sample(rng) for _ in range(6000))
    assert set(counts) == set(TOY.enumerate())
    # Each is drawn 500 times, give or take five standard deviations.
    assert all(abs(count - 500) < 5 * (6000 * 11 / 144) ** 0.5 for count in counts.values())
    again = [TOY.sample(np.random.default_rng(3)) for _ in range(2)]
    assert again[0] == again[1]


def test_classes_and_representatives_follow_canonical():
    assert TOY.classes == {a: TOY.canonical(a) for a in TOY.enumerate()}
    assert TOY.representatives == tuple(Architecture(((a, b), (0,))) for a in range(2) for b in range(3))


def test_operations_by_index_and_name():
    assert TOY.operation(0, 1, 2) == "c"
    assert TOY.operation_index(1, 0, "d") == 1
    with pytest.raises(UserError, match="unknown operation of toy 'c': known: a, b"):
        TOY.operation_index(0, 0, "c")


def test_graph_has_the_kept_edges_of_every_cell_type():
    normal, reduction = TOY.graph(Architecture(((1, None), (0,))))
    assert normal == {"name": "normal", "inputs": 1, "nodes": 3, "output": [2], "edges": [[0, 1, "b"]]}
    assert reduction["edges"] == [[0, 2, "c"]]


@given(st.data())
def test_deciding_every_edge_once_in_any_order_gives_the_architecture(data):
    architecture = data.draw(st.sampled_from(list(TOY.enumerate())))
    decisions = TOY.undecided()
    edges = [(0, 0), (0, 1), (1, 0)]
    for done, (cell, edge) in enumerate(data.draw(st.permutations(edges))):
        before = decisions
        assert len(before.open_edges()) == 3 - done
        with pytest.raises(ValueError, match="still undecided"):
            before.architecture()
        decisions = before.decide(cell, edge, architecture.choices[cell][edge])
        assert before.choices[cell][edge] == OPEN
        assert (cell, edge) in before.open_edges()
        assert set(before.open_edges()) - set(decisions.open_edges()) == {(cell, edge)}
    assert decisions.architecture() == architecture


def test_a_dropped_edge_carries_no_operation():
    decisions = Decisions(((1, OPEN), (0,))).decide(0, 1, DROPPED)
    assert decisions.open_edges() == []
    assert decisions.architecture() == Architecture(((1, None), (0,)))


def test_skeleton_settings_update_defaults_and_leave_them_alone():
    assert skeleton_settings("toy", {"channels": 4}, DEFAULTS) == {"channels": 4, "reduction": "residual"}
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
    with pytest.raises(UserError, match="unknown space 'nb21': did you mean 'nb201'"):
        get_space("nb21")
