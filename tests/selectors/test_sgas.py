"""SGAS against its rule replayed epoch by epoch in plain Python, and on real supernets of every kind of space."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.space import DROPPED, OPEN, Cell, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Evaluation, Task
from archselect.selectors.sgas import Sgas


def cell(name, kept, operations):
    """Two inputs and two nodes: edges 0 and 1 into node 2, edges 2, 3 and 4 into node 3."""
    return Cell(
        name, 2, 4, ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3)), operations, (3,), kept
    )


class ThinSpace(SearchSpace):
    """Nodes keep one input, then two; edges allow two to four operations, some `none`."""

    name = "thin"
    cells = (
        cell(
            "normal",
            (None, None, 1, 2),
            (
                ("none", "a", "b"),
                ("none", "a"),
                ("none", "a", "b", "c"),
                ("a", "b"),
                ("none", "b", "c"),
            ),
        ),
        cell("reduce", (None, None, 2, 1), (("none", "a", "b"),) * 5),
    )
    parse = format = canonical = skeleton = lambda self: None


class PlainSpace(SearchSpace):
    """All inputs are kept, and no edge has `none` in one cell type, all have it in the other."""

    name = "plain"
    cells = (
        cell("normal", (), (("a", "b", "c"),) * 5),
        cell("reduce", (), (("a", "none", "b"),) * 5),
    )
    parse = format = canonical = skeleton = lambda self: None


class WalkingTask:
    """A task whose alphas take a random step with every epoch of tuning, and whose accuracies are made up."""

    def __init__(self, space, seed, step=1.0):
        self.space, self.step, self.generator = (
            space,
            step,
            torch.Generator().manual_seed(seed),
        )
        self.alphas = [
            torch.zeros(len(c.edges), max(map(len, c.operations)), dtype=torch.float64)
            for c in space.cells
        ]
        self.tunings, self.walk, self.evaluations = [], [], []

    search = Task.search

    def mixture(self, decisions, alphas=None):
        return mixture_of(self.space, self.alphas, decisions)

    def tune(self, decisions, epochs, learning_rate):
        assert epochs == 1
        self.tunings.append((decisions, learning_rate))
        self.alphas = [
            a
            + self.step * torch.randn(a.shape, generator=self.generator, dtype=a.dtype)
            for a in self.alphas
        ]
        self.walk.append([a.softmax(-1) for a in self.alphas])

    def evaluate(self, mixture, norm="running", augment=False):
        self.evaluations.append((norm, augment))
        lost = [1 - float(w.sum(-1).min()) for w in mixture.weights]
        return Evaluation(100 * math.sin(1e4 * sum(lost)) ** 2, 0.0)


def rows_of(space, alphas, c):
    """softmax over each edge's own operations, as lists."""
    return [
        alphas[c][edge, : len(names)].softmax(-1).tolist()
        for edge, names in enumerate(space.cells[c].operations)
    ]


def stretched(values):
    low, high = min(values), max(values)
    return [(v - low) / (high - low) if high > low else 1.0 for v in values]


def real(names, row):
    """The distribution over an edge's operations other than none."""
    kept = [p for name, p in zip(names, row, strict=True) if name != "none"]
    return [p / sum(kept) for p in kept]


def criterion(space, c, rows, past, stable):
    """Importance x certainty (x stability) of each edge of a cell type."""
    names = space.cells[c].operations
    importance = [
        1 - sum(p for name, p in zip(n, r, strict=True) if name == "none")
        for n, r in zip(names, rows, strict=True)
    ]
    dists = [real(n, r) for n, r in zip(names, rows, strict=True)]
    certainty = [
        1 + sum(p * math.log(p) for p in d) / math.log(len(d)) if len(d) > 1 else 1.0
        for d in dists
    ]
    score = [
        a * b for a, b in zip(stretched(importance), stretched(certainty), strict=True)
    ]
    if stable and past:
        overlap = [
            sum(sum(map(min, now, before[edge])) for before in past) / len(past)
            for edge, now in enumerate(dists)
        ]
        score = [a * b for a, b in zip(score, stretched(overlap), strict=True)]
    return score, dists


