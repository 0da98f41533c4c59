"""The state of a selection: what is open, what is noted, what wins, and what is refused."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.darts import DartsSpace
from archselect.selectors.search import Search
from archselect.selectors.selection import (
    Closing,
    Decision,
    EdgeScore,
    OperationScore,
    Scale,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
not_finite = st.sampled_from([float("nan"), float("inf"), -float("inf")])
scales = st.sampled_from([Scale("s", "higher"), Scale("s", "lower")])
ONE = Architecture(((0,),))


@pytest.fixture
def search(table_task, table):
    """`search(operations, architectures)`: on the toy space."""

    def begin(*scales):
        return Search(table_task(table(0, 3)), *scales)

    return begin


def new_search(table_task, table, *scales):
    return Search(table_task(table(0, 3)), *scales)


@given(scale=scales, values=st.lists(finite, min_size=3, max_size=3))
def test_the_best_score_wins_and_ties_go_to_the_lower_index(
    table_task, table, scale, values
):
    search = new_search(table_task, table, scale)
    edge = search.space.edges[0][0]
    search.decide(edge, values)
    wanted = max(values) if scale.better == "higher" else min(values)
    best = next(k for k, value in enumerate(values) if value == wanted)
    assert search.decisions == search.space.undecided().decide(0, 0, best)
    selection = search.selection(ONE)
    assert selection.operation_scores == tuple(
        OperationScore(0, 0, 0, 0, k, value) for k, value in enumerate(values)
    )
    assert selection.decisions == (Decision(0, 0, 0, 0, best),)


@given(
    scale=scales,
    values=st.lists(finite, min_size=3, max_size=3),
    among=st.sets(st.integers(0, 2), min_size=1),
)
def test_the_best_is_taken_among_the_operations_named(
    table_task, table, scale, values, among
):
    search = new_search(table_task, table, scale)
    search.decide(search.space.edges[0][0], values, among=sorted(among))
    best = max if scale.better == "higher" else min
    chosen = search.decisions.choices[0][0]
    assert chosen in among
    assert values[chosen] == best(values[k] for k in among)


@given(scale=scales, place=st.integers(0, 2), value=not_finite)
def test_a_score_that_is_not_finite_surfaces(table_task, table, scale, place, value):
    """With its name, the candidate and the value; nothing of it is noted."""
    search = new_search(table_task, table, scale, scale)
    values = [0.0, 0.0, 0.0]
    values[place] = value
    wanted = (
        f"score 's' of operation {'abc'[place]} on edge 0→1 of cell type normal is not finite: {value}; scores "
        r"must be finite: .* search\.decide\(edge, values, among=\[…\]\)"
    )
    with pytest.raises(ValueError, match=wanted):
        search.decide(search.space.edges[0][0], values)
    with pytest.raises(
        ValueError,
        match=rf"score 's' of architecture \(\(0,\),\) is not finite: {value}$",
    ):
        search.score_architecture(ONE, value)
    assert search.decisions == search.space.undecided()
    selection = search.selection(ONE)
    assert (
        selection.operation_scores
        == selection.architecture_scores
        == selection.decisions
        == ()
    )


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "None"),
        ("0.5", "of type str"),
        ([0.5], "of type list"),
        ([0.5, 1.0], "of type list"),
        (torch.ones(2), "of type Tensor"),
    ],
)
def test_a_score_that_is_no_number_surfaces(search, value, what):
    """Nothing of it is noted."""
    begun = search(Scale("s", "higher"))
    edge = begun.space.edges[0][0]
    wanted = (
        f"score 's' of operation b on edge 0→1 of cell type normal is {what}, not a number; "
        "scores must be finite"
    )
    with pytest.raises(ValueError, match=wanted):
        begun.decide(edge, [0.0, value, 0.0], among=[0, 2])
    assert begun.decisions == begun.space.undecided()
    assert begun.selection(ONE).operation_scores == ()


def test_a_space_of_one_cell_type_does_not_name_it():
    space = get_space("nb201")
    assert [space.edge_in_words(edge) for edge in space.edges[0][:2]] == [
        "edge 0→1",
        "edge 0→2",
    ]


@given(scale=scales, values=st.lists(finite, min_size=3, max_size=3))
def test_the_worst_input_goes_and_ties_go_to_the_later(
    table_task, table, scale, values
):
    search = new_search(table_task, table, scale)
    node = search.space.overfull_nodes(search.decisions)[-1]
    scores = dict(zip(node.inputs, values, strict=True))
    search.drop(node, scores)
    worst = min(values) if scale.better == "higher" else max(values)
    gone = max(edge.index for edge, value in scores.items() if value == worst)
    selection = search.selection(ONE)
    assert selection.decisions == (Decision(0, 0, 1, gone, DROPPED),)
    assert selection.edge_scores == tuple(
        EdgeScore(0, 0, 1, 3, e.index, value) for e, value in scores.items()
    )
    assert [edge.index for edge in search.inputs(node)] == [
        e.index for e in node.inputs if e.index != gone
    ]


@given(scale=scales, value=not_finite)
def test_an_inputs_score_that_is_not_finite_surfaces(table_task, table, scale, value):
    search = new_search(table_task, table, scale)
    node = search.space.overfull_nodes(search.decisions)[0]
    with pytest.raises(
        ValueError,
        match="the supernet without edge 1→2 of cell type reduction is not finite",
    ):
        search.drop(node, dict(zip(node.inputs, [1.0, value], strict=True)))
    assert search.selection(ONE).edge_scores == ()


def test_what_makes_no_sense_is_refused(search):
    plain, scaled = search(), search(Scale("s", "higher"))
    edge, other = scaled.space.edges[0][:2]
    node = scaled.space.overfull_nodes(scaled.decisions)[0]
    for call in (
        lambda: plain.score(edge, [1, 2, 3]),
        lambda: plain.drop(node, dict.fromkeys(node.inputs, 1.0)),
    ):
        with pytest.raises(ValueError, match=r"scores need a name: task\.search"):
            call()
    with pytest.raises(
        ValueError, match=r"scores of architectures need a scale: task\.search"
    ):
        plain.score_architecture(ONE, 1.0)
    with pytest.raises(ValueError, match="no architecture was scored"):
        search(None, Scale("s", "higher")).best_architecture()
    with pytest.raises(
        ValueError,
        match="2 scores for the 3 operations of edge 0→1 of cell type normal",
    ):
        scaled.score(edge, [1, 2])
    with pytest.raises(ValueError, match="1 scores for the 2 inputs of node 2"):
        scaled.drop(node, {node.inputs[0]: 1.0})
    with pytest.raises(ValueError, match="no operation 3: it has 3"):
        scaled.decide(edge, operation=3)
    with pytest.raises(ValueError, match="no operation 3: it has 3"):
        scaled.decide(edge, [1, 2, 3], among=[0, 3])
    with pytest.raises(ValueError, match="among is empty: name the operations"):
        scaled.decide(edge, [1, 2, 3], among=[])
    with pytest.raises(ValueError, match="not for both"):
        scaled.decide(edge, [1, 2, 3], operation=1)
    with pytest.raises(ValueError, match="no scores to decide it by"):
        scaled.decide(edge)
    with (
        pytest.raises(ValueError, match="a step within a step"),
        scaled.step(),
        scaled.step(),
    ):
        pass
    scaled.decide(edge, operation=0)
    for again in (
        lambda: scaled.decide(edge, operation=1),
        lambda: scaled.score(edge, [1, 2, 3]),
    ):
        with pytest.raises(
            ValueError,
            match="edge 0→1 of cell type normal is already decided: take one of",
        ):
            again()
    with pytest.raises(ValueError, match="still open"):
        scaled.selection()
    assert other in scaled.open_edges()


def test_open_edges_are_those_that_are_open_when_their_turn_comes(search):
    begun = search()
    seen = []
    for edge in begun.open_edges():
        seen.append(edge)
        for late in list(begun.open_edges(1))[-1:]:
            begun.decide(late, operation=0)
        if edge in begun.open_edges():
            begun.decide(edge, operation=0)
    assert seen == [*begun.space.edges[0], *begun.space.edges[1][:2]]
    assert list(begun.open_edges()) == []


def test_a_round_has_an_edge_of_every_cell_type_until_nothing_is_left_to_choose(search):
    begun = search()
    sizes = []
    for parts in begun.rounds():
        sizes.append([len(edges) for edges in parts])
        assert not begun.is_finished
        for edges in parts:
            assert len({edge.cell for edge in edges}) == 1
            begun.decide(edges[0], operation=0)
    # Of nine edges two have one operation, and leave no choice.
    assert sizes == [[2, 5], [1, 4], [3], [2], [1]]
    assert [edge.operations for edge in begun.open_edges()] == [("a",), ("d",)]
    assert not begun.is_finished
    kept = [
        [[(node.index, node.keeps) for node in nodes] for nodes in parts]
        for parts in _drop_last(begun)
    ]
    assert kept == [[[(2, 1), (3, 1)]], [[(3, 1)]], [[(3, 1)]]]
    assert begun.is_finished
    assert OPEN not in begun.decisions.choices[0]


def _drop_last(search):
    for parts in search.node_rounds():
        yield parts
        search.drop_edge(search.inputs(parts[0][0])[-1])


def test_rounds_that_decide_nothing_do_not_go_on_for_ever(search):
    begun = search()
    with pytest.raises(ValueError, match="a round decides no edge"):
        list(begun.rounds())
    with pytest.raises(ValueError, match="a round drops no edge"):
        list(begun.node_rounds())


def test_scores_of_one_step_and_steps_of_one_round(search):
    begun = search(Scale("s", "higher"))
    first, second, third = begun.space.edges[0]
    with begun.step():
        begun.score(first, [1, 2, 3])
        begun.score(second, [1, 2])
    begun.decide(first)
    begun.decide(second, [2, 1])
    begun.start_over()
    begun.decide(third, [1])
    begun.decide(first, operation=1)
    selection = begun.selection(ONE)
    assert [(s.round, s.step, s.edge) for s in selection.operation_scores] == [
        *[(0, 0, 0)] * 3,
        *[(0, 0, 1)] * 2,
        *[(0, 1, 1)] * 2,
        (1, 0, 2),
    ]
    assert selection.decisions == (
        Decision(0, 0, 0, 0, 2),
        Decision(0, 1, 0, 1, 0),
        Decision(1, 0, 0, 2, 0),
        Decision(1, 0, 0, 0, 1),
    )
    with pytest.raises(ValueError, match="no scores to decide it by"):
        begun.decide(second)  # the scores of a round before do not count


@given(scale=scales, data=st.data())
def test_a_node_keeps_its_strongest_inputs(table_task, table, scale, data):
    """The earlier ones of equals; the others are dropped from the strongest on."""
    search = new_search(table_task, table, scale)
    few = st.integers(-2, 2)
    best = max if scale.better == "higher" else min
    sign = 1 if scale.better == "higher" else -1
    strength = {}
    for edge in search.open_edges():
        values = [data.draw(few) for _ in edge.operations]
        search.decide(edge, values, among=edge.candidates)
        strength[edge] = sign * best(values[k] for k in edge.candidates)
    architecture = search.architecture()
    for target in (2, 3):
        inputs = [edge for edge in search.space.edges[1] if edge.target == target]
        kept = [
            edge for edge in inputs if architecture.choices[1][edge.index] is not None
        ]
        assert kept == [max(inputs, key=strength.__getitem__)]
    dropped = [
        decision
        for decision in search.selection().decisions
        if decision.choice == DROPPED
    ]
    assert len(dropped) == 3


def test_without_scores_a_node_keeps_its_first_inputs_and_with_some_it_is_an_error(
    search,
):
    begun = search(Scale("s", "higher"))
    for edge in begun.open_edges():
        begun.decide(edge, operation=edge.candidates[0])
    assert begun.architecture().choices[1] == (0, 1, None, 0, None, None)
    begun.start_over()
    for edge in begun.open_edges():
        values = [0.0] * len(edge.operations)
        begun.decide(
            edge,
            values if edge.index == 1 else None,
            operation=None if edge.index == 1 else 0,
        )
    with pytest.raises(
        ValueError,
        match="node 2 keeps its strongest inputs, but edge 1→2 of cell type reduction has no score",
    ):
        begun.architecture()


@given(scale=scales, values=st.lists(finite, min_size=1, max_size=6))
def test_the_best_architecture_wins_and_ties_go_to_the_first_noted(
    table_task, table, scale, values
):
    search = new_search(table_task, table, None, scale)
    for k, value in enumerate(values):
        search.score_architecture(Architecture(((k,),)), value)
    wanted = max(values) if scale.better == "higher" else min(values)
    first = next(k for k, value in enumerate(values) if value == wanted)
    assert search.best_architecture() == Architecture(((first,),))


def test_a_selection_keeps_what_was_noted_until_then(search):
    begun = search(Scale("s", "higher"), Scale("t", "lower"))
    first, second, _ = begun.space.edges[0]
    begun.decide(first, [1, 2, 0])
    selection = begun.selection(ONE)
    begun.decide(second, [3, 4])
    assert len(selection.operation_scores) == 3
    assert selection.decisions == (Decision(0, 0, 0, 0, 1),)
    assert (selection.operation_scale.name, selection.architecture_scale.name) == (
        "s",
        "t",
    )


def test_mixtures_have_each_operation_alone_or_left_out(search):
    begun = search()
    begun.alphas = "other alphas"
    edge = begun.space.edges[0][0]
    for choice, mixture in enumerate(begun.only(edge)):
        assert (mixture.decisions, mixture.alphas) == (
            begun.decisions.decide(0, 0, choice),
            "other alphas",
        )
    for choice, mixture in enumerate(begun.without(edge, renormalise=True)):
        assert (mixture.masked, mixture.renormalise, mixture.alphas) == (
            (0, 0, choice),
            True,
            "other alphas",
        )
    begun.decide(edge, operation=1)
    assert begun.mixture.decisions == begun.decisions


class Together(DartsSpace):
    """Both cell types of DARTS as one part."""

    @property
    def parts(self):
        return ((0, 1),)


def test_a_round_has_one_list_per_part_of_the_space():
    space = get_space("darts")
    assert space.parts == ((0,), (1,))
    apart = Search(SimpleNamespace(space=space))
    together = Search(SimpleNamespace(space=Together()))
    assert [len(edges) for edges in apart.open_parts()] == [14, 14]
    (edges,) = together.open_parts()
    assert edges == [edge for part in apart.open_parts() for edge in part]
    left = []
    for (part,) in together.rounds():
        left.append(len(part))
        together.decide(part[0], operation=0)
    assert left == list(range(28, 0, -1)) and together.open_parts() == []
    (nodes,) = next(together.node_rounds())
    assert {node.cell for node in nodes} == {0, 1}


# --- closing


def test_closed_operations_are_in_no_mixture_and_no_score(table_task, table):
    search = new_search(table_task, table, Scale("s", "higher"))
    edge = search.space.edges[1][3]
    assert edge.operations == tuple("abcd")
    search.close(edge, 1)
    assert search.live(edge) == (0, 2, 3)
    kept = [own.decisions.choices[1][3] for own in search.only(edge)]
    assert kept == [0, 2, 3]
    assert [own.masked for own in search.without(edge)] == [
        (1, 3, choice) for choice in (0, 2, 3)
    ]
    with pytest.raises(ValueError, match="4 scores for the 3 operations"):
        search.score(edge, [1.0] * 4)
    search.decide(edge, [1.0, 3.0, 2.0])
    assert search.decisions.choices[1][3] == 2
    selection = search.selection(ONE)
    assert [own.choice for own in selection.operation_scores] == [0, 2, 3]
    assert selection.closings == (Closing(0, 0, 1, 3, 1),)


def test_a_closed_operation_is_not_decided_for(table_task, table):
    search = new_search(table_task, table, Scale("s", "higher"))
    edge = search.space.edges[1][3]
    search.close(edge, 3)
    for call in ({"operation": 3}, {"values": [0.0, 1.0, 2.0], "among": [3]}):
        with pytest.raises(ValueError, match=r"operations \[3\] of .* are closed"):
            search.decide(edge, **call)
    search.decide(edge, [0.0, 1.0, 2.0], among=[3, 0, 1])
    assert search.decisions.choices[1][3] == 1


def test_scores_from_before_a_closing_decide_among_what_is_left(table_task, table):
    search = new_search(table_task, table, Scale("s", "higher"))
    edge = search.space.edges[1][3]
    search.score(edge, [0.0, 1.0, 2.0, 3.0])
    search.close(edge, 3)
    search.decide(edge)
    assert search.decisions.choices[1][3] == 2


def test_the_last_but_one_closing_is_a_decision(table_task, table):
    search = new_search(table_task, table)
    edge = search.space.edges[0][0]
    search.close(edge, 2)
    assert search.selection(ONE).decisions == ()
    search.close(edge, 0)
    selection = search.selection(ONE)
    assert selection.decisions == (Decision(0, 0, 0, 0, 1),)
    assert [own.choice for own in selection.closings] == [2, 0]
    with pytest.raises(ValueError, match="is not open"):
        search.close(edge, 1)


def test_starting_over_opens_what_was_closed(table_task, table):
    search = new_search(table_task, table)
    edge = search.space.edges[0][0]
    search.close(edge, 2)
    search.start_over()
    assert search.live(edge) == (0, 1, 2)
    search.close(edge, 1)
    assert [own.round for own in search.selection(ONE).closings] == [0, 1]


def test_a_round_that_only_closes_is_a_round(table_task, table):
    search = new_search(table_task, table)
    rounds = 0
    for parts in search.rounds():
        rounds += 1
        for edge in parts[0]:
            candidates = [own for own in search.live(edge) if own in edge.candidates]
            none = [own for own in search.live(edge) if own not in candidates]
            search.close(edge, (none or candidates)[-1])
    assert rounds > 1
    assert not search.open_parts()
