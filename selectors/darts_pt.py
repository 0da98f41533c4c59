"""DARTS-PT: perturbation-based selection from a trained supernet (Wang et al., ICLR 2021, algorithm 1)."""

from __future__ import annotations

from itertools import count
from typing import ClassVar, Literal

from pydantic import Field

from archselect.nasbench_adapters.networks import Mixture
from archselect.selectors.base import Log, Scale, Selection, Selector, Task
from archselect.selectors.topology import complete, thin_each


class DartsPT(Selector):
    """Decide edges in random order; keep the operation whose removal hurts the supernet most; tune in between.

    Removal sets the operation's mixture weight to zero. A round decides one edge of every cell type. Where the space
    keeps a number of inputs per node, rounds follow that thin out one node of every cell type: see
    :mod:`archselect.selectors.topology`. The defaults are the released code's; where it, later code bases and the
    paper differ there is a setting.

    Settings:
        score: "accuracy" keeps the operation whose removal leaves the lowest, "loss" the highest.
        norm: batch-norm mode while scoring: "batch" (released code: training mode) or "running".
        augment: whether the validation half is augmented as in training (released code: yes).
        renormalise: whether the edge's remaining weights are rescaled to sum to one (released code: no).
        edges_restored: whether an edge dropped from a node is back while the node's next one is judged (released
            code: yes).
        tune_epochs: of training between two rounds (none after the last).
        tune_learning_rate: constant; released code: a tenth of the supernet's.
    """

    name: ClassVar[str] = "darts-pt"
    summary: ClassVar[str] = "the operation whose removal hurts the trained supernet most, with tuning in between"
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"
    formulation: ClassVar[int] = 1

    score: Literal["accuracy", "loss"] = "accuracy"
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True
    renormalise: bool = False
    edges_restored: bool = True
    tune_epochs: int = Field(5, ge=0)
    tune_learning_rate: float = Field(0.0025, gt=0)

    def select(self, task: Task) -> Selection:
        """See :class:`DartsPT`."""
        log = Log(operations=Scale(f"{self.score} without it", "lower" if self.score == "accuracy" else "higher"))
        space, decisions, steps = task.space, task.space.undecided(), count()
        cells = range(len(space.cells))

        def score(mixture: Mixture) -> float:
            return float(getattr(task.evaluate(mixture, norm=self.norm, augment=self.augment), self.score))

        while any(space.contested(decisions, c) for c in cells):
            for c in cells:
                if not (edges := space.contested(decisions, c)):
                    continue
                cell, edge = edges[task.rng.integers(len(edges))]
                mixture = task.mixture(decisions)
                values = [
                    score(mixture.without(cell, edge, choice, renormalise=self.renormalise))
                    for choice in range(len(space.cells[cell].operations[edge]))
                ]
                step = next(steps)
                best = log.scores(0, step, cell, edge, values)
                log.decide(0, step, cell, edge, best)
                decisions = decisions.decide(cell, edge, best)
            if any(space.contested(decisions, c) for c in cells) or space.crowded(decisions):
                task.tune(decisions, self.tune_epochs, self.tune_learning_rate)
        decisions = space.settled(decisions)
        while space.crowded(decisions):
            decisions = thin_each(
                space,
                log,
                decisions,
                lambda nodes: nodes[task.rng.integers(len(nodes))],
                lambda without: score(task.mixture(without)),
                round=0,
                steps=steps,
                edges_restored=self.edges_restored,
            )
            if space.crowded(decisions):
                task.tune(decisions, self.tune_epochs, self.tune_learning_rate)
        return log.selection(complete(space, decisions).architecture())
