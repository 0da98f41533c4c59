"""Operation scores: the scores of every operation on every edge.

Xiang et al., Zero-Cost-PT, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any, ClassVar, Literal

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import BatchSize, Epochs, Positive
from archselect.nasbench_adapters.space import Edge
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.pruning import prune_node
from archselect.selectors.search import Search
from archselect.selectors.selection import Better


class OperationScores(Selector):
    """Score all operations of all open edges, decide the first edge, and score again.

    It is a tool to study scores rather than a search method. Edges are decided in a
    fixed order, so the scores of every iteration can be compared with an oracle's
    (table "operations"). The first iteration scores every (edge, operation) pair of the
    unchanged supernet. It covers the scores of the paper's figure: perturbation by a
    proxy (zc-pt) or by accuracy (darts-pt), and discretisation (disc-zc, disc-acc). A
    proxy scores each edge on a new minibatch. In spaces whose nodes keep a fixed number
    of inputs, the nodes are pruned in order at the end.

    Settings:
        change: "mask" removes one operation and keeps the one whose removal hurts most;
            "fix" leaves one operation alone on the edge and keeps the best.
        measure: score of the changed supernet: "accuracy", or a proxy by name or
            as FILE.py:OBJECT.
        rescore: whether open edges are scored again after each decision. If false, the
            first scores decide all edges.
        batch_size: images per minibatch of a proxy; the paper has 256 on NAS-Bench-201.
        norm: batch-norm mode while scoring.
        augment: whether the validation half is augmented while accuracy is measured.
        edges_restored: as for DARTS-PT.
        tune_epochs: epochs of training between two decisions (5 for darts-pt).
        candidate_epochs: epochs of training before the accuracy of a fixed candidate is
            measured; the supernet is restored afterwards (25 for disc-acc).
        tune_learning_rate: constant learning rate of both trainings.
    """

    name: ClassVar[str] = "operation-scores"
    summary: ClassVar[str] = (
        "scores all operations of all open edges, edge by edge: a tool to study scores"
    )
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    formulation: ClassVar[int] = 1
    # Only some settings allow candidates to be tuned, and `archselect check` varies
    # one setting at a time.
    small: ClassVar[Mapping[str, object]] = {"candidate_epochs": 0}

    change: Literal["mask", "fix"] = "mask"
    measure: str = "nwot"
    rescore: bool = True
    batch_size: BatchSize = 256
    norm: Literal["batch", "running"] = "running"
    augment: bool = False
    edges_restored: bool = True
    tune_epochs: Epochs = 0
    candidate_epochs: Epochs = 0
    tune_learning_rate: Positive = 0.0025

    def model_post_init(self, _context: object) -> None:
        """Raise UserError for an unknown proxy, or settings that contradict each other.

        Candidates can be tuned only with change = "fix" and measure = "accuracy".
        """
        _ = self._measure_name
        is_disc_acc = self.change == "fix" and self.measure == "accuracy"
        if self.candidate_epochs and not is_disc_acc:
            raise UserError(
                "candidate_epochs needs change = 'fix' and measure = 'accuracy'"
            )

    def select(self, task: Task) -> Selection:
        """Return the architecture that the scores select, with all scores."""
        search = task.search(self._scale_name, better=self._better)
        for number, parts in enumerate(search.rounds()):
            edges = list(chain.from_iterable(parts))
            with search.step():
                if self.rescore or number == 0:
                    for edge in edges:
                        search.score(edge, self._scores(task, search, edge))
                search.decide(edges[0])
            if self.tune_epochs and not search.is_finished:
                task.tune(search.decisions, self.tune_epochs, self.tune_learning_rate)
        measure = partial(self._measure_without_edge, task)
        for node_parts in search.node_rounds():
            for nodes in node_parts:
                node = nodes[0]
                prune_node(search, node, measure, edges_restored=self.edges_restored)
        return search.selection()

    def settings(self) -> dict[str, Any]:
        """See :meth:`.Selector.settings`."""
        return {**super().settings(), "measure": self._measure_name}

    @property
    def _measure_name(self) -> str:
        """Name of what is measured; a proxy of the user's own has its own name."""
        if self.measure == "accuracy":
            return self.measure
        return get_proxy(self.measure).name

    @property
    def _scale_name(self) -> str:
        """Name of the operations' scores in reports."""
        changed = "with it alone" if self.change == "fix" else "without it"
        return f"{self._measure_name} {changed}"

    @property
    def _better(self) -> Better:
        """Whether an important operation has a higher or a lower score."""
        is_accuracy = self.measure == "accuracy"
        better = "higher" if is_accuracy else get_proxy(self.measure).better
        if self.change == "fix":
            return better
        return "lower" if better == "higher" else "higher"

    def _scores(
        self,
        task: Task,
        search: Search,
        edge: Edge,
    ) -> list[float]:
        """Return the scores of an edge's operations, in index order."""
        if self.candidate_epochs:
            accuracies = []
            for choice in edge.choices:
                accuracies.append(self._tuned_accuracy(task, search, edge, choice))
            return accuracies
        mixtures = search.only(edge) if self.change == "fix" else search.without(edge)
        if self.measure == "accuracy":
            return [self._measure(task, mixture) for mixture in mixtures]
        batch = task.minibatch(self.batch_size)
        return task.proxies(self.measure, mixtures, batch, norm=self.norm)

    def _tuned_accuracy(
        self,
        task: Task,
        search: Search,
        edge: Edge,
        choice: int,
    ) -> float:
        """Return the accuracy in per cent after tuning with one operation on the edge.

        `choice` is the index of that operation.
        """
        fixed = search.decisions.decide(edge.cell, edge.index, choice)
        tuned = task.evaluate_tuned(
            fixed,
            self.candidate_epochs,
            self.tune_learning_rate,
            self.norm,
            self.augment,
        )
        return tuned.accuracy

    def _measure(
        self,
        task: Task,
        mixture: Mixture,
    ) -> float:
        """Return the supernet's accuracy in per cent, or a proxy's score of it."""
        if self.measure == "accuracy":
            return task.evaluate(mixture, norm=self.norm, augment=self.augment).accuracy
        batch = task.minibatch(self.batch_size)
        return task.proxy(self.measure, mixture, batch, norm=self.norm)

    def _measure_without_edge(
        self,
        task: Task,
        mixture: Mixture,
    ) -> float:
        """Return the score of the supernet without an edge.

        Pruning keeps the edges whose removal makes the supernet worst. With
        change = "fix" a higher score stands for a better operation, so the sign is
        changed.
        """
        value = self._measure(task, mixture)
        return -1 * value if self.change == "fix" else value