def replay(space, task, selector):
    """Which edge is decided for what after each epoch, from the alphas' walk alone."""
    decisions, log = space.undecided(), []
    shown = [[None] * len(c.edges) for c in space.cells]
    past = [[] for _ in space.cells]
    for epoch, walk in enumerate(task.walk):
        now = []
        for c, softs in enumerate(walk):
            for edge, names in enumerate(space.cells[c].operations):
                if decisions.choices[c][edge] == OPEN:
                    part = softs[edge, : len(names)]
                    shown[c][edge] = (part / part.sum()).tolist()
            now.append([list(row) for row in shown[c]])
        deciding = (
            epoch >= selector.warmup_epochs
            and (epoch - selector.warmup_epochs) % selector.interval == 0
        )
        for c, cell in enumerate(space.cells):
            score, dists = criterion(space, c, now[c], past[c], selector.criterion == 2)
            past[c] = [*past[c], dists][-selector.history :]
            opened = [e for e, k in enumerate(decisions.choices[c]) if k == OPEN]
            if not deciding or not opened:
                continue
            edge = max(opened, key=lambda e: score[e])
            allowed = [
                k
                for k, name in enumerate(cell.operations[edge])
                if name != "none"
                or not cell.kept
                or cell.kept[cell.edges[edge][1]] is None
            ]
            best = max(allowed, key=lambda k: now[c][edge][k])
            log.append((epoch, c, edge, best))
            decisions = decisions.decide(c, edge, best)
            node = cell.edges[edge][1]
            into = [e for e, (_, target) in enumerate(cell.edges) if target == node]
            if (
                cell.kept
                and sum(decisions.choices[c][e] >= 0 for e in into) == cell.kept[node]
            ):
                for other in into:
                    if decisions.choices[c][other] == OPEN:
                        log.append((epoch, c, other, DROPPED))
                        decisions = decisions.decide(c, other, DROPPED)
    return decisions, log


@given(
    space=st.sampled_from(
        [
            ThinSpace(),
            PlainSpace(),
            get_space("nb201"),
            get_space("s1"),
            get_space("s3"),
        ]
    ),
    seed=st.integers(0, 10_000),
    step=st.sampled_from([0.01, 1.0]),
    chosen=st.sampled_from([1, 2]),
    warmup=st.integers(0, 3),
    interval=st.integers(1, 3),
    closing=st.integers(0, 2),
    history=st.integers(1, 4),
)
@settings(max_examples=60)
def test_every_decision_is_the_rules(
    space, seed, step, chosen, warmup, interval, closing, history
):
    task = WalkingTask(space, seed, step)
    selector = Sgas(
        criterion=chosen,
        warmup_epochs=warmup,
        interval=interval,
        closing_epochs=closing,
        history=history,
    )
    selection = selector.select(task)
    decisions, log = replay(space, task, selector)
    assert [(d.cell, d.edge, d.choice) for d in selection.decisions] == [
        tuple(entry[1:]) for entry in log
    ]
    assert selection.architecture == decisions.architecture()
    # Training stops with the last decision; the decisions are those of the epochs
    # before.
    last = max(entry[0] for entry in log)
    assert len(task.walk) == last + 1
    total = last + 1 + closing
    for epoch, (known, rate) in enumerate(task.tunings):
        done = sum(choice != OPEN for row in known.choices for choice in row)
        assert done == sum(entry[0] < epoch for entry in log)
        assert rate == pytest.approx(
            0.001 + 0.024 * (1 + math.cos(math.pi * epoch / total)) / 2
        )


@given(seed=st.integers(0, 1000), chosen=st.sampled_from([1, 2]))
@settings(max_examples=20)
def test_what_it_looked_at_is_noted(seed, chosen):
    space = ThinSpace()
    task = WalkingTask(space, seed)
    selection = Sgas(criterion=chosen, warmup_epochs=1, interval=2).select(task)
    assert (selection.operation_scale.name, selection.operation_scale.better) == (
        "softmax(alpha)",
        "higher",
    )
    steps = {}
    for score in selection.operation_scores:
        steps.setdefault((score.step, score.cell, score.edge), []).append(score.value)
    for (_, c, edge), values in steps.items():
        assert len(values) == len(space.cells[c].operations[edge])
        assert sum(values) == pytest.approx(1)
    for decision in selection.decisions:
        row = steps[decision.step, decision.cell, decision.edge]
        allowed = space.cells[decision.cell].candidates(decision.edge)
        assert decision.choice == DROPPED or row[decision.choice] == max(
            row[k] for k in allowed
        )


