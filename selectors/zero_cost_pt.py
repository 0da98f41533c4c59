"""Zero-Cost-PT: perturbation of an untrained supernet, scored by a proxy (Xiang et al., AAAI 2023, algorithm 1)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from archselect.nasbench_adapters.space import Architecture, Decisions
from archselect.selectors.base import Log, Scale, Selection, Selector, Task
from archselect.selectors.proxies import get_proxy

Edge = tuple[int, int]


class ZeroCostPT(Selector):
    """Propose N candidates by perturbing the supernet edge by edge, then keep the candidate a proxy likes best.

    Stage 1, `iterations` times, each with fresh alphas on the same weights: take edges in `order`; mask each operation
    of the edge in turn; keep the one without which the proxy scores lowest; no tuning. Stage 2: every distinct
    candidate is scored as a freshly initialised network, summed over `validation_batches` minibatches.

    Settings:
        proxy: the score.
        iterations: N, candidates proposed.
        order: of edges: "random", "order" (input to output), "reverse"; "global-op-iter" decides the lowest score of
            all open (edge, operation) pairs; "global-edge-iter" the open edge with the lowest mean score;
            "global-op-once" and "global-edge-once" fix that order at the start. (In the released code both "-once"
            orders come out as "reverse", because it takes edges from the end of the list without sorting.)
        batch_size: images per minibatch; the paper: 256 on NAS-Bench-201, 64 on DARTS.
        validation_batches: V of stage 2.
        norm: batch-norm mode while the supernet is scored.
    """

    name: ClassVar[str] = "zero-cost-pt"
    summary: ClassVar[str] = "perturbs an untrained supernet under a proxy, then picks among N candidates"
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"

    proxy: str = "nwot"
    iterations: int = Field(10, ge=1)
    order: Literal[
        "random",
        "order",
        "reverse",
        "global-op-iter",
        "global-op-once",
        "global-edge-iter",
        "global-edge-once",
    ] = "random"
    batch_size: int = Field(256, ge=2)
    validation_batches: int = Field(100, ge=1)
    norm: Literal["batch", "running"] = "running"

    def model_post_init(self, context: object) -> None:
        """Raises UserError for an unknown proxy."""
        get_proxy(self.proxy)

    def select(self, task: Task) -> Selection:
        """See :class:`ZeroCostPT`."""
        better = get_proxy(self.proxy).better
        without: Literal["higher", "lower"] = "lower" if better == "higher" else "higher"
        log = Log(Scale(f"{self.proxy} without it", without), Scale(self.proxy, better))
        candidates = [self._propose(task, log, round) for round in range(self.iterations)]
        for candidate in dict.fromkeys(candidates):
            score = task.proxy_of_network(self.proxy, candidate, self.validation_batches, self.batch_size)
            log.architecture(candidate, score)
        return log.selection(log.best_architecture())

    def _propose(self, task: Task, log: Log, round: int) -> Architecture:
        """Stage 1: one candidate."""
        alphas = task.new_alphas()
        decisions = task.space.undecided()
        queue = self._queue(task, alphas, decisions)
        step = 0
        while edges := decisions.open_edges():
            if self.order == "global-op-iter":
                scores = self._scores(task, alphas, decisions, edges)
                chosen = {edge: log.scores(round, step, *edge, values) for edge, values in scores.items()}
                edge = self._best_edge(log, {edge: scores[edge][choice] for edge, choice in chosen.items()})
                best = chosen[edge]
            else:
                if self.order == "global-edge-iter":
                    scores = self._scores(task, alphas, decisions, edges)
                    edge = self._best_edge(log, {e: float(np.mean(values)) for e, values in scores.items()})
                elif self.order == "random":
                    edge = edges[task.rng.integers(len(edges))]
                else:
                    edge = queue[step]
                scores = self._scores(task, alphas, decisions, [edge])
                best = log.scores(round, step, *edge, scores[edge])
            log.decide(round, step, *edge, best)
            decisions = decisions.decide(*edge, best)
            step += 1
        return decisions.architecture()

    def _queue(self, task: Task, alphas: tuple[Tensor, ...], decisions: Decisions) -> list[Edge]:
        """The edges in an order that is fixed from the start."""
        edges = decisions.open_edges()
        if self.order == "reverse":
            return edges[::-1]
        if self.order in ("global-op-once", "global-edge-once"):
            reduce = min if self.order == "global-op-once" else np.mean
            scores = self._scores(task, alphas, decisions, edges)
            return sorted(edges, key=lambda edge: float(reduce(scores[edge])))
        return edges

    def _scores(
        self, task: Task, alphas: tuple[Tensor, ...], decisions: Decisions, edges: list[Edge]
    ) -> dict[Edge, list[float]]:
        """The proxy's score without each operation of each edge, all on one fresh minibatch."""
        batch = task.minibatch(self.batch_size)
        mixture = task.mixture(decisions, alphas)
        return {
            (cell, edge): [
                task.proxy(self.proxy, mixture.without(cell, edge, choice), batch, norm=self.norm)
                for choice in range(len(task.space.cells[cell].operations[edge]))
            ]
            for cell, edge in edges
        }

    @staticmethod
    def _best_edge(log: Log, values: dict[Edge, float]) -> Edge:
        """The edge with the best value in the direction of the log's scale; ties go to the earlier edge."""
        assert log.operations is not None
        return (max if log.operations.better == "higher" else min)(values, key=lambda edge: values[edge])
