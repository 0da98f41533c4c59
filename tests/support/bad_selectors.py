"""Selectors that each break one rule, as a user's own file has them.

The conformance kit must name that rule alone.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from archselect.nasbench_adapters.space import DROPPED, Architecture
from archselect.nasbench_adapters.truth import builtin_path, open_table
from archselect.selectors.base import Scale, Selection, Selector
from archselect.selectors.pruning import prune_node
from archselect.selectors.selection import EdgeScore, OperationScore


class Sound(Selector):
    """Breaks no rule.

    The others are this one with a fault: greedy by accuracy, then nodes pruned.
    """

    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "for tests"
    better: ClassVar[str] = "lower"

    def score(self, task, mixture):
        return task.evaluate(mixture).accuracy

    def values(
        self,
        task,
        search,
        edge,
    ):
        return [self.score(task, mixture) for mixture in search.without(edge)]

    def choose(
        self,
        search,
        edge,
        values,
    ):
        search.decide(edge, values, among=edge.candidates)

    def begin(self, task):
        return task.search("accuracy without it", better=self.better)

    def select(self, task):
        search = self.begin(task)
        while edges := list(search.open_edges()):
            edge = task.pick(edges)
            self.choose(search, edge, self.values(task, search, edge))
        task.tune(search.decisions, 1, 0.01)
        return self.finish(task, search)

    def finish(self, task, search):
        def without(mixture):
            return self.score(task, mixture)

        for parts in search.node_rounds():
            prune_node(search, parts[0][0], without, edges_restored=False)
        return search.selection()


def changed(selection, **fields):
    """A copy of a selection in which some fields are others."""
    return Selection(**{**vars(selection), **fields})


class WithoutNone(Sound):
    """Never keeps `none`: it decides among a list of its own."""

    name: ClassVar[str] = "without-none"

    def choose(self, search, edge, values):
        others = [
            choice for choice in edge.choices if edge.operations[choice] != "none"
        ]
        search.decide(edge, values, among=others)


class Raises(Sound):
    """Only with one value of a setting."""

    breaks: ClassVar[str] = "finishes"
    interval: int = Field(1, ge=1)

    def finish(self, task, search):
        if self.interval == 3:
            raise ZeroDivisionError("three")
        return super().finish(task, search)


class Nothing(Sound):
    breaks: ClassVar[str] = "finishes"

    def select(self, task):
        return super().select(task).architecture


class Endless(Sound):
    breaks: ClassVar[str] = "finishes"

    def select(self, task):
        mixture = task.mixture(task.space.undecided())
        while True:
            task.evaluate(mixture)


class Undecided(Sound):
    """Leaves an edge out with one value of a setting."""

    breaks: ClassVar[str] = "complete"
    mode: Literal["all", "most"] = "all"

    def finish(self, task, search):
        selection = super().finish(task, search)
        if self.mode == "all":
            return selection
        (first, *others) = (list(row) for row in selection.architecture.choices)
        first[next(edge for edge, choice in enumerate(first) if choice is not None)] = (
            None
        )
        return changed(
            selection, architecture=Architecture(tuple(map(tuple, (first, *others))))
        )


class Overfull(Sound):
    """Keeps all the inputs of every node.

    On a space that keeps all there is nothing wrong with it.
    """

    breaks: ClassVar[str] = "complete"

    def finish(self, task, search):
        return search.selection(search.decisions.architecture())


class NotAllowed(Sound):
    """Scores one operation more than the first edge has."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, search):
        selection = super().finish(task, search)
        extra = OperationScore(
            0, 0, 0, 0, len(task.space.cells[0].operations[0]), 1000.0
        )
        return changed(selection, operation_scores=(*selection.operation_scores, extra))


class NotThere(Sound):
    """Asks for a mixture in which an edge has an operation that it does not allow."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, search):
        task.mixture(task.space.undecided().decide(0, 0, 99))
        return super().finish(task, search)


class Twice(Sound):
    """Decides the last edge again."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, search):
        selection = super().finish(task, search)
        last = [
            decision for decision in selection.decisions if decision.choice != DROPPED
        ][-1]
        return changed(selection, decisions=(*selection.decisions, last))


