"""SGAS: greedy decisions while the supernet is trained (Li et al., CVPR 2020, section 3)."""

from __future__ import annotations

import math
from collections import deque
from itertools import count
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import DROPPED, NONE, OPEN, Cell, Decisions
from archselect.selectors.base import Log, Scale, Selection, Selector, Task


class Sgas(Selector):
    """Train, and every few epochs decide that edge of each cell type that matters most and is surest.

    With p = softmax(alpha), the importance of an edge is 1 - p(none); its certainty is 1 - entropy / log(number) of p
    over the other operations; its stability is the mean intersection of that distribution with those of the epochs
    before. Each is scaled to 0 … 1 over the edges of the cell type, and the open edge with the largest product is
    decided for its most probable operation. Once a node has as many inputs as it keeps, its other edges are dropped.

    SGAS trains the supernet itself, so it reads one of a recipe that learns alphas, made with `epochs = 0`. A measure
    that is the same on all edges decides nothing and counts as 1: so does importance in a space without `none`. Where
    nodes keep all inputs (nb201) an edge may be decided for `none`; elsewhere dropping takes its place. A decided or
    dropped edge keeps the measures of its last epoch. Unlike in the released code, the batch does not grow by 8 with
    every decision. Raises UserError if the alphas do not move.

    Settings:
        criterion: 1 is importance x certainty, 2 is importance x certainty x stability.
        warmup_epochs: the first decision follows the epoch of this number; the first epoch is number 0.
        interval: epochs from one decision to the next.
        closing_epochs: by which the cosine outlasts the last decision (released code: 5, which makes 50 epochs of
            DARTS' eight decisions). They change no decision and are not trained.
        history: epochs before, at most, that stability looks at.
        learning_rate, learning_rate_min: of the weights, cosine per epoch.
        operation: of the edge that is decided: "magnitude" is SGAS; "perturbation" is SGAS+PT, where DARTS-PT (section
            5.1) puts in its place the operation whose removal leaves the lowest accuracy and changes nothing else.
        norm, augment: of the perturbation, as for DARTS-PT.
    """

    name: ClassVar[str] = "sgas"
    summary: ClassVar[str] = "trains, and every few epochs decides the edge that matters most and is surest"
    paper: ClassVar[str] = "Li et al., SGAS, CVPR 2020, arXiv 1912.00195"
    formulation: ClassVar[int] = 1

    criterion: Literal[1, 2] = 1
    warmup_epochs: int = Field(9, ge=0)
    interval: int = Field(5, ge=1)
    closing_epochs: int = Field(5, ge=0)
    history: int = Field(4, ge=1)
    learning_rate: float = Field(0.025, gt=0)
    learning_rate_min: float = Field(0.001, ge=0)
    operation: Literal["magnitude", "perturbation"] = "magnitude"
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True

    def select(self, task: Task) -> Selection:
        """See :class:`Sgas`."""
        space, steps = task.space, count()
        by_alphas, by_accuracy = Scale("softmax(alpha)", "higher"), Scale("accuracy without it", "lower")
        log = Log(by_alphas if self.operation == "magnitude" else by_accuracy)
        measures = [Measures(cell, self.history) for cell in space.cells]
        decisions = space.undecided()
        last = self.warmup_epochs + self.interval * (max(map(_inputs, space.cells)) - 1)
        start = _values(task.mixture(decisions))
        for epoch in range(last + 1):
            task.tune(decisions, 1, self._learning_rate(epoch / (last + 1 + self.closing_epochs)))
            now = _values(task.mixture(decisions))
            if now == start:
                raise UserError('sgas needs a supernet whose recipe learns alphas: recipe = "darts" with epochs = 0')
            for measured, rows, choices in zip(measures, now, decisions.choices, strict=True):
                measured.note(rows, choices)
            if epoch >= self.warmup_epochs and (epoch - self.warmup_epochs) % self.interval == 0:
                for c, measured in enumerate(measures):
                    if OPEN in decisions.choices[c]:
                        decisions = self._decide(task, log, decisions, c, measured, next(steps))
        return log.selection(decisions.architecture())

    def _decide(self, task: Task, log: Log, decisions: Decisions, c: int, measured: Measures, step: int) -> Decisions:
        """The decisions with one more edge of the cell type decided, and those dropped that its node then drops."""
        cell, scores = task.space.cells[c], measured.scores(self.criterion)
        opened = [edge for edge, choice in enumerate(decisions.choices[c]) if choice == OPEN]
        edge = max(opened, key=scores.__getitem__)
        if self.operation == "magnitude":
            best_of, values = max, {other: measured.weights(other) for other in opened}
        else:
            best_of, values = min, {edge: self._accuracies(task, decisions, c, edge)}
        for other, row in values.items():
            log.scores(0, step, c, other, row)
        best = best_of(cell.candidates(edge), key=values[edge].__getitem__)
        log.decide(0, step, c, edge, best)
        decisions = decisions.decide(c, edge, best)
        for surplus in _surplus(cell, cell.edges[edge][1], decisions.choices[c]):
            log.decide(0, step, c, surplus, DROPPED)
            decisions = decisions.decide(c, surplus, DROPPED)
        return decisions

    def _learning_rate(self, progress: float) -> float:
        low, high = self.learning_rate_min, self.learning_rate
        return low + (high - low) * (1 + math.cos(math.pi * progress)) / 2

    def _accuracies(self, task: Task, decisions: Decisions, cell: int, edge: int) -> list[float]:
        """The supernet's accuracy without each operation of an edge."""
        mixture = task.mixture(decisions)
        return [
            task.evaluate(mixture.without(cell, edge, choice), norm=self.norm, augment=self.augment).accuracy
            for choice in range(len(task.space.cells[cell].operations[edge]))
        ]


