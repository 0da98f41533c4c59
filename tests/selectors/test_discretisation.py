"""Discretisation policies against the same rules told by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.space import NONE
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Evaluation, Task
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.discretisation import joint_weights, limit_skips
from archselect.selectors.magnitude import Magnitude

KEEPING = ("darts", "darts-none", "s1", "s3", "single-cell")
spaces = st.sampled_from(KEEPING).map(get_space)
seeds = st.integers(0, 10_000)


class AlphaTask:
    """A task that has alphas, and scores every mixture by a hash of it."""

    search = Task.search
    pick = Task.pick
    activation = Task.activation

    def __init__(self, space, seed, rounded=False):
        generator = torch.Generator().manual_seed(seed)
        alphas = []
        for cell in space.cells:
            columns = max(map(len, cell.operations))
            alpha = torch.randn(len(cell.edges), columns, generator=generator)
            alphas.append(alpha.round() if rounded else alpha)
        self.space, self.alphas = space, tuple(alphas)
        self.rng = np.random.default_rng(seed)
        self.evaluations = 0

    def mixture(self, decisions, alphas=None):
        return mixture_of(self.space, self.alphas, decisions)

    def evaluate(self, mixture, **_options):
        self.evaluations += 1
        total = sum(float((w * (w + 1).log()).sum()) for w in mixture.weights)
        return Evaluation(accuracy=math.sin(1e4 * total) * 50 + 50, loss=total)

    def tune(self, *_arguments):
        pass


def probabilities(space, task):
    """The softmax of every edge, by cell type and edge, in plain numbers."""
    return [
        [
            alpha[edge, : len(names)].double().softmax(0).tolist()
            for edge, names in enumerate(cell.operations)
        ]
        for cell, alpha in zip(space.cells, task.alphas, strict=True)
    ]


def strongest(cell, weights, banned=()):
    """By hand: each edge's best allowed operation, and of each node the edges with the best ones."""
    row = [None] * len(cell.edges)
    for node in range(cell.inputs, cell.nodes):
        found = []
        for edge, (_, target) in enumerate(cell.edges):
            if target != node:
                continue
            allowed = [
                choice
                for choice, name in enumerate(cell.operations[edge])
                if name != NONE and (edge, choice) not in banned
            ]
            best = max(allowed, key=lambda choice: weights[edge][choice])
            found.append((-weights[edge][best], edge, best))
        for _, edge, best in sorted(found)[: cell.kept[node]]:
            row[edge] = best
    return row


@settings(max_examples=30, deadline=None)
@given(spaces, seeds, st.booleans())
def test_joint_inputs_are_the_strongest_by_one_softmax_of_the_node(
    space, seed, rounded
):
    task = AlphaTask(space, seed, rounded)
    selected = Magnitude(inputs="joint").select(task).architecture
    for cell, alpha, row in zip(
        space.cells, task.alphas, selected.choices, strict=True
    ):
        # A softmax keeps the order, so the alphas themselves say what is strongest.
        assert list(row) == strongest(cell, alpha.tolist())


@settings(max_examples=20, deadline=None)
@given(spaces, seeds)
def test_joint_weights_of_a_node_sum_to_one(space, seed):
    task = AlphaTask(space, seed)
    weights = joint_weights(space, task.alphas)
    for cell, edges in zip(space.cells, space.edges, strict=True):
        for node in range(cell.inputs, cell.nodes):
            into = [edge for edge in edges if edge.target == node]
            every = [value for edge in into for value in weights[edge]]
            assert sum(every) == pytest.approx(1)
            alphas = [
                float(task.alphas[edge.cell][edge.index, choice])
                for edge in into
                for choice in edge.choices
            ]
            total = sum(map(math.exp, alphas))
            assert every == pytest.approx([math.exp(a) / total for a in alphas])


def test_joint_inputs_differ_from_the_strongest():
    """An edge with a large alpha among other large ones wins, though its softmax is flat."""
    space = get_space("s2")
    task = AlphaTask(space, 0)
    for alpha in task.alphas:
        alpha[:] = torch.tensor([0.0, 3.0])
        alpha[-1] = torch.tensor([5.0, 5.1])
    joint = Magnitude(inputs="joint").select(task).architecture
    plain = Magnitude().select(task).architecture
    assert joint.choices[0][-1] == 1
    assert plain.choices[0][-1] is None


