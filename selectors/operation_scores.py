"""Operation scores: what a scorer thinks of every operation on every edge (Xiang et al., Zero-Cost-PT, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import MOST_EPOCHS, MOST_IMAGES_AT_ONCE
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import Edge
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.pruning import prune_node
from archselect.selectors.search import Search
from archselect.selectors.selection import Better


class OperationScores(Selector):
    """Score all operations of all open edges, decide the first of these edges, and score the others again.

    An instrument rather than a method: with edges in their fixed order the scores of
    every iteration can be held against an oracle (table "operations"), those of the
    first being of every (edge, operation) pair of the supernet as
    it is. It covers the scorers of the paper's figure: perturbation by a proxy (zc-pt)
    or by accuracy (darts-pt), and discretisation (disc-zc, disc-acc). One minibatch is
    drawn for each edge that a proxy scores. Where the space keeps a number of inputs
    per node, the nodes are thinned in order at the end.

    Settings:
        change: "mask" leaves the operation out (and keeps the one that hurts most),
            "fix" fixes the edge to it.
        measure: what is then measured of the supernet, "accuracy" or a proxy.
        rescore: whether open edges are scored again after each decision; if not, all
            are decided by the first scores.
        batch_size: images per minibatch of a proxy; the paper: 256 on NAS-Bench-201.
        norm: batch-norm mode while scoring.
        augment: whether the validation half is augmented while accuracy is measured.
        edges_restored: as for DARTS-PT.
        tune_epochs: of training between two decisions (darts-pt: 5).
        candidate_epochs: of training before the accuracy of a fixed candidate is
            measured, forgotten afterwards (disc-acc: 25).
        tune_learning_rate: constant, of both.
    """

    name: ClassVar[str] = "operation-scores"
    summary: ClassVar[str] = (
        "scores all operations of all open edges, edge after edge in order: to study scorers"
    )
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    formulation: ClassVar[int] = 1
    # Other values do not go with most settings, which a check would then vary one by
    # one.
    small: ClassVar[Mapping[str, object]] = {"candidate_epochs": 0}

    change: Literal["mask", "fix"] = "mask"
    measure: str = "nwot"
    rescore: bool = True
    batch_size: int = Field(256, ge=2, le=MOST_IMAGES_AT_ONCE)
    norm: Literal["batch", "running"] = "running"
    augment: bool = False
    edges_restored: bool = True
    tune_epochs: int = Field(0, ge=0, le=MOST_EPOCHS)
    candidate_epochs: int = Field(0, ge=0, le=MOST_EPOCHS)
    tune_learning_rate: float = Field(0.0025, gt=0)

    def model_post_init(self, context: object) -> None:
        """Raises UserError for an unknown proxy, and for candidates that are tuned but not fixed and measured."""
        if self.measure != "accuracy":
            get_proxy(self.measure)
        if self.candidate_epochs and (self.change, self.measure) != ("fix", "accuracy"):
            raise UserError(
                "candidate_epochs needs change = 'fix' and measure = 'accuracy'"
            )

    def select(self, task: Task) -> Selection:
        """See :class:`OperationScores`."""
        search = task.search(self._scale_name, better=self._better)
        for number, parts in enumerate(search.rounds()):
            edges = [edge for part in parts for edge in part]
            with search.step():
                if self.rescore or number == 0:
                    for edge in edges:
                        search.score(edge, self._scores(task, search, edge))
                search.decide(edges[0])
            if self.tune_epochs and not search.is_finished:
                task.tune(search.decisions, self.tune_epochs, self.tune_learning_rate)
        # An edge is dropped where the rest is best, whichever way the operations'
        # scores go.
        sign = -1 if self.change == "fix" else 1
        for node_parts in search.node_rounds():
            for nodes in node_parts:
                prune_node(
                    search,
                    nodes[0],
                    lambda decisions: (
                        sign * self._measure(task, search.mixture_of(decisions))
                    ),
                    edges_restored=self.edges_restored,
                )
        return search.selection()

    @property
    def _scale_name(self) -> str:
        return f"{self.measure} {'with it alone' if self.change == 'fix' else 'without it'}"

    @property
    def _better(self) -> Better:
        """Which score an operation that matters has."""
        of_measure = (
            "higher" if self.measure == "accuracy" else get_proxy(self.measure).better
        )
        is_high = (of_measure == "higher") == (self.change == "fix")
        return "higher" if is_high else "lower"

    def _scores(self, task: Task, search: Search, edge: Edge) -> list[float]:
        """Return the scores of an edge's operations, in index order."""
        if self.candidate_epochs:
            return [
                self._tuned_accuracy(task, search, edge, choice)
                for choice in edge.choices
            ]
        mixtures = search.only(edge) if self.change == "fix" else search.without(edge)
        if self.measure == "accuracy":
            return [self._measure(task, mixture) for mixture in mixtures]
        return task.proxies(
            self.measure, mixtures, task.minibatch(self.batch_size), norm=self.norm
        )

    def _tuned_accuracy(
        self, task: Task, search: Search, edge: Edge, choice: int
    ) -> float:
        """Return the accuracy that the supernet has in per cent after tuning with the edge fixed to an operation."""
        fixed = search.decisions.decide(edge.cell, edge.index, choice)
        tuned = task.evaluate_tuned(
            fixed,
            self.candidate_epochs,
            self.tune_learning_rate,
            self.norm,
            self.augment,
        )
        return tuned.accuracy

    def _measure(self, task: Task, mixture: Mixture) -> float:
        """Return the accuracy in per cent, or the proxy's score, of the supernet under a mixture."""
        if self.measure == "accuracy":
            return task.evaluate(mixture, norm=self.norm, augment=self.augment).accuracy
        return task.proxy(
            self.measure, mixture, task.minibatch(self.batch_size), norm=self.norm
        )
