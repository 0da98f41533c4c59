"""IS-DARTS' shrinking against its released rule written out, and on a real supernet."""

import math

import numpy as np
import pytest
import torch

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import mixture_of, new_alphas
from archselect.nasbench_adapters.networks.activation.equal import (
    EqualLiveShares,
    EqualShares,
)
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Task
from archselect.selectors.is_darts import IsDarts

CPU = torch.device("cpu")


class InformationTask:
    """A task whose information is drawn once, infinite for `none`, and which tunes nothing."""

    search = Task.search

    def __init__(self, name, seed):
        self.space = get_space(name)
        generator = torch.Generator().manual_seed(seed)
        self.alphas = new_alphas(self.space, generator, CPU)
        rng = np.random.default_rng(seed)
        self.information = []
        for edges in self.space.edges:
            rows = []
            for edge in edges:
                drawn = rng.uniform(1, 2, len(edge.operations)).tolist()
                names = zip(edge.operations, drawn, strict=True)
                rows.append([math.inf if k == "none" else value for k, value in names])
            self.information.append(rows)
        self.tunings, self.asked, self.live = [], [], []

    def mixture(self, decisions, alphas=None):
        del alphas
        self.live.append(decisions)
        return mixture_of(self.space, self.alphas, decisions)

    def tune(self, decisions, epochs, learning_rate):
        self.tunings.append((decisions, epochs, learning_rate))

    def output_information(self, mixture, norm, augment, skips_flat):
        del mixture
        self.asked.append((norm, augment, skips_flat))
        return self.information


@pytest.mark.parametrize("seed", range(3))
def test_on_nb201_the_operation_with_the_least_information_is_left(seed):
    task = InformationTask("nb201", seed)
    selection = IsDarts().select(task)
    least = tuple(int(np.argmin(row)) for row in task.information[0])
    assert selection.architecture.choices == (least,)
    # One operation of each edge a shrink, `none` first.
    first = {(c.edge, c.choice) for c in selection.closings if c.step == 0}
    names = task.space.cells[0].operations[0]
    assert first == {(edge, names.index("none")) for edge in range(6)}
    assert [c.step for c in selection.closings] == [
        s for s in range(4) for _ in range(6)
    ]


def test_shrinks_come_after_epochs_22_24_26_and_28_of_30():
    task = InformationTask("nb201", 0)
    IsDarts().select(task)
    live = [len(d.live(task.space.edges[0][0])) for d, _, _ in task.tunings]
    assert live == [5] * 22 + [4] * 2 + [3] * 2 + [2] * 2
    rates = [rate for _, _, rate in task.tunings]
    expected = [
        0.001 + 0.024 * (1 + math.cos(math.pi * epoch / 30)) / 2 for epoch in range(28)
    ]
    assert rates == pytest.approx(expected)
    assert task.asked == [("batch", True, False)] * 4
    other = InformationTask("nb201", 0)
    IsDarts(flat="left-out", norm="running", augment=False).select(other)
    assert other.asked == [("running", False, True)] * 4


@pytest.mark.parametrize("name", ["darts", "darts-none", "s3", "nb1shot1-1"])
@pytest.mark.parametrize("seed", range(2))
def test_nodes_shrink_to_the_inputs_that_they_keep(name, seed):
    """By the release's rate, as long as no edge has to be dropped with several left."""
    task = InformationTask(name, seed)
    selector = IsDarts(epochs=50, shrinks=7, interval=3)
    selection = selector.select(task)
    space = task.space
    assert space.parse(space.format(selection.architecture)) == selection.architecture
    cell = space.cells[0]
    for node in cell.summing_nodes:
        edges = [space.edges[0][edge] for edge in cell.incoming(node)]
        kept = [
            e for e in edges if selection.architecture.choices[0][e.index] is not None
        ]
        assert len(kept) == cell.count_kept(node)
        if cell.kept_inputs(node) is None or name != "darts":
            continue
        count = sum(len(edge.operations) for edge in edges)
        for shrink, decisions in enumerate(task.live):
            assert sum(len(decisions.live(edge)) for edge in edges) == count
            count -= math.ceil((count - 2) / (7 - shrink))
        assert count == 2


def test_shrinks_that_do_not_fit_into_the_epochs():
    with pytest.raises(UserError, match="set epochs = 8 or more"):
        IsDarts(epochs=7)


def test_equal_shares_are_of_all_operations_or_of_the_live_ones():
    space = get_space("nb201")
    decisions = space.undecided().close(space.edges[0][1], 0)
    alphas = new_alphas(space, torch.Generator().manual_seed(0), CPU, 1.0)
    for activation, share in ((EqualShares(), 1 / 5), (EqualLiveShares(), 1 / 4)):
        (table,) = mixture_of(space, alphas, decisions, activation).weights
        assert torch.equal(table[0], torch.full((5,), 0.2))
        assert table[1].tolist() == pytest.approx([0.0] + [share] * 4)


def test_a_real_supernet():
    space = get_space("nb201")
    recipe = Recipe(recipe="equal", batch_size=8)
    inputs = recipe.inputs("nb201", {"channels": 2, "cells": 1, "reduction": "pool"})
    images = Images(load_images("digits"), CPU, limit=16)
    trained = make_supernet(recipe, space, inputs, images, 0)
    selector = IsDarts(epochs=2, shrinks=2, interval=1)
    selections = []
    for _ in range(2):
        task = SupernetTask(
            space, recipe, inputs, trained, images, PhaseClock(CPU), 0, 0
        )
        selections.append(selector.select(task))
    first, second = selections
    assert first == second
    scores = [score.value for score in first.operation_scores]
    # `none` of every edge, in the first round; 2 of 5 operations are closed in it.
    assert scores.count(0.0) == 6
    assert len(scores) == 6 * (5 + 3)
