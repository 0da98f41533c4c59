"""`Search`: the state of one selection.

It is the only thing that a selector has to learn.

It knows what is decided, notes scores and decisions for the record, and builds the
mixtures to score::

    search = task.search("loss with it alone", better="lower")
    for edge in search.open_edges():
        search.decide(edge, [task.evaluate(mixture).loss for mixture in search.only(edge)])
    return search.selection()

Scores belong to a step, which :meth:`Search.score` and :meth:`Search.decide` begin by
themselves. Steps belong to a round; only a selector that starts over, as Zero-Cost-PT
does for each of its candidates, has more than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Protocol

import numpy as np
from torch import Tensor

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Decisions,
    Edge,
    OverfullNode,
    SearchSpace,
)
from archselect.selectors.selection import (
    DecidedEdge,
    ScoredEdge,
    ScoredOperation,
    ScoreScale,
    Selection,
)
from archselect.selectors.topology import fill_nodes


class MakesMixtures(Protocol):
    """The part of a task that a search needs."""

    space: SearchSpace

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """See :meth:`archselect.selectors.base.Task.mixture`."""
        ...


class Search:
    """What is decided so far, what has been scored, and the mixtures that follow.

    Args:
        task: makes the mixtures.
        operations: scale of the scores of operations and edges; None where the selector
            has none.
        architectures: scale of the scores of whole architectures; None where the
            selector has none.

    Attributes:
        space: in which it searches.
        decisions: of the present round; an immutable value.
        alphas: of which mixtures are made, one (edges, operations) tensor per cell
            type; None stands for the task's.
    """

    def __init__(
        self,
        task: MakesMixtures,
        operations: ScoreScale | None = None,
        architectures: ScoreScale | None = None,
    ):
        self.space = task.space
        self.decisions = task.space.undecided()
        self.alphas: Sequence[Tensor] | None = None
        self._task = task
        self._operations = operations
        self._architectures = architectures
        self._round = 0
        self._step = -1
        self._in_step = False
        self._latest: dict[Edge, Sequence[float]] = {}
        self._strength: dict[Edge, float] = {}
        self._operation_scores: list[ScoredOperation] = []
        self._edge_scores: list[ScoredEdge] = []
        self._decided: list[DecidedEdge] = []
        self._architecture_scores: list[tuple[Architecture, float]] = []

    # --- what is left to decide

    def open_edges(self, cell: int | None = None) -> Iterator[Edge]:
        """Yield the undecided edges in order, of one cell type or of all; those decided in the meantime are skipped."""
        for edge in self.space.open_edges(self.decisions, cell):
            if self._is_open(edge):
                yield edge

    def open_parts(self) -> list[list[Edge]]:
        """Return, per cell type that has any, the open edges of several operations."""
        parts = [
            self.space.open_choices(self.decisions, cell)
            for cell in range(len(self.space.cells))
        ]
        return [edges for edges in parts if edges]

    def rounds(self) -> Iterator[list[list[Edge]]]:
        """Yield :meth:`open_parts` until nothing is left to choose.

        Raises ValueError if nothing is decided between two of them.
        """
        while parts := self.open_parts():
            before = self.decisions
            yield parts
            if self.decisions == before:
                raise ValueError("a round decides no edge: call search.decide")

    def node_rounds(self) -> Iterator[list[list[OverfullNode]]]:
        """Yield the nodes with too many inputs, until there are none: per cell type those that are left.

        Edges of one operation are decided first. Raises ValueError if nothing is
        dropped between two of them.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        while nodes := self.space.overfull_nodes(self.decisions):
            before = self.decisions
            parts = groupby(nodes, key=lambda node: node.cell)
            yield [list(part) for _, part in parts]
            if self.decisions == before:
                raise ValueError("a round drops no edge: call search.drop")

    @property
    def is_finished(self) -> bool:
        """Whether no edge has a choice left, and no node too many inputs."""
        return not self.open_parts() and not self.space.overfull_nodes(self.decisions)

    def inputs(self, node: OverfullNode) -> list[Edge]:
        """Return the edges into a node that are not dropped."""
        return [edge for edge in node.inputs if self._choice(edge) != DROPPED]

    # --- mixtures

    @property
    def mixture(self) -> Mixture:
        """The present mixture: softmax(alpha) on open edges, one operation on decided ones, nothing on dropped ones."""
        return self.mixture_of(self.decisions)

    def mixture_of(self, decisions: Decisions) -> Mixture:
        """Return the mixture of other decisions, with this search's alphas."""
        return self._task.mixture(decisions, self.alphas)

    def weights(self) -> dict[Edge, list[float]]:
        """Return the present mixture's weights by edge, one per operation in index order, as numbers."""
        rows = [matrix.tolist() for matrix in self.mixture.weights]
        return {
            edge: rows[edge.cell][edge.index][: len(edge.operations)]
            for edges in self.space.edges
            for edge in edges
        }

    def only(self, edge: Edge) -> list[Mixture]:
        """Return the present mixture with each of an edge's operations alone on it, in index order."""
        mixture = self.mixture
        return [mixture.fixed(edge.cell, edge.index, choice) for choice in edge.choices]

    def without(self, edge: Edge, renormalise: bool = False) -> list[Mixture]:
        """Return the present mixture without each of an edge's operations, in index order.

        Args:
            edge: that loses an operation.
            renormalise: whether the weights that are left are rescaled to sum to one.
        """
        mixture = self.mixture
        return [
            mixture.without(edge.cell, edge.index, choice, renormalise=renormalise)
            for choice in edge.choices
        ]

    # --- scores and decisions

    @contextmanager
    def step(self) -> Iterator[None]:
        """Make one step of all that is scored and decided within."""
        if self._in_step:
            raise ValueError("a step within a step: end the first one before the next")
        self._step += 1
        self._in_step = True
        try:
            yield
        finally:
            self._in_step = False

    def score(self, edge: Edge, values: Sequence[float]) -> None:
        """Note the scores of an edge's operations, and decide nothing.

        Args:
            edge: an open one.
            values: one per operation, in index order.

        Raises:
            ValueError: the edge is decided, the number of values is not that of its
                operations, one of them is not finite, or the search has no scale of
                operations.
        """
        scale = self._scale_of_operations()
        self._require_open(edge)
        if len(values) != len(edge.operations):
            raise ValueError(
                f"{len(values)} scores for the {len(edge.operations)} operations of {edge}"
            )
        for name, value in zip(edge.operations, values, strict=True):
            _require_finite(value, scale, f"operation {name} on {edge}")
        self._begin_step()
        for choice, value in enumerate(values):
            noted = ScoredOperation(
                self._round, self._step, edge.cell, edge.index, choice, float(value)
            )
            self._operation_scores.append(noted)
        self._latest[edge] = values

    def decide(
        self,
        edge: Edge,
        values: Sequence[float] | None = None,
        *,
        among: Sequence[int] | None = None,
        operation: int | None = None,
    ) -> None:
        """Decide an edge: for the best of `values`, or of its last scores without them, or for `operation`.

        Ties go to the lower index.

        Args:
            edge: an open one.
            values: scores to note first, as :meth:`score` takes them.
            among: indices of the operations of which the best is taken; all if left
                out.
            operation: the index of the operation to keep, whatever the scores.

        Raises:
            ValueError: as :meth:`score`; or `operation` is given beside `values` or
                `among`, the edge has no such operation, or no score to decide it by.
        """
        if operation is not None and (values is not None or among is not None):
            raise ValueError(
                "decide for the best of the values or for an operation, not for both"
            )
        self._require_open(edge)
        if values is not None:
            self.score(edge, values)
        choice = self._best(edge, among) if operation is None else operation
        if choice not in edge.choices:
            raise ValueError(
                f"{edge} has no operation {choice}: it has {len(edge.operations)}"
            )
        if edge in self._latest:
            self._strength[edge] = self._scale_of_operations().sign * float(
                self._latest[edge][choice]
            )
        self._note(edge, choice)

    def drop(self, node: OverfullNode, scores: Mapping[Edge, float]) -> None:
        """Drop an input of a node: the one with the worst score, the later one of equals.

        Args:
            node: with more inputs than it keeps.
            scores: by input; of the supernet without it, where an edge that matters has
                the best score.

        Raises:
            ValueError: a score is missing or not finite, or the search has no scale of
                operations.
        """
        scale = self._scale_of_operations()
        inputs = self.inputs(node)
        if set(scores) != set(inputs):
            raise ValueError(
                f"{len(scores)} scores for the {len(inputs)} inputs of node {node.index}"
            )
        for edge in inputs:
            _require_finite(scores[edge], scale, f"the supernet without {edge}")
        self._begin_step()
        for edge in inputs:
            value = float(scores[edge])
            self._edge_scores.append(
                ScoredEdge(
                    self._round, self._step, edge.cell, node.index, edge.index, value
                )
            )
        worst = min(reversed(inputs), key=lambda edge: scale.sign * scores[edge])
        self._note(worst, DROPPED)

    def drop_edge(self, edge: Edge) -> None:
        """Drop an edge that needs no score of its own: an open one, or a decided one of an overfull node."""
        self._note(edge, DROPPED)

    # --- rounds and results

    def new_round(self) -> None:
        """Begin again with all edges open.

        Scores and decisions of the rounds before stay noted.
        """
        self.decisions = self.space.undecided()
        self._round += 1
        self._step = -1
        self._latest = {}
        self._strength = {}

    def architecture(self) -> Architecture:
        """Return the architecture decided on in this round.

        Edges of one operation need no decision. A node that still has too many inputs
        keeps the strongest: those whose operation had the best score when it was
        decided, the earlier ones of equals. A node that is left with fewer inputs than
        it keeps is filled up, see :func:`.fill_nodes`.

        Raises:
            ValueError: an edge is undecided, or some inputs of a node were decided by
                scores and others without.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        for node in self.space.overfull_nodes(self.decisions):
            for edge in self._weakest(node):
                self._note(edge, DROPPED)
        return fill_nodes(self.space, self.decisions).architecture()

    def score_architecture(self, architecture: Architecture, value: float) -> None:
        """Note the score of a whole architecture.

        Raises ValueError without a scale, or if the value is not finite.
        """
        if self._architectures is None:
            raise ValueError(
                "scores of architectures need a scale: task.search(architectures=ScoreScale(...))"
            )
        _require_finite(
            value, self._architectures, f"architecture {architecture.choices}"
        )
        self._architecture_scores.append((architecture, float(value)))

    def best_architecture(self) -> Architecture:
        """Return the best architecture scored; ties go to the first.

        Raises ValueError if there is none.
        """
        if self._architectures is None or not self._architecture_scores:
            raise ValueError("no architecture was scored")
        sign = self._architectures.sign
        best, _ = max(self._architecture_scores, key=lambda scored: sign * scored[1])
        return best

    def selection(
        self, architecture: Architecture | None = None, uniform: bool = False
    ) -> Selection:
        """Return what the selector returns: an architecture, and all that was noted.

        Args:
            architecture: the one selected; :meth:`architecture` if left out, with what
                it raises.
            uniform: see :class:`archselect.selectors.selection.Selection`.
        """
        if architecture is None:
            architecture = self.architecture()
        return Selection(
            architecture,
            self._operations,
            tuple(self._operation_scores),
            tuple(self._edge_scores),
            tuple(self._decided),
            self._architectures,
            tuple(self._architecture_scores),
            uniform,
        )

    # --- within

    def _choice(self, edge: Edge) -> int:
        return self.decisions.choices[edge.cell][edge.index]

    def _is_open(self, edge: Edge) -> bool:
        return self._choice(edge) == OPEN

    def _begin_step(self) -> None:
        if not self._in_step:
            self._step += 1

    def _note(self, edge: Edge, choice: int) -> None:
        self._decided.append(
            DecidedEdge(self._round, max(self._step, 0), edge.cell, edge.index, choice)
        )
        self.decisions = self.decisions.decide(edge.cell, edge.index, choice)

    def _best(self, edge: Edge, among: Sequence[int] | None) -> int:
        """Return the index of an edge's best operation by its last scores."""
        if edge not in self._latest:
            raise ValueError(
                f"{edge} has no scores to decide it by: give values or an operation"
            )
        values = self._latest[edge]
        sign = self._scale_of_operations().sign
        return max(
            edge.choices if among is None else among,
            key=lambda choice: sign * values[choice],
        )

    def _weakest(self, node: OverfullNode) -> list[Edge]:
        """Return the inputs that a node cannot keep, from the strongest on."""
        unscored = [edge for edge in node.inputs if edge not in self._strength]
        if unscored and len(unscored) < len(node.inputs):
            raise ValueError(
                f"node {node.index} keeps its strongest inputs, but {unscored[0]} has no score"
            )
        ranked = sorted(node.inputs, key=lambda edge: -self._strength.get(edge, 0.0))
        return ranked[node.keeps :]

    def _scale_of_operations(self) -> ScoreScale:
        if self._operations is None:
            raise ValueError(
                "scores need a name: task.search('accuracy without it', better='lower')"
            )
        return self._operations

    def _require_open(self, edge: Edge) -> None:
        if not self._is_open(edge):
            raise ValueError(
                f"{edge} is already decided: take one of search.open_edges()"
            )


def _require_finite(value: float, scale: ScoreScale, candidate: str) -> None:
    """Raise ValueError for a score that is not finite: a proxy that fails must surface."""
    if not np.isfinite(value):
        raise ValueError(f"score {scale.name!r} of {candidate} is not finite: {value}")
