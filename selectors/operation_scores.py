"""Operation scores: what a scorer thinks of every operation on every edge (Xiang et al., Zero-Cost-PT, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import Decisions, Edge
from archselect.selectors.base import Log, Scale, Selection, Selector, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.topology import complete, thin_each


class OperationScores(Selector):
    """Score all operations of all open edges, decide the first of these edges, and score the others again.

    An instrument rather than a method: with edges in their fixed order the scores of every iteration can be held
    against an oracle (table "operations"), those of the first being of every (edge, operation) pair of the supernet as
    it is. It covers the scorers of the paper's figure: perturbation by a proxy (zc-pt) or by accuracy (darts-pt), and
    discretisation (disc-zc, disc-acc). One minibatch is drawn for each edge that a proxy scores. Where the space keeps
    a number of inputs per node, the nodes are thinned in order at the end.

    Settings:
        change: "mask" leaves the operation out (and keeps the one that hurts most), "fix" fixes the edge to it.
        measure: what is then measured of the supernet, "accuracy" or a proxy.
        rescore: whether open edges are scored again after each decision; if not, all are decided by the first scores.
        batch_size: images per minibatch of a proxy; the paper: 256 on NAS-Bench-201.
        norm: batch-norm mode while scoring.
        augment: whether the validation half is augmented while accuracy is measured.
        edges_restored: as for DARTS-PT.
        tune_epochs: of training between two decisions (darts-pt: 5).
        candidate_epochs: of training before the accuracy of a fixed candidate is measured, forgotten afterwards
            (disc-acc: 25).
        tune_learning_rate: constant, of both.
    """

    name: ClassVar[str] = "operation-scores"
    summary: ClassVar[str] = "scores all operations of all open edges, edge after edge in order: to study scorers"
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    formulation: ClassVar[int] = 1
    # Other values do not go with most settings, which a check would then vary one by one.
    small: ClassVar[Mapping[str, object]] = {"candidate_epochs": 0}

    change: Literal["mask", "fix"] = "mask"
    measure: str = "nwot"
    rescore: bool = True
    batch_size: int = Field(256, ge=2)
    norm: Literal["batch", "running"] = "running"
    augment: bool = False
    edges_restored: bool = True
    tune_epochs: int = Field(0, ge=0)
    candidate_epochs: int = Field(0, ge=0)
    tune_learning_rate: float = Field(0.0025, gt=0)

    def model_post_init(self, context: object) -> None:
        """Raises UserError for an unknown proxy, and for candidates that are tuned but not fixed and measured."""
        if self.measure != "accuracy":
            get_proxy(self.measure)
        if self.candidate_epochs and (self.change, self.measure) != ("fix", "accuracy"):
            raise UserError("candidate_epochs needs change = 'fix' and measure = 'accuracy'")

    def select(self, task: Task) -> Selection:
        """See :class:`OperationScores`."""
        good = "higher" if self.measure == "accuracy" else get_proxy(self.measure).better
        fix = self.change == "fix"
        better: Literal["higher", "lower"] = "higher" if (good == "higher") == fix else "lower"
        log = Log(Scale(f"{self.measure} {'with it alone' if fix else 'without it'}", better))
        space, decisions, step = task.space, task.space.undecided(), 0
        best: dict[Edge, int] = {}
        while edges := [edge for c in range(len(space.cells)) for edge in space.contested(decisions, c)]:
            for edge in edges if self.rescore or not best else ():
                best[edge] = log.scores(0, step, *edge, self._scores(task, decisions, edge))
            decisions = decisions.decide(*edges[0], best[edges[0]])
            log.decide(0, step, *edges[0], best[edges[0]])
            step += 1
            if self.tune_epochs and (len(edges) > 1 or space.crowded(decisions)):
                task.tune(decisions, self.tune_epochs, self.tune_learning_rate)
        decisions = space.settled(decisions)

        def without(fewer: Decisions) -> float:
            # An edge is dropped where the rest is best, whichever way the operations' scores go.
            return (-1 if fix else 1) * self._measure(task, task.mixture(fewer))

        steps = iter(range(step, step + sum(cell.nodes for cell in space.cells)))
        while space.crowded(decisions):
            decisions = thin_each(
                space,
                log,
                decisions,
                lambda nodes: nodes[0],
                without,
                round=0,
                steps=steps,
                edges_restored=self.edges_restored,
            )
        return log.selection(complete(space, decisions).architecture())

    def _scores(self, task: Task, decisions: Decisions, edge: Edge) -> list[float]:
        """Of the edge's operations, in index order."""
        choices = range(len(task.space.cells[edge[0]].operations[edge[1]]))
        if self.candidate_epochs:
            rate, norm, augment = self.tune_learning_rate, self.norm, self.augment
            fixed = (decisions.decide(*edge, choice) for choice in choices)
            return [task.evaluate_tuned(own, self.candidate_epochs, rate, norm, augment).accuracy for own in fixed]
        mixture = task.mixture(decisions)
        change = mixture.fixed if self.change == "fix" else mixture.without
        changed = [change(*edge, choice) for choice in choices]
        if self.measure == "accuracy":
            return [self._measure(task, own) for own in changed]
        return task.proxies(self.measure, changed, task.minibatch(self.batch_size), norm=self.norm)

    def _measure(self, task: Task, mixture: Mixture) -> float:
        if self.measure == "accuracy":
            return task.evaluate(mixture, norm=self.norm, augment=self.augment).accuracy
        return task.proxy(self.measure, mixture, task.minibatch(self.batch_size), norm=self.norm)
