"""Zero-Cost-PT: perturbation of an untrained supernet, scored by a proxy (Xiang et al., AAAI 2023, algorithm 1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import count
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from archselect.nasbench_adapters.space import Architecture, Decisions, Edge
from archselect.selectors.base import Batch, Log, Scale, Selection, Selector, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Undefined
from archselect.selectors.topology import complete, thin_each

LOG = logging.getLogger(__name__)


class ZeroCostPT(Selector):
    """Propose N candidates by perturbing the supernet edge by edge, then keep the candidate a proxy likes best.

    Stage 1, `iterations` times, each with fresh alphas on the same weights: take edges in `order`; mask each operation
    of the edge in turn; keep the one without which the proxy scores lowest; no tuning. A round decides one edge of
    every cell type on one minibatch. Where the space keeps a number of inputs per node, rounds follow that thin out
    one node of every cell type: see :mod:`archselect.selectors.topology`. Stage 2: every distinct candidate is scored
    as a freshly initialised network, summed over `validation_batches` minibatches. A candidate of which the proxy has
    no score, such as a disconnected cell, is left out, and the run's log says so; without any score left the run fails.

    Settings:
        proxy: the score.
        iterations: N, candidates proposed.
        order: of a cell type's edges: "random", "order" (input to output), "reverse"; "global-op-iter" decides the
            lowest score of all open (edge, operation) pairs; "global-edge-iter" the open edge with the lowest mean
            score; "global-op-once" and "global-edge-once" fix that order at the start. (In the released code both
            "-once" orders come out as "reverse", because it takes edges from the end of the list without sorting.)
            Nodes are thinned in random order, with "reverse" from the last one on.
        batch_size: images per minibatch; the paper: 256 on NAS-Bench-201, 64 on DARTS.
        validation_batches: V of stage 2.
        norm: batch-norm mode while the supernet is scored.
        fresh_alphas: whether every iteration draws new alphas (released code: yes on NAS-Bench-201, no on the DARTS
            space).
        edges_restored: as for DARTS-PT.
    """

    name: ClassVar[str] = "zero-cost-pt"
    summary: ClassVar[str] = "perturbs an untrained supernet under a proxy, then picks among N candidates"
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    small: ClassVar[Mapping[str, object]] = {"iterations": 2}

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
    fresh_alphas: bool = True
    edges_restored: bool = True

    def model_post_init(self, context: object) -> None:
        """Raises UserError for an unknown proxy."""
        get_proxy(self.proxy)

    def select(self, task: Task) -> Selection:
        """See :class:`ZeroCostPT`."""
        better = get_proxy(self.proxy).better
        without: Literal["higher", "lower"] = "lower" if better == "higher" else "higher"
        log = Log(Scale(f"{self.proxy} without it", without), Scale(self.proxy, better))
        candidates = dict.fromkeys(self._propose(task, log, round) for round in range(self.iterations))
        without_score: list[Undefined] = []
        for candidate in candidates:
            try:
                score = task.proxy_of_network(self.proxy, candidate, self.validation_batches, self.batch_size)
            except Undefined as error:
                LOG.warning("a candidate is left out: %s", error)
                without_score.append(error)
            else:
                log.architecture(candidate, score)
        if len(without_score) == len(candidates):
            raise without_score[0]
        return log.selection(log.best_architecture())

    def _propose(self, task: Task, log: Log, round: int) -> Architecture:
        """Stage 1: one candidate. Every scoring of one or more edges is a step."""
        space, decisions, steps = task.space, task.space.undecided(), count()
        alphas = task.new_alphas() if self.fresh_alphas else task.alphas

        def score(edges: list[Edge], batch: Batch) -> Scores:
            mixture, step = task.mixture(decisions, alphas), next(steps)
            scores = Scores(step, {}, {})
            for cell, edge in edges:
                masked = [mixture.without(cell, edge, k) for k in range(len(space.cells[cell].operations[edge]))]
                scores.values[cell, edge] = task.proxies(self.proxy, masked, batch, norm=self.norm)
                scores.best[cell, edge] = log.scores(round, step, cell, edge, scores.values[cell, edge])
            return scores

        cells = range(len(space.cells))
        fresh = partial(task.minibatch, self.batch_size)
        queues = [self._queue(lambda edges: score(edges, fresh()), log, space.contested(decisions, c)) for c in cells]
        while any(space.contested(decisions, c) for c in cells):
            batch = fresh()
            for c in cells:
                if not (edges := space.contested(decisions, c)):
                    continue
                if self.order == "random":
                    scores = score([edges[task.rng.integers(len(edges))]], batch)
                elif self.order == "global-op-iter":
                    scores = score(edges, batch)
                elif self.order == "global-edge-iter":
                    scores = score([_order(score(edges, batch), log, np.mean)[0]], fresh())
                else:
                    scores = score([queues[c].pop(0)], batch)
                edge = _order(scores, log, _extreme(log))[0]
                log.decide(round, scores.step, *edge, scores.best[edge])
                decisions = decisions.decide(*edge, scores.best[edge])
        decisions = space.settled(decisions)
        while space.crowded(decisions):
            batch = fresh()

            @cache  # the minibatch stays, so an edge that is restored scores the same again
            def without(fewer: Decisions, batch: Batch = batch) -> float:
                return task.proxy(self.proxy, task.mixture(fewer, alphas), batch, norm=self.norm)

            def pick(nodes: list[int]) -> int:
                return nodes[-1] if self.order == "reverse" else nodes[task.rng.integers(len(nodes))]

            decisions = thin_each(
                space,
                log,
                decisions,
                pick,
                without,
                round=round,
                steps=steps,
                edges_restored=self.edges_restored,
            )
        return complete(space, decisions).architecture()

    def _queue(self, score: Callable[[list[Edge]], Scores], log: Log, edges: list[Edge]) -> list[Edge]:
        """The edges of a cell type in the order that is fixed from the start, if one is."""
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
