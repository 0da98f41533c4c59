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

    The supernet is tuned in between. Removal sets the operation's mixture weight to
    zero. A round decides one edge of every cell type. Where the space keeps a number of
    inputs per node, rounds follow that prune one node of every cell type: see
    :mod:`archselect.selectors.pruning`. The defaults are the released code's; where it,
    later code bases and the paper differ there is a setting.

    Settings:
        score: "accuracy" keeps the operation whose removal leaves the lowest, "loss"
            the highest.
        norm: batch-norm mode while scoring: "batch" (released code: training mode) or
            "running".
        augment: whether the validation half is augmented as in training (released code:
            yes).
        renormalise: whether the edge's remaining weights are rescaled to sum to one
            (released code: no).
        inputs: which inputs a node keeps, where the space keeps a number of them:
            "perturbation" is the paper's. "strongest" keeps those whose operation had
            the best score when it was decided; inputs without a choice of operations
            have none and are pruned by perturbation. "random" is a control.
        edges_restored: whether an edge dropped from a node is back while the node's
            next one is judged (released code: yes).
        tune_epochs: of training between two rounds (none after the last).
        tune_learning_rate: constant; released code: a tenth of the supernet's.
    """

    name: ClassVar[str] = "darts-pt"
    summary: ClassVar[str] = (
        "the operation whose removal hurts the trained supernet most, with tuning in between"
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
        """See :class:`DartsPT`."""
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
        """Train the supernet between two rounds, not after the last."""
        if not search.is_finished:
            task.tune(search.decisions, self.tune_epochs, self.tune_learning_rate)
