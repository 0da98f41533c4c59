"""Zero-Cost-PT: perturbation of an untrained supernet, scored by a proxy (Xiang et al., AAAI 2023, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from archselect.nasbench_adapters.space import Architecture
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
        """Stage 1: one candidate. Every scoring of one or more edges, on a minibatch of its own, is a step."""
        alphas = task.new_alphas()
        decisions = task.space.undecided()
        steps = count()

        def score(edges: list[Edge]) -> Scores:
            batch, mixture, step = task.minibatch(self.batch_size), task.mixture(decisions, alphas), next(steps)
            scores = Scores(step, {}, {})
            for cell, edge in edges:
                scores.values[cell, edge] = [
                    task.proxy(self.proxy, mixture.without(cell, edge, choice), batch, norm=self.norm)
                    for choice in range(len(task.space.cells[cell].operations[edge]))
                ]
                scores.best[cell, edge] = log.scores(round, step, cell, edge, scores.values[cell, edge])
            return scores

        queue = self._queue(score, log, decisions.open_edges())
        while edges := decisions.open_edges():
            if self.order == "random":
                scores = score([edges[task.rng.integers(len(edges))]])
            elif self.order == "global-op-iter":
                scores = score(edges)
            elif self.order == "global-edge-iter":
                scores = score([_order(score(edges), log, np.mean)[0]])
            else:
                scores = score([queue.pop(0)])
            edge = _order(scores, log, _extreme(log))[0]
            log.decide(round, scores.step, *edge, scores.best[edge])
            decisions = decisions.decide(*edge, scores.best[edge])
        return decisions.architecture()

    def _queue(self, score: Callable[[list[Edge]], Scores], log: Log, edges: list[Edge]) -> list[Edge]:
        """The edges in the order that is fixed from the start, if one is."""
        match self.order:
            case "order":
                return edges
            case "reverse":
                return edges[::-1]
            case "global-op-once":
                return _order(score(edges), log, _extreme(log))
            case "global-edge-once":
                return _order(score(edges), log, np.mean)
        return []


class Scores(NamedTuple):
    """The scores of some edges' operations at one step, and the best operation of each edge."""

    step: int
    values: dict[Edge, list[float]]
    best: dict[Edge, int]


def _order(scores: Scores, log: Log, reduce: Callable[[list[float]], float]) -> list[Edge]:
    """The edges from the best reduced score to the worst, in the log's direction; ties go to the earlier edge."""
    sign = -1 if _higher(log) else 1
    return sorted(scores.values, key=lambda edge: sign * float(reduce(scores.values[edge])))


def _extreme(log: Log) -> Callable[[list[float]], float]:
    return max if _higher(log) else min


def _higher(log: Log) -> bool:
    return log.operations is not None and log.operations.better == "higher"