class TooLate(Sound):
    """Scores an edge when all are decided."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, search):
        selection = super().finish(task, search)
        late = [
            OperationScore(0, 10_000, 0, 0, choice, 1.0)
            for choice in task.space.edges[0][0].choices
        ]
        return changed(selection, operation_scores=(*selection.operation_scores, *late))


class Trains(Sound):
    breaks: ClassVar[str] = "untouched"

    def values(
        self,
        task,
        search,
        edge,
    ):
        with torch.no_grad():
            next(task.supernet.parameters()).mul_(1.5)
        return super().values(task, search, edge)


class LeavesTrainingMode(Sound):
    breaks: ClassVar[str] = "untouched"

    def finish(self, task, search):
        task.supernet.train()
        return super().finish(task, search)


class LeavesGradients(Sound):
    breaks: ClassVar[str] = "untouched"

    def select(self, task):
        images, labels = task.minibatch(4)
        logits = task.supernet(images, task.mixture(task.space.undecided()))
        torch.nn.functional.cross_entropy(logits, labels).backward()
        return super().select(task)


class MovesAlphas(Sound):
    """Between tunings."""

    breaks: ClassVar[str] = "untouched"

    def select(self, task):
        with torch.no_grad():
            task.alphas[0].zero_()
        return super().select(task)


class MovesTheTorchState(Sound):
    """Draws from the global random state, to no effect."""

    breaks: ClassVar[str] = "untouched"

    def select(self, task):
        torch.randn(1)
        return super().select(task)


class MovesTheNumpyState(Sound):
    breaks: ClassVar[str] = "untouched"

    def select(self, task):
        np.random.rand()  # noqa: NPY002 (that is its fault)
        return super().select(task)


class MovesThePythonState(Sound):
    breaks: ClassVar[str] = "untouched"

    def select(self, task):
        random.random()
        return super().select(task)


class OtherEveryTime(Sound):
    """Draws from the system."""

    breaks: ClassVar[str] = "seeded"

    def values(
        self,
        task,
        search,
        edge,
    ):
        return [
            value + uuid.uuid4().int % 2 for value in super().values(task, search, edge)
        ]


class WrongWayAmongOthers(WithoutNone):
    """Says the opposite of what it does, and decides among a list of its own."""

    breaks: ClassVar[str] = "honest"

    def finish(self, task, search):
        selection = super().finish(task, search)
        return changed(selection, operation_scale=Scale("accuracy", "higher"))


class WrongDirection(Sound):
    """Says the opposite of what it does."""

    breaks: ClassVar[str] = "honest"
    better: ClassVar[str] = "higher"

    def choose(
        self,
        search,
        edge,
        values,
    ):
        search.score(edge, values)
        search.decide(edge, operation=min(edge.candidates, key=values.__getitem__))

    def finish(self, task, search):
        for parts in search.node_rounds():
            for node in parts[0]:
                for edge in node.inputs[node.keeps :]:
                    search.drop_edge(edge)
        return search.selection()


class DropsTheBest(Sound):
    """Drops another edge than the worst, where there are edges to drop."""

    breaks: ClassVar[str] = "honest"

    def finish(self, task, search):
        for parts in search.node_rounds():
            node = parts[0][0]
            with search.step():
                for best in node.inputs[: len(node.inputs) - node.keeps]:
                    for edge in search.inputs(node):
                        score = EdgeScore(
                            0,
                            search._step,
                            edge.cell,
                            node.index,
                            edge.index,
                            float(edge.index),
                        )
                        search._edge_scores.append(score)
                    search.drop_edge(best)
        return search.selection()


class ClosesTheWorst(Sound):
    """Breaks no rule: closes an operation of every edge before it decides."""

    name: ClassVar[str] = "closes-the-worst"

    def choose(self, search, edge, values):
        search.score(edge, values)
        ranked = sorted(edge.candidates, key=values.__getitem__)
        search.close(edge, self.closed(ranked))
        search.decide(edge, among=edge.candidates)

    def closed(self, ranked):
        """What is closed of the operations, the best first."""
        return ranked[-1]


class ClosesAGoodOne(ClosesTheWorst):
    """Keeps the best, but closes one that is better than others that stay."""

    breaks: ClassVar[str] = "honest"

    def closed(self, ranked):
        return ranked[1]


class SelectsWhatItClosed(ClosesTheWorst):
    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, search):
        selection = super().finish(task, search)
        closing = selection.closings[0]
        rows = [list(row) for row in selection.architecture.choices]
        rows[closing.cell][closing.edge] = closing.choice
        choices = tuple(tuple(row) for row in rows)
        return changed(selection, architecture=Architecture(choices))


class WithoutScale(Sound):
    breaks: ClassVar[str] = "honest"

    def finish(self, task, search):
        return changed(super().finish(task, search), operation_scale=None)


class SelectsTheWorst(Sound):
    """Of the architectures it scores."""

    breaks: ClassVar[str] = "honest"

    def begin(self, task):
        return task.search(
            "accuracy without it",
            better=self.better,
            architectures=Scale("made up", "higher"),
        )

    def finish(self, task, search):
        best = super().finish(task, search).architecture
        search.score_architecture(best, 1.0)
        search.score_architecture(task.space.sample(task.rng), 2.0)
        return search.selection(best)


class LosesNan(Sound):
    """Takes a score that is not a number for the worst."""

    breaks: ClassVar[str] = "surfaces"

    def score(self, task, mixture):
        return float(np.nan_to_num(super().score(task, mixture), nan=1000.0))


class LooksElsewhere(Sound):
    """Would use more of the task where there is more."""

    breaks: ClassVar[str] = "offered"

    def select(self, task):
        getattr(task, "images", None)
        return super().select(task)


class NeedsElsewhere(Sound):
    breaks: ClassVar[str] = "offered"

    def select(self, task):
        task.clock.phase("mine")
        return super().select(task)


class SetsAlphas(Sound):
    breaks: ClassVar[str] = "offered"

    def select(self, task):
        task.alphas = task.new_alphas()
        return super().select(task)


class NamesADevice(Sound):
    breaks: ClassVar[str] = "self contained"

    def select(self, task):
        torch.zeros(1, device="cpu")
        return super().select(task)


class NeedsCuda(Sound):
    """Raises where there is none; that it names the device is the fault."""

    breaks: ClassVar[str] = "self contained"

    def select(self, task):
        task.minibatch(2).images.cuda()
        return super().select(task)


class WritesAFile(Sound):
    breaks: ClassVar[str] = "self contained"

    def select(self, task):
        with tempfile.NamedTemporaryFile():
            return super().select(task)


class ReadsAFile(Sound):
    breaks: ClassVar[str] = "self contained"

    def select(self, task):
        assert Path(__file__).with_name("lowest.txt").read_text()
        return super().select(task)


class StartsAProcess(Sound):
    breaks: ClassVar[str] = "self contained"

    def select(self, task):
        subprocess.run(["true"], check=True)
        return super().select(task)


class Asks(Selector):
    """Breaks no rule: the best of random architectures, by reward."""

    name: ClassVar[str] = "asks"
    summary: ClassVar[str] = "for tests"
    needs: ClassVar[frozenset[str]] = frozenset({"reward"})

    def select(self, task):
        search = task.search()
        with search.spending():
            while True:
                self.ask(search)
        return search.selection(search.best_architecture())

    def ask(self, search):
        search.query(search.draw())


class GoesOn(Asks):
    """Swallows the end of its budget, some times."""

    breaks: ClassVar[str] = "within budget"

    def select(self, task):
        search = task.search()
        for _ in range(100):
            with search.spending():
                self.ask(search)
        return search.selection(search.best_architecture())


class AsksUndeclared(Sound):
    breaks: ClassVar[str] = "within budget"

    def finish(self, task, search):
        task.query(task.space.sample(np.random.default_rng(0)))
        return super().finish(task, search)


class AsksForNothing(Asks):
    """Asks for an architecture that the space does not have."""

    breaks: ClassVar[str] = "finishes"

    def ask(self, search):
        search.query(Architecture(((99,) * 6,)))


class SelectsAnother(Asks):
    """Than the best by reward."""

    breaks: ClassVar[str] = "honest"

    def select(self, task):
        selection = super().select(task)
        worst = min(selection.architecture_scores, key=lambda scored: scored.value)
        return changed(selection, architecture=worst.architecture)


class ReadsTheTruth(Asks):
    """Looks up what the report will judge it by."""

    breaks: ClassVar[str] = "self contained"

    def ask(self, search):
        table = open_table(builtin_path("nb201-digits"))
        assert len(table)
        super().ask(search)
