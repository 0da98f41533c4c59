"""DARTS-PT against its protocol, step by step, on scores from a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.nasbench_adapters.space import DROPPED, OPEN, Cell
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.selection import Decision, EdgeScore, OperationScore


def retell(task, space, open_choices, overfull, retell_pruning, setting, taken):
    """The run by the protocol, told by hand: what it asks, notes, decides and tunes.

    `taken` are the selector's own decisions, of which only the order of edges and nodes
    is taken over: it is random.
    """
    open_edges, full, order = open_choices(space), overfull(space), iter(taken)
    better = "lower" if setting.score == "accuracy" else "higher"
    decisions, step = space.undecided(), 0
    told = {
        "evaluations": [],
        "tunings": [],
        "scores": [],
        "edges": [],
        "decisions": [],
    }

    def ask(mixture):
        told["evaluations"].append((mixture, setting.norm, setting.augment))
        return task.table(mixture, setting.score)

    def tune():
        if any(open_edges) or any(full):
            told["tunings"].append(
                (decisions, setting.tune_epochs, setting.tune_learning_rate)
            )

    while any(open_edges):  # a round: one edge of every cell type that has one left
        for cell, edges in enumerate(open_edges):
            if edges:
                edge = next(order).edge
                edges.remove(edge)
                mixture = task.mixture(decisions)
                values = [
                    ask(mixture.without(cell, edge, k, renormalise=setting.renormalise))
                    for k in range(len(space.cells[cell].operations[edge]))
                ]
                # The removal that hurts most: the lowest accuracy, the highest loss;
                # ties to the lower index.
                choice = values.index(
                    min(values) if setting.score == "accuracy" else max(values)
                )
                told["scores"] += [
                    OperationScore(0, step, cell, edge, k, value)
                    for k, value in enumerate(values)
                ]
                told["decisions"].append(Decision(0, step, cell, edge, choice))
                decisions = decisions.decide(cell, edge, choice)
                step += 1
        tune()
    for cell, row in enumerate(decisions.choices):
        for edge, choice in enumerate(row):
            if choice == OPEN:  # it allows one operation
                decisions = decisions.decide(cell, edge, 0)
    while any(full):  # a round: one node of every cell type that has one left
        for cell, found in enumerate(full):
            if found:
                first = next(order)
                node = space.cells[cell].edges[first.edge][1]
                keep = space.cells[cell].kept[node]
                passes, decisions = retell_pruning(
                    decisions,
                    cell,
                    found.pop(node),
                    keep,
                    lambda without: ask(task.mixture(without)),
                    better,
                    setting.edges_restored,
                )
                for scores, dropped in passes:
                    told["edges"] += [
                        EdgeScore(0, step, cell, node, e, value)
                        for e, value in scores.items()
                    ]
                    told["decisions"].append(Decision(0, step, cell, dropped, DROPPED))
                for _ in passes[1:]:
                    next(order)
                step += 1
        tune()
    return told, decisions


@given(
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([1, 3, 10**6]),
    name=st.sampled_from(["toy", "toy", "nb201", "s1", "s3"]),
    score=st.sampled_from(["accuracy", "loss"]),
    norm=st.sampled_from(["running", "batch"]),
    augment=st.booleans(),
    renormalise=st.booleans(),
    restored=st.booleans(),
    epochs=st.integers(0, 7),
    rate=st.floats(1e-6, 1),
)
def test_every_step_is_the_protocols(
    toy,
    table_task,
    table,
    open_choices,
    overfull,
    retell_pruning,
    retell_filling,
    seed,
    levels,
    name,
    score,
    norm,
    augment,
    renormalise,
    restored,
    epochs,
    rate,
):
    """Replays the run: given the edges' and nodes' order, every call, score, decision and tuning is foretold."""
    space = toy if name == "toy" else get_space(name)
    task = table_task(table(seed, levels), seed, space)
    setting = DartsPT(
        score=score,
        norm=norm,
        augment=augment,
        renormalise=renormalise,
        edges_restored=restored,
        tune_epochs=epochs,
        tune_learning_rate=rate,
    )
    selection = setting.select(task)
    told, decisions = retell(
        task,
        space,
        open_choices,
        overfull,
        retell_pruning,
        setting,
        selection.decisions,
    )
    assert task.evaluations == told["evaluations"]
    assert task.tunings == told["tunings"]
    assert list(selection.operation_scores) == told["scores"]
    assert list(selection.edge_scores) == told["edges"]
    assert list(selection.decisions) == told["decisions"]
    assert selection.architecture == retell_filling(space, decisions)
    assert selection.architecture_scores == ()


@pytest.mark.parametrize(
    ("name", "rounds"), [("nb201", 6), ("darts", 14 + 3), ("s3", 14 + 3)]
)
def test_the_rounds_are_the_released_codes(table_task, table, name, rounds):
    """DARTS: 14 rounds decide an edge of each cell, 3 prune a node of each; tuning between any two rounds."""
    task = table_task(table(0, 10**6), space=get_space(name))
    selection = DartsPT().select(task)
    assert len(task.tunings) == rounds - 1
    cells = [decision.cell for decision in selection.decisions]
    types = len(task.space.cells)
    if types == 2:
        assert cells[:28] == [0, 1] * 14
        # Nodes 3, 4 and 5 lose one, two and three of their edges.
        assert sorted(cells[28:]) == [0] * 6 + [1] * 6
        steps = [
            (decision.step, decision.cell) for decision in selection.decisions[28:]
        ]
        assert sorted(set(steps)) == list(zip(range(28, 34), [0, 1] * 3, strict=True))


def test_an_edge_of_one_operation_is_no_reason_to_tune(table_task, table):
    """Where it alone is left, all is decided."""

    class Plain(type(table_task(None).space)):
        cells = (Cell("cell", 1, 2, ((0, 1), (0, 1)), (("a", "b"), ("c",)), (1,)),)

    task = table_task(table(0, 10**6), space=Plain())
    selection = DartsPT().select(task)
    assert task.tunings == []
    assert [d.edge for d in selection.decisions] == [0]
    assert selection.architecture.choices[0][1] == 0


def test_the_direction_is_declared(table_task, table):
    for score, better in (("accuracy", "lower"), ("loss", "higher")):
        scale = DartsPT(score=score).select(table_task(table(0, 3))).operation_scale
        assert (scale.name, scale.better) == (f"{score} without it", better)


def test_the_order_of_edges_and_nodes_is_random_and_seeded(
    toy, open_choices, table_task, table
):
    def order(seed):
        return [
            (d.cell, d.edge)
            for d in DartsPT().select(table_task(table(0, 3), seed)).decisions
        ]

    orders = [order(seed) for seed in range(200)]
    assert order(7) == orders[7]
    for cell, edges in enumerate(open_choices(toy)):
        for turn in range(len(edges)):
            assert {
                [e for c, e in taken[:7] if c == cell][turn] for taken in orders
            } == set(edges)
    assert {toy.cells[1].edges[taken[7][1]][1] for taken in orders} == {2, 3}


def test_the_defaults_are_the_released_codes():
    assert DartsPT().model_dump() == {
        "score": "accuracy",
        "norm": "batch",
        "augment": True,
        "renormalise": False,
        "inputs": "perturbation",
        "edges_restored": True,
        "tune_epochs": 5,
        "tune_learning_rate": 0.0025,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"score": "f1"},
        {"norm": "train"},
        {"tune_epochs": -1},
        {"tune_learning_rate": 0},
        {"tune": 5},
    ],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValidationError):
        DartsPT(**settings)


def test_a_score_that_is_nan_surfaces(table_task):
    with pytest.raises(ValueError, match="not finite"):
        DartsPT().select(table_task(lambda mixture, purpose: float("nan")))