class Measures:
    """What the alphas say of a cell type's edges, epoch by epoch.

    Args:
        cell: the cell type.
        history: epochs before, at most, that are remembered.
    """

    def __init__(self, cell: Cell, history: int) -> None:
        columns = range(max(map(len, cell.operations)))
        self._cell = cell
        self._none = np.array([[names[k : k + 1] == (NONE,) for k in columns] for names in cell.operations])
        self._real = np.array([[names[k : k + 1] not in ((), (NONE,)) for k in columns] for names in cell.operations])
        self._weights = np.zeros(self._real.shape)
        self._distributions: deque[np.ndarray] = deque(maxlen=history + 1)

    def note(self, weights: list[list[float]], choices: tuple[int, ...]) -> None:
        """Take over an epoch's softmax(alpha) of the edges that are open; the others keep theirs."""
        opened = [choice == OPEN for choice in choices]
        self._weights[opened] = np.array(weights)[opened]
        real = np.where(self._real, self._weights, 0)
        self._distributions.append(real / np.maximum(real.sum(1, keepdims=True), np.finfo(float).tiny))

    def weights(self, edge: int) -> list[float]:
        """softmax(alpha) of an edge's operations."""
        return self._weights[edge, : len(self._cell.operations[edge])].tolist()

    def scores(self, criterion: int) -> list[float]:
        """Criterion 1 or 2 of every edge; the higher, the sooner it is decided."""
        *past, now = self._distributions
        importance = 1 - np.where(self._none, self._weights, 0).sum(1)
        entropy = -np.where(now > 0, now * np.log(np.where(now > 0, now, 1)), 0).sum(1)
        score = _scaled(importance) * _scaled(1 - entropy / np.log(np.maximum(self._real.sum(1), 2)))
        if criterion == 2 and past:
            score = score * _scaled(np.mean([np.minimum(now, before).sum(1) for before in past], axis=0))
        return score.tolist()


def _values(mixture: Mixture) -> list[list[list[float]]]:
    return [rows.tolist() for rows in mixture.weights]


def _scaled(values: np.ndarray) -> np.ndarray:
    """The values moved and stretched to 0 … 1; ones if they are all the same."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.ones_like(values)


def _inputs(cell: Cell) -> int:
    """How many edges an architecture keeps of a cell type."""
    kept = [(cell.kept_inputs(node), len(cell.incoming(node))) for node in range(cell.inputs, cell.nodes)]
    return sum(edges if keep is None else min(keep, edges) for keep, edges in kept)


def _surplus(cell: Cell, node: int, choices: tuple[int, ...]) -> list[int]:
    """The open edges into a node that has as many inputs decided as it keeps."""
    edges, kept = cell.incoming(node), cell.kept_inputs(node)
    full = kept is not None and sum(choices[edge] >= 0 for edge in edges) >= kept
    return [edge for edge in edges if full and choices[edge] == OPEN]
