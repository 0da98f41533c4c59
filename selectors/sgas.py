"""SGAS: greedy decisions while the supernet is trained.

Li et al., CVPR 2020, section 3.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.setting_types import (
    Epochs,
    EpochsFromOne,
    NonNegative,
    Positive,
)
from archselect.nasbench_adapters.space import NONE, Cell, Edge, SearchSpace
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.search import Search


class Sgas(Selector):
    """Train, and every few epochs decide one edge of each cell type.

    Each edge has up to three measures, with p = softmax(alpha). Importance is
    1 - p(none). Certainty is 1 - entropy / log(number of operations), of p over the
    operations other than `none`. Stability is the mean intersection of that
    distribution with those of earlier epochs. Each measure is scaled to 0 … 1 over the
    edges of the cell type. The open edge with the largest product of measures is
    decided for its most probable operation. When a node has as many inputs as it keeps,
    its other edges are dropped.

    SGAS trains the supernet itself. So the supernet needs a recipe that learns alphas,
    with `epochs = 0`. A measure that is equal on all edges counts as 1, for example
    importance in a space without `none`. Where nodes keep all inputs (nb201), an edge
    may be decided for `none`; elsewhere edges are dropped instead. A decided or dropped
    edge keeps the measures of its last open epoch. The released code increases the
    batch by 8 with every decision; this one does not. Raises UserError if training does
    not change the alphas.

    Settings:
        criterion: 1 is importance x certainty, 2 is importance x certainty x stability.
        warmup_epochs: number of the epoch after which the first decision is made; the
            first epoch has number 0.
        interval: number of epochs between two decisions.
        closing_epochs: length of the cosine schedule after the last decision (5 in the
            released code, which gives 50 epochs for DARTS' eight decisions). These
            epochs change no decision, so they are not trained.
        history: largest number of earlier epochs that stability uses.
        learning_rate, learning_rate_min: learning rate of the weights at the start and
            at the end, with a cosine per epoch between them.
        operation: how the operation of the chosen edge is selected. "magnitude" is
            SGAS. "perturbation" is SGAS+PT (DARTS-PT, section 5.1), which keeps the
            operation whose removal leaves the lowest accuracy.
        norm, augment: settings of the perturbation, as for DARTS-PT.
    """

    name: ClassVar[str] = "sgas"
    summary: ClassVar[str] = (
        "trains, and every few epochs decides the most important and most certain edge"
    )
    paper: ClassVar[str] = "Li et al., SGAS, CVPR 2020, arXiv 1912.00195"
    formulation: ClassVar[int] = 1
    needs_probabilities: ClassVar[bool] = True

    criterion: Literal[1, 2] = 1
    warmup_epochs: Epochs = 9
    interval: EpochsFromOne = 5
    closing_epochs: Epochs = 5
    history: EpochsFromOne = 4
    learning_rate: Positive = 0.025
    learning_rate_min: NonNegative = 0.001
    operation: Literal["magnitude", "perturbation"] = "magnitude"
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True

    def select(self, task: Task) -> Selection:
        """Return the architecture that the decisions during training give."""
        search = self._search(task)
        measures = [Measures(edges, self.history) for edges in task.space.edges]
        epochs = self._count_epochs(task.space)
        initial = search.weights()
        for epoch in range(epochs):
            progress = epoch / (epochs + self.closing_epochs)
            task.tune(search.decisions, 1, self._learning_rate(progress))
            weights = search.weights()
            if weights == initial:
                raise UserError(
                    'sgas needs a supernet whose recipe learns alphas: set recipe = "darts" and epochs = 0'
                )
            for cell, measured in enumerate(measures):
                measured.note(weights, search.open_edges(cell))
            if self._decides_after(epoch):
                for cell, measured in enumerate(measures):
                    open_edges = list(search.open_edges(cell))
                    self._decide_one(task, search, open_edges, measured)
        return search.selection()

    def _search(self, task: Task) -> Search:
        """Return a search with the score that selects operations."""
        if self.operation == "magnitude":
            return task.search("softmax(alpha)", better="higher")
        return task.search("accuracy without it", better="lower")

    def _count_epochs(self, space: SearchSpace) -> int:
        """Return the number of epochs to train, up to the last decision."""
        decisions = max(_kept_edges(cell) for cell in space.cells)
        return self.warmup_epochs + self.interval * (decisions - 1) + 1

    def _decides_after(self, epoch: int) -> bool:
        """Return whether an edge of each cell type is decided after an epoch."""
        since_warmup = epoch - self.warmup_epochs
        return since_warmup >= 0 and since_warmup % self.interval == 0

    def _decide_one(
        self,
        task: Task,
        search: Search,
        open_edges: list[Edge],
        measured: Measures,
    ) -> None:
        """Decide one more edge of a cell type; drop inputs that its node cannot keep.

        Args:
            task: evaluates the supernet.
            search: the search to change.
            open_edges: open edges of the cell type.
            measured: measures of the cell type's edges.
        """
        if not open_edges:
            return
        criterion = measured.scores(self.criterion)
        edge = max(open_edges, key=lambda candidate: criterion[candidate.index])
        with search.step():
            if self.operation == "magnitude":
                for other in open_edges:
                    search.score(other, measured.weights(other))
            else:
                search.score(edge, self._accuracies(task, search, edge))
            search.decide(edge, among=edge.candidates)
            for surplus in _surplus(task.space, search, edge):
                search.drop_edge(surplus)

    def _learning_rate(self, progress: float) -> float:
        """Return the learning rate of the weights by the cosine schedule."""
        low = self.learning_rate_min
        high = self.learning_rate
        cosine = math.cos(math.pi * progress)
        return low + (high - low) * (1 + cosine) / 2

    def _accuracies(
        self,
        task: Task,
        search: Search,
        edge: Edge,
    ) -> list[float]:
        """Return the accuracy in per cent without each operation of an edge."""
        accuracies = []
        for mixture in search.without(edge):
            evaluation = task.evaluate(mixture, norm=self.norm, augment=self.augment)
            accuracies.append(evaluation.accuracy)
        return accuracies


class Measures:
    """Importance, certainty and stability of a cell type's edges, epoch by epoch.

    Args:
        edges: edges of the cell type.
        history: largest number of earlier epochs to keep.
    """

    def __init__(
        self,
        edges: Sequence[Edge],
        history: int,
    ) -> None:
        columns = max(len(edge.operations) for edge in edges)
        shape = (len(edges), columns)
        # Two masks, (edges, operations): the entries that are `none`, and those that
        # are other operations.
        self._is_none = np.zeros(shape, dtype=bool)
        self._is_real = np.zeros(shape, dtype=bool)
        for edge in edges:
            for choice, name in enumerate(edge.operations):
                mask = self._is_none if name == NONE else self._is_real
                mask[edge.index, choice] = True
        self._weights = np.zeros(shape)
        self._distributions: deque[np.ndarray] = deque(maxlen=history + 1)

    def note(
        self, weights: Mapping[Edge, list[float]], open_edges: Iterable[Edge]
    ) -> None:
        """Store an epoch's softmax(alpha) of open edges; other edges keep their values.

        Args:
            weights: for each edge, one weight per operation.
            open_edges: open edges of the cell type.
        """
        for edge in open_edges:
            row = self._weights[edge.index]
            row[: len(edge.operations)] = weights[edge]
        real = np.where(self._is_real, self._weights, 0)
        total = real.sum(1, keepdims=True)
        tiny = np.finfo(float).tiny
        self._distributions.append(real / np.maximum(total, tiny))

    def weights(self, edge: Edge) -> list[float]:
        """Return softmax(alpha) of an edge's operations."""
        row = self._weights[edge.index]
        return row[: len(edge.operations)].tolist()

    def scores(self, criterion: int) -> list[float]:
        """Return criterion 1 or 2 of every edge; the highest edge is decided next.

        Args:
            criterion: 1 or 2, as in :class:`Sgas`.
        """
        importance = _scaled(self._importance())
        certainty = _scaled(self._certainty())
        score = importance * certainty
        has_past = len(self._distributions) > 1
        if criterion == 2 and has_past:
            score = score * _scaled(self._stability())
        return score.tolist()

    def _importance(self) -> np.ndarray:
        """Return 1 - p(none) of every edge, (edges,)."""
        of_none = np.where(self._is_none, self._weights, 0)
        return 1 - of_none.sum(1)

    def _certainty(self) -> np.ndarray:
        """Return 1 - entropy / log(number of operations) of every edge, (edges,)."""
        now = self._distributions[-1]
        is_positive = now > 0
        logarithms = np.log(np.where(is_positive, now, 1))
        terms = np.where(is_positive, now * logarithms, 0)
        entropy = -terms.sum(1)
        operations = np.maximum(self._is_real.sum(1), 2)
        return 1 - entropy / np.log(operations)

    def _stability(self) -> np.ndarray:
        """Return every edge's mean intersection with earlier epochs, (edges,)."""
        *past, now = self._distributions
        overlaps = []
        for before in past:
            overlap = np.minimum(now, before)
            overlaps.append(overlap.sum(1))
        return np.mean(overlaps, axis=0)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return the values scaled to 0 … 1; ones if they are all equal."""
    low = values.min()
    high = values.max()
    if high > low:
        return (values - low) / (high - low)
    return np.ones_like(values)


def _kept_edges(cell: Cell) -> int:
    """Return how many edges of a cell type an architecture keeps."""
    return sum(cell.count_kept(node) for node in cell.summing_nodes)


def _surplus(
    space: SearchSpace,
    search: Search,
    decided: Edge,
) -> list[Edge]:
    """Return the open edges that the node of a decided edge cannot keep.

    If the node already has as many decided inputs as it keeps, they are all its open
    edges; otherwise there are none.
    """
    node = decided.target
    keeps = space.cells[decided.cell].kept_inputs(node)
    if keeps is None:
        return []
    choices = search.decisions.choices[decided.cell]
    decided_inputs = 0
    for edge in space.edges[decided.cell]:
        if edge.target == node and choices[edge.index] >= 0:
            decided_inputs += 1
    if decided_inputs < keeps:
        return []
    open_edges = search.open_edges(decided.cell)
    return [edge for edge in open_edges if edge.target == node]
