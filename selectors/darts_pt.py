"""DARTS-PT: perturbation-based selection from a trained supernet (Wang et al., ICLR 2021, algorithm 1)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archselect.selectors.base import Log, Scale, Selection, Selector, Task


class DartsPT(Selector):
    """Decide edges in random order; keep the operation whose removal hurts the supernet most; tune in between.

    Removal sets the operation's mixture weight to zero. The defaults are the released code's for NAS-Bench-201; where
    it, later code bases and the paper differ there is a setting.

    Settings:
        score: "accuracy" keeps the operation whose removal leaves the lowest, "loss" the highest.
        norm: batch-norm mode while scoring: "batch" (released code: training mode) or "running".
        augment: whether the validation half is augmented as in training (released code: yes).
        renormalise: whether the edge's remaining weights are rescaled to sum to one (released code: no).
        tune_epochs: of training between two decisions (none after the last).
        tune_learning_rate: constant; released code: a tenth of the supernet's.
    """

    name: ClassVar[str] = "darts-pt"
    summary: ClassVar[str] = "the operation whose removal hurts the trained supernet most, with tuning in between"
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"

    score: Literal["accuracy", "loss"] = "accuracy"
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True
    renormalise: bool = False
    tune_epochs: int = Field(5, ge=0)
    tune_learning_rate: float = Field(0.0025, gt=0)

    def select(self, task: Task) -> Selection:
        """See :class:`DartsPT`."""
        log = Log(operations=Scale(f"{self.score} without it", "lower" if self.score == "accuracy" else "higher"))
        decisions = task.space.undecided()
        step = 0
        while edges := decisions.open_edges():
            cell, edge = edges[task.rng.integers(len(edges))]
            mixture = task.mixture(decisions)
            values = []
            for choice in range(len(task.space.cells[cell].operations[edge])):
                perturbed = mixture.without(cell, edge, choice, renormalise=self.renormalise)
                evaluation = task.evaluate(perturbed, norm=self.norm, augment=self.augment)
                values.append(getattr(evaluation, self.score))
            best = log.scores(0, step, cell, edge, values)
            log.decide(0, step, cell, edge, best)
            decisions = decisions.decide(cell, edge, best)
            if decisions.open_edges():
                task.tune(decisions, self.tune_epochs, self.tune_learning_rate)
            step += 1
        return log.selection(decisions.architecture())
