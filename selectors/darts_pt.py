"""DARTS-PT: perturbation-based selection from a trained supernet.

Wang et al., ICLR 2021, algorithm 1.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import Epochs, Positive
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.discretisation import drop_at_random
from archselect.selectors.pruning import prune_node
from archselect.selectors.search import Search


class DartsPT(Selector):
    """Decide edges in random order, each for the operation whose removal hurts most.

    To remove an operation, set its mixture weight to zero. A round decides one edge of
    every cell type, and the supernet is tuned between rounds. In spaces whose nodes
    keep a fixed number of inputs, more rounds then prune one node of every cell type
    each (:mod:`archselect.selectors.pruning`). The defaults are those of the released
    code. There is a setting where the paper, the released code and later code differ.

    Settings:
        score: "accuracy" keeps the operation whose removal leaves the lowest accuracy,
            "loss" the one whose removal leaves the highest loss.
        norm: batch-norm mode while scoring: "batch" (released code: training mode) or
            "running".
        augment: whether the validation half is augmented as in training (released code:
            yes).
        renormalise: whether the edge's remaining weights are rescaled to sum to one
            (released code: no).
        inputs: how a node chooses its inputs, if it keeps a fixed number of them:
            "perturbation" is the paper's rule. "strongest" keeps the inputs whose
            operation had the best score when it was decided; nodes with unscored
            inputs are pruned by perturbation. "random" is a control.
        edges_restored: whether an edge dropped from a node is put back while the node's
            next edge is scored (released code: yes).
        tune_epochs: epochs of training between two rounds (none after the last).
        tune_learning_rate: constant learning rate of the tuning; a tenth of the
            supernet's in the released code.
    """

    name: ClassVar[str] = "darts-pt"
    summary: ClassVar[str] = (
        "keeps the operation whose removal hurts the trained supernet most, and tunes in between"
    )
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"
    formulation: ClassVar[int] = 1

    score: Literal["accuracy", "loss"] = "accuracy"
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True
    renormalise: bool = False
    inputs: Literal["perturbation", "strongest", "random"] = "perturbation"
    edges_restored: bool = True
    tune_epochs: Epochs = 5
    tune_learning_rate: Positive = 0.0025

    def select(self, task: Task) -> Selection:
        """Return the architecture that is left after all perturbations."""
        search = task.search(
            f"{self.score} without it",
            better="lower" if self.score == "accuracy" else "higher",
        )
        for parts in search.rounds():
            for edges in parts:
                edge = task.pick(edges)
                mixtures = search.without(edge, renormalise=self.renormalise)
                values = [self._measure(task, mixture) for mixture in mixtures]
                search.decide(edge, values)
            self._tune(task, search)
        if self.inputs == "strongest":
            search.keep_strongest()
        elif self.inputs == "random":
            drop_at_random(task, search)
        self._prune(task, search)
        return search.selection()

    def _prune(self, task: Task, search: Search) -> None:
        """Prune the nodes by perturbation."""
        measure = partial(self._measure, task)
        for node_parts in search.node_rounds():
            for nodes in node_parts:
                node = task.pick(nodes)
                prune_node(search, node, measure, edges_restored=self.edges_restored)
            self._tune(task, search)

    def _measure(
        self,
        task: Task,
        mixture: Mixture,
    ) -> float:
        """Return the supernet's accuracy in per cent, or its loss, under a mixture."""
        evaluation = task.evaluate(mixture, norm=self.norm, augment=self.augment)
        return evaluation.accuracy if self.score == "accuracy" else evaluation.loss

    def _tune(self, task: Task, search: Search) -> None:
        """Train the supernet, unless the last round is over."""
        if not search.is_finished:
            task.tune(search.decisions, self.tune_epochs, self.tune_learning_rate)
