"""Selectors that each break one rule, as a user's own file has them. The conformance kit must name that rule alone."""

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
from archselect.selectors.base import Log, OperationScore, Scale, Selection, Selector
from archselect.selectors.topology import thin


class Sound(Selector):
    """Breaks no rule. The others are this one with a fault: greedy by accuracy, then nodes thinned out."""

    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "for tests"

    def scale(self):
        return Scale("accuracy without it", "lower")

    def score(self, task, mixture):
        return task.evaluate(mixture).accuracy

    def values(self, task, decisions, cell, edge):
        mixture, names = task.mixture(decisions), task.space.cells[cell].operations[edge]
        return [self.score(task, mixture.without(cell, edge, choice)) for choice in range(len(names))]

    def choose(self, task, log, step, cell, edge, values):
        candidates = task.space.cells[cell].candidates(edge)
        log.scores(0, step, cell, edge, values)
        return min(candidates, key=values.__getitem__)

    def select(self, task):
        log, decisions, step = Log(self.scale()), task.space.undecided(), 0
        while edges := decisions.open_edges():
            cell, edge = edges[task.rng.integers(len(edges))]
            best = self.choose(task, log, step, cell, edge, self.values(task, decisions, cell, edge))
            log.decide(0, step, cell, edge, best)
            decisions, step = decisions.decide(cell, edge, best), step + 1
        task.tune(decisions, 1, 0.01)
        return self.finish(task, log, decisions, step)

    def finish(self, task, log, decisions, step):
        def without(fewer):
            return self.score(task, task.mixture(fewer))

        while crowded := task.space.crowded(decisions):
            cell, node = next(iter(crowded))
            decisions = thin(task.space, log, decisions, cell, node, without, round=0, step=step, edges_restored=False)
            step += 1
        return log.selection(decisions.architecture())


class Raises(Sound):
    """Only with one value of a setting."""

    breaks: ClassVar[str] = "finishes"
    interval: int = Field(1, ge=1)

    def finish(self, task, log, decisions, step):
        if self.interval == 3:
            raise ZeroDivisionError("three")
        return super().finish(task, log, decisions, step)


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

    def finish(self, task, log, decisions, step):
        selection = super().finish(task, log, decisions, step)
        if self.mode == "all":
            return selection
        (first, *others) = (list(row) for row in selection.architecture.choices)
        first[next(edge for edge, choice in enumerate(first) if choice is not None)] = None
        return log.selection(Architecture(tuple(map(tuple, (first, *others)))))


class Crowded(Sound):
    """Keeps all the inputs of every node. On a space that keeps all there is nothing wrong with it."""

    breaks: ClassVar[str] = "complete"

    def finish(self, task, log, decisions, step):
        return log.selection(decisions.architecture())


class NotAllowed(Sound):
    """Scores one operation more than the first edge has."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, log, decisions, step):
        log._scores.append(OperationScore(0, 0, 0, 0, len(task.space.cells[0].operations[0]), 1000.0))
        return super().finish(task, log, decisions, step)


class NotThere(Sound):
    """Asks for a mixture in which an edge has an operation that it does not allow."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, log, decisions, step):
        task.mixture(task.space.undecided().decide(0, 0, 99))
        return super().finish(task, log, decisions, step)


class Twice(Sound):
    """Decides the last edge again."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, log, decisions, step):
        last = log._decisions[-1]
        log.decide(0, last.step, last.cell, last.edge, last.choice)
        return super().finish(task, log, decisions, step)


class TooLate(Sound):
    """Scores an edge when all are decided."""

    breaks: ClassVar[str] = "undecided only"

    def finish(self, task, log, decisions, step):
        log.scores(0, step, 0, 0, [1.0] * len(task.space.cells[0].operations[0]))
        return super().finish(task, log, decisions, step)


class Trains(Sound):
    breaks: ClassVar[str] = "untouched"

    def values(self, task, decisions, cell, edge):
        with torch.no_grad():
            next(task.supernet.parameters()).mul_(1.5)
        return super().values(task, decisions, cell, edge)


class LeavesTrainingMode(Sound):
    breaks: ClassVar[str] = "untouched"

    def finish(self, task, log, decisions, step):
        task.supernet.train()
        return super().finish(task, log, decisions, step)


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

    def values(self, task, decisions, cell, edge):
        return [value + uuid.uuid4().int % 2 for value in super().values(task, decisions, cell, edge)]


class WrongDirection(Sound):
    """Says the opposite of what it does."""

    breaks: ClassVar[str] = "honest"

    def scale(self):
        return Scale("accuracy without it", "higher")

    def finish(self, task, log, decisions, step):
        cells = task.space.cells
        for (cell, node), edges in task.space.crowded(decisions).items():
            for edge in edges[cells[cell].kept_inputs(node) :]:
                log.decide(0, step, cell, edge, DROPPED)
                decisions = decisions.decide(cell, edge, DROPPED)
        return log.selection(decisions.architecture())


class DropsTheBest(Sound):
    """Drops another edge than the worst, where there are edges to drop."""

    breaks: ClassVar[str] = "honest"

    def finish(self, task, log, decisions, step):
        cells = task.space.cells
        for (cell, node), edges in task.space.crowded(decisions).items():
            surplus = len(edges) - cells[cell].kept_inputs(node)
            for place in range(surplus):
                scores = {edge: float(edge) for edge in edges[place:]}
                log.edges(0, step, cell, node, scores)
                log.decide(0, step, cell, edges[place], DROPPED)
                decisions = decisions.decide(cell, edges[place], DROPPED)
            step += 1
        return log.selection(decisions.architecture())


class WithoutScale(Sound):
    breaks: ClassVar[str] = "honest"

    def finish(self, task, log, decisions, step):
        log = Log(self.scale(), _scores=log._scores, _decisions=log._decisions)
        selection = super().finish(task, log, decisions, step)
        return Selection(**{**vars(selection), "operation_scale": None})


class SelectsTheWorst(Sound):
    """Of the architectures it scores."""

    breaks: ClassVar[str] = "honest"

    def finish(self, task, log, decisions, step):
        log = Log(self.scale(), Scale("made up", "higher"), log._scores, [], log._decisions)
        best = super().finish(task, log, decisions, step).architecture
        log.architecture(best, 1.0)
        log.architecture(task.space.sample(task.rng), 2.0)
        return log.selection(best)


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