def test_the_defaults_make_the_papers_fifty_epochs():
    task = WalkingTask(get_space("darts-none"), 0)
    selection = Sgas().select(task)
    total = 50
    rates = [
        0.001 + 0.024 * (1 + math.cos(math.pi * epoch / total)) / 2
        for epoch in range(total)
    ]
    assert [rate for _, rate in task.tunings] == pytest.approx(rates[:45])
    after = [
        sum(c == OPEN for row in known.choices for c in row)
        for known, _ in task.tunings
    ]
    changes = [epoch for epoch in range(1, 45) if after[epoch] != after[epoch - 1]]
    assert changes == [10, 15, 20, 25, 30, 35, 40]
    assert len(selection.decisions) == 28
    assert (
        get_space("darts-none").parse(
            get_space("darts-none").format(selection.architecture)
        )
        == selection.architecture
    )


@given(
    seed=st.integers(0, 1000),
    norm=st.sampled_from(["batch", "running"]),
    augment=st.booleans(),
)
@settings(max_examples=20)
def test_perturbation_changes_the_operation_and_nothing_else(seed, norm, augment):
    """SGAS+PT: the first edge decided is SGAS's own, for the operation without which accuracy is lowest."""
    space = ThinSpace()
    plain = Sgas(warmup_epochs=1, interval=1).select(WalkingTask(space, seed))
    task = WalkingTask(space, seed)
    selection = Sgas(
        operation="perturbation",
        norm=norm,
        augment=augment,
        warmup_epochs=1,
        interval=1,
    ).select(task)
    assert (selection.operation_scale.name, selection.operation_scale.better) == (
        "accuracy without it",
        "lower",
    )
    edges = [(d.step, d.cell, d.edge, d.choice == DROPPED) for d in selection.decisions]
    assert edges == [
        (d.step, d.cell, d.edge, d.choice == DROPPED) for d in plain.decisions
    ]
    assert set(task.evaluations) == {(norm, augment)}
    for decision in selection.decisions:
        row = [
            s.value
            for s in selection.operation_scores
            if (s.step, s.edge) == (decision.step, decision.edge)
        ]
        if decision.choice != DROPPED:
            assert len(row) == len(space.cells[decision.cell].operations[decision.edge])
            allowed = space.cells[decision.cell].candidates(decision.edge)
            assert row[decision.choice] == min(row[k] for k in allowed)
    decided = [d for d in selection.decisions if d.choice != DROPPED]
    scored = {(s.step, s.cell, s.edge) for s in selection.operation_scores}
    assert scored == {(d.step, d.cell, d.edge) for d in decided}


def test_alphas_that_do_not_move_are_the_users_to_mend():
    with pytest.raises(
        UserError,
        match='recipe learns alphas: set recipe = "darts" and epochs = 0',
    ):
        Sgas().select(WalkingTask(ThinSpace(), 0, step=0.0))


@pytest.mark.parametrize(
    "wrong", [{"criterion": 3}, {"interval": 0}, {"operation": "pt"}, {"warmup": 9}]
)
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ValidationError):
        Sgas(**wrong)


@pytest.mark.parametrize(
    ("space", "skeleton", "operation"),
    [
        ("nb201", {"channels": 2, "cells": 1, "reduction": "pool"}, "magnitude"),
        ("s1", {"channels": 2, "layers": 3}, "magnitude"),
        ("s3", {"channels": 2, "layers": 3}, "perturbation"),
    ],
)
def test_it_selects_from_a_real_supernet(space, skeleton, operation):
    space, device = get_space(space), torch.device("cpu")
    recipe = Recipe(recipe="darts", epochs=0, batch_size=8, alpha_learning_rate=0.1)
    inputs = SupernetInputs(
        recipe="darts", settings=recipe.settings(), skeleton=skeleton
    )
    images = Images(load_images("digits"), device, limit=8)
    trained = make_supernet(recipe, space, inputs, images, 0)
    start = trained.alphas[0].clone()
    clock = PhaseClock(device)
    task = SupernetTask(space, recipe, inputs, trained, images, clock, 0, 0)
    selection = Sgas(warmup_epochs=0, interval=1, operation=operation).select(task)
    assert not torch.equal(task.alphas[0].detach(), start)
    decided = [d for d in selection.decisions if d.choice != DROPPED]
    assert sum(
        k is not None for row in selection.architecture.choices for k in row
    ) == len(decided)
    assert space.parse(space.format(selection.architecture)) == selection.architecture
    rounds = max(sum(d.cell == c for d in decided) for c in range(len(space.cells)))
    # One step per epoch, of the alphas and of the weights.
    assert (
        clock.counts()["tune"].forwards
        == clock.counts()["tune"].backwards
        == 2 * rounds
    )