def by_hand(cell, weights, most):
    """P-DARTS' loop: strike the weakest of the skips that are kept until few enough are."""
    banned = set()
    while True:
        row = strongest(cell, weights, banned)
        skips = [
            (weights[edge][choice], edge, choice)
            for edge, choice in enumerate(row)
            if choice is not None and cell.operations[edge][choice] == "skip_connect"
        ]
        if len(skips) <= most:
            return row
        _, edge, choice = min(skips)
        banned.add((edge, choice))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["darts", "darts-none", "s2", "s3"]).map(get_space),
    seeds,
    st.integers(0, 4),
)
def test_a_limit_of_skips_is_kept_as_p_darts_keeps_it(space, seed, most):
    task = AlphaTask(space, seed)
    for cell, alpha in zip(space.cells, task.alphas, strict=True):
        skip = cell.operations[0].index("skip_connect")
        alpha[:, skip] += 1.5
    weights = probabilities(space, task)
    selected = Magnitude(most_skips=most).select(task).architecture
    normal, reduction = space.cells
    assert list(selected.choices[0]) == by_hand(normal, weights[0], most)
    assert list(selected.choices[1]) == strongest(reduction, weights[1])


def test_an_edge_that_has_nothing_else_keeps_its_skip():
    space = get_space("minimal:0-2=skip_connect")
    task = AlphaTask(space, 0)
    selected = Magnitude(most_skips=0).select(task).architecture
    names = [
        edge[2] for edge in space.graph(selected)[0]["edges"] if edge[:2] == [0, 2]
    ]
    assert names == ["skip_connect"]


def test_without_a_limit_every_operation_stays_a_candidate():
    space = get_space("darts-none")
    weights = {edge: [0.0] * 8 for edges in space.edges for edge in edges}
    for edge, allowed in limit_skips(space, weights, "all").items():
        assert tuple(allowed) == edge.candidates


def test_random_inputs_have_the_operations_of_the_strongest_rule():
    space = get_space("darts")
    kept = set()
    for seed in range(6):
        task = AlphaTask(space, 3)
        task.rng = np.random.default_rng(seed)
        architecture = Magnitude(inputs="random").select(task).architecture
        assert space.parse(space.format(architecture)) == architecture
        for rows, weights in zip(
            architecture.choices, probabilities(space, task), strict=True
        ):
            for choice, row in zip(rows, weights, strict=True):
                assert choice is None or choice == row.index(max(row))
        kept.add(tuple(choice is None for choice in architecture.choices[0]))
    assert len(kept) > 1


def test_random_inputs_and_a_limit_of_skips_are_refused():
    with pytest.raises(UserError, match="leave out one of the two"):
        Magnitude(inputs="random", most_skips=2)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["s2", "s3"]).map(get_space), seeds)
def test_darts_pt_can_keep_the_inputs_with_the_best_scores(space, seed):
    task = AlphaTask(space, seed)
    selection = DartsPT(inputs="strongest").select(task)
    scores = {
        (score.cell, score.edge, score.choice): score.value
        for score in selection.operation_scores
    }
    choices = {
        (decision.cell, decision.edge): decision.choice
        for decision in selection.decisions
        if decision.choice >= 0
    }
    best = {place: scores[(*place, choice)] for place, choice in choices.items()}
    for cell, row in enumerate(selection.architecture.choices):
        for node in range(2, 6):
            into = [e for e in space.edges[cell] if e.target == node]
            # Accuracy without it: the lower, the stronger.
            order = sorted(into, key=lambda e: (best[cell, e.index], e.index))
            kept = {e.index for e in into if row[e.index] is not None}
            named = [e for e in order if e.operations[choices[cell, e.index]] != NONE]
            if len(named) == len(into):
                assert kept == {e.index for e in order[:2]}
    assert not selection.edge_scores


def test_a_policy_without_perturbation_evaluates_less():
    space = get_space("s2")
    counts = {}
    for inputs in ("perturbation", "strongest", "random"):
        task = AlphaTask(space, 0)
        DartsPT(inputs=inputs).select(task)
        counts[inputs] = task.evaluations
    operations = 2 * 14 * 2
    assert counts["strongest"] == counts["random"] == operations
    assert counts["perturbation"] > operations


def test_inputs_without_scores_are_pruned_by_perturbation():
    """The connections of NAS-Bench-1Shot1 have one operation each."""
    space = get_space("nb1shot1-1")
    task = AlphaTask(space, 0)
    selection = DartsPT(inputs="strongest").select(task)
    assert selection.edge_scores
    assert space.parse(space.format(selection.architecture)) == selection.architecture
