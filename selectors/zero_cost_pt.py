"""Zero-Cost-PT: perturbation of an untrained supernet, scored by a proxy.

Xiang et al., AAAI 2023, algorithm 1.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import Batches, BatchSize
from archselect.nasbench_adapters.space import (
    Architecture,
    Edge,
    OverfullNode,
)
from archselect.selectors.base import Minibatch, Selection, Selector, Task
from archselect.selectors.discretisation import drop_at_random
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Undefined
from archselect.selectors.pruning import prune_node
from archselect.selectors.search import Search
from archselect.selectors.selection import Scale

LOG = logging.getLogger(__name__)
SCORED_ORDERS = ("global-op-iter", "global-edge-iter")
"""Orders in which all open edges are scored before each decision."""
FIXED_ORDERS = ("global-op-once", "global-edge-once")
"""Orders that are fixed by the scores at the start."""
MEAN_ORDERS = ("global-edge-iter", "global-edge-once")
"""Orders by the mean score of an edge; the other orders use its best score."""


class ZeroCostPT(Selector):
    """Propose N candidates edge by edge, then keep the one with the best score.

    Stage 1 runs `iterations` times, each time with new alphas and the same weights. It
    takes the edges in `order`, masks each operation of an edge in turn, and keeps the
    operation without which the proxy's score is lowest. The supernet is not tuned. A
    round decides one edge of every cell type with one minibatch. In spaces whose nodes
    keep a fixed number of inputs, more rounds then prune one node of every cell type
    each (:mod:`archselect.selectors.pruning`).

    Stage 2 scores every distinct candidate as a freshly initialised network; the scores
    of `validation_batches` minibatches are added. A candidate without a score, such as
    a disconnected cell, is left out, and the run's log says so. If no candidate has a
    score, the run fails.

    Settings:
        proxy: proxy that gives the scores, by name or as FILE.py:OBJECT.
        iterations: N, number of candidates.
        order: order of a cell type's edges: "random", "order" (input to output), or
            "reverse". "global-op-iter" decides the open (edge, operation) pair with the
            lowest score, "global-edge-iter" the open edge with the lowest mean score.
            "global-op-once" and "global-edge-once" fix that order at the start. (In the
            released code both "-once" orders equal "reverse", because it takes edges
            from the end of an unsorted list.) Nodes are pruned in random order; with
            "reverse", from the last to the first.
        batch_size: images per minibatch; the paper has 256 on NAS-Bench-201 and 64 on
            DARTS.
        validation_batches: V, number of minibatches of stage 2.
        norm: batch-norm mode while the supernet is scored.
        fresh_alphas: whether every iteration draws new alphas (released code: yes on
            NAS-Bench-201, no on the DARTS space).
        inputs, edges_restored: as for DARTS-PT.
    """

    name: ClassVar[str] = "zero-cost-pt"
    summary: ClassVar[str] = (
        "perturbs an untrained supernet, scored by a proxy, then picks one of N candidates"
    )
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {"iterations": 2}

    proxy: str = "nwot"
    iterations: Batches = 10
    order: Literal[
        "random",
        "order",
        "reverse",
        "global-op-iter",
        "global-op-once",
        "global-edge-iter",
        "global-edge-once",
    ] = "random"
    batch_size: BatchSize = 256
    validation_batches: Batches = 100
    norm: Literal["batch", "running"] = "running"
    fresh_alphas: bool = True
    inputs: Literal["perturbation", "strongest", "random"] = "perturbation"
    edges_restored: bool = True

    def model_post_init(self, _context: object) -> None:
        """Raise UserError for an unknown proxy."""
        get_proxy(self.proxy)

    def settings(self) -> dict[str, Any]:
        """See :meth:`.Selector.settings`."""
        return {**super().settings(), "proxy": get_proxy(self.proxy).name}

    def select(self, task: Task) -> Selection:
        """Return the best of the proposed candidates."""
        proxy = get_proxy(self.proxy)
        search = task.search(
            f"{proxy.name} without it",
            better="lower" if proxy.better == "higher" else "higher",
            architectures=Scale(proxy.name, proxy.better),
        )
        candidates = [self._propose(task, search) for _ in range(self.iterations)]
        distinct = list(dict.fromkeys(candidates))
        self._score_candidates(task, search, distinct)
        return search.selection(search.best_architecture())

    def _propose(
        self,
        task: Task,
        search: Search,
    ) -> Architecture:
        """Propose one candidate (stage 1), and open all edges again."""
        search.alphas = task.new_alphas() if self.fresh_alphas else task.alphas
        fixed_order = self._fix_order(task, search)
        for parts in search.rounds():
            batch = task.minibatch(self.batch_size)
            for edges in parts:
                self._decide_one(task, search, edges, batch, fixed_order)
        if self.inputs == "strongest":
            search.keep_strongest()
        elif self.inputs == "random":
            drop_at_random(task, search)
        self._prune(task, search)
        candidate = self._candidate(search)
        search.start_over()
        return candidate

    def _candidate(self, search: Search) -> Architecture:
        """Return the candidate that a search has decided on."""
        return search.architecture()

    def _without(self, search: Search, edge: Edge) -> list[Mixture]:
        """Return one mixture per live operation of an edge, without that one."""
        return search.without(edge)

    def _fix_order(
        self,
        task: Task,
        search: Search,
    ) -> list[Edge]:
        """Return the edges in the order that is fixed at the start, best first.

        It is empty for orders that are not fixed.
        """
        order: list[Edge] = []
        if self.order in FIXED_ORDERS:
            for edges in search.open_parts():
                batch = task.minibatch(self.batch_size)
                scores = self._score(task, search, edges, batch)
                order += self._rank(scores)
        return order

    def _decide_one(
        self,
        task: Task,
        search: Search,
        edges: list[Edge],
        batch: Minibatch,
        fixed_order: list[Edge],
    ) -> None:
        """Decide one of a cell type's open edges.

        Args:
            task: scores the supernet.
            search: the search to change.
            edges: the open edges.
            batch: minibatch of this round.
            fixed_order: result of :meth:`_fix_order`.
        """
        if self.order in SCORED_ORDERS:
            scores = self._score(task, search, edges, batch)
            edge = self._rank(scores)[0]
        else:
            edge = self._next_edge(task, edges, fixed_order)
            self._score(task, search, [edge], batch)
        if self.order == "global-edge-iter":
            another_batch = task.minibatch(self.batch_size)
            self._score(task, search, [edge], another_batch)
        search.decide(edge)

    def _next_edge(
        self,
        task: Task,
        edges: list[Edge],
        fixed_order: list[Edge],
    ) -> Edge:
        """Return the edge to decide next, for orders that need no new scores."""
        if self.order == "random":
            return task.pick(edges)
        if self.order == "order":
            return edges[0]
        if self.order == "reverse":
            return edges[-1]
        return next(edge for edge in fixed_order if edge in edges)

    def _score(
        self,
        task: Task,
        search: Search,
        edges: list[Edge],
        batch: Minibatch,
    ) -> dict[Edge, list[float]]:
        """Return, for each operation of some edges, the proxy's score without it.

        The search records them as one step.
        """
        scores = {}
        with search.step():
            for edge in edges:
                mixtures = self._without(search, edge)
                values = task.proxies(self.proxy, mixtures, batch, norm=self.norm)
                search.score(edge, values)
                scores[edge] = values
        return scores

    def _rank(self, scores: dict[Edge, list[float]]) -> list[Edge]:
        """Return the edges from the best to the worst, by their mean or best score.

        A good operation is one without which the proxy's score is bad. Ties go to the
        earlier edge.
        """
        sign = 1 if get_proxy(self.proxy).better == "higher" else -1
        keys: dict[Edge, float] = {}
        for edge, values in scores.items():
            signed = [sign * value for value in values]
            by_mean = self.order in MEAN_ORDERS
            keys[edge] = float(np.mean(signed)) if by_mean else min(signed)
        return sorted(keys, key=keys.__getitem__)

    def _prune(self, task: Task, search: Search) -> None:
        """Prune the nodes by perturbation, with one minibatch per round."""
        for node_parts in search.node_rounds():
            batch = task.minibatch(self.batch_size)
            for nodes in node_parts:
                self._prune_one(task, search, nodes, batch)

    def _prune_one(
        self,
        task: Task,
        search: Search,
        nodes: list[OverfullNode],
        batch: Minibatch,
    ) -> None:
        """Prune one of a cell type's overfull nodes."""
        node = nodes[-1] if self.order == "reverse" else task.pick(nodes)
        # The minibatch stays the same, so a restored edge has the same score again.
        prune_node(
            search,
            node,
            lambda mixture: task.proxy(self.proxy, mixture, batch, norm=self.norm),
            edges_restored=self.edges_restored,
            same_again=True,
        )

    def _score_candidates(
        self,
        task: Task,
        search: Search,
        candidates: list[Architecture],
    ) -> None:
        """Record the score of every candidate that has one (stage 2).

        Raises Undefined if no candidate has a score.
        """
        undefined: list[Undefined] = []
        for candidate in candidates:
            try:
                score = task.proxy_of_network(
                    self.proxy, candidate, self.validation_batches, self.batch_size
                )
            except Undefined as error:
                LOG.warning("a candidate is left out: %s", error)
                undefined.append(error)
            else:
                search.score_architecture(candidate, score)
        if len(undefined) == len(candidates):
            raise undefined[0]
