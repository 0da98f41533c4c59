"""IS-DARTS: close operations whose outputs have the largest information measure.

He et al., AAAI 2024, and its released code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.setting_types import (
    Batches,
    EpochsFromOne,
    NonNegative,
    Positive,
)
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.search import Search
from archselect.selectors.shrinking import Candidate, Scores, groups_of, shrink


class IsDarts(Selector):
    """Train, close on every edge the operation that measures most, train; repeat.

    Over `epochs` of training there are `shrinks`, each `interval` epochs after the one
    before, the last `interval` before the end. What is measured is in
    :class:`.OutputInformation`; scores are its inverse. A shrink closes of n live
    operations (n - 1) / (shrinks left), rounded up. Where a node keeps k inputs, its
    edges shrink together from n to k; the released code may then keep two operations of
    one edge, for which there is no architecture here: the last one of an edge stays
    while the node has no inputs to spare (inferred).

    `none` puts out zeros, whose measure is infinite: it is closed first, whatever the
    data say. The supernet is one of recipe `equal` with `epochs = 0`.

    Settings:
        epochs, shrinks, interval: 30, 4 and 2 on NAS-Bench-201, 50, 7 and 3 on the
            DARTS space (released code).
        learning_rate, learning_rate_min: of the weights, cosine per epoch.
        norm: batch-norm mode while outputs are measured; the released code has no
            running statistics.
        augment: whether the images are augmented as in training while outputs are
            measured (released code: yes).
        flat: what positions count at which all channels of an output are equal:
            "infinite" (released code), or they are "left-out".
    """

    name: ClassVar[str] = "is-darts"
    summary: ClassVar[str] = "closes operations by the information of their outputs"
    paper: ClassVar[str] = "He et al., IS-DARTS, AAAI 2024, arXiv 2312.12648"
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {"epochs": 2, "shrinks": 2, "interval": 1}

    epochs: EpochsFromOne = 30
    shrinks: Batches = 4
    interval: EpochsFromOne = 2
    learning_rate: Positive = 0.025
    learning_rate_min: NonNegative = 0.001
    norm: Literal["batch", "running"] = "batch"
    augment: bool = True
    flat: Literal["infinite", "left-out"] = "infinite"

    @model_validator(mode="after")
    def _check_epochs(self) -> IsDarts:
        """Return the settings. Raise UserError if the shrinks take more epochs."""
        if self.shrinks * self.interval > self.epochs:
            raise UserError(
                f"is-darts: {self.shrinks} shrinks every {self.interval} epochs do not fit "
                f"into {self.epochs}: set epochs = {self.shrinks * self.interval} or more"
            )
        return self

    def select(self, task: Task) -> Selection:
        """See :class:`IsDarts`."""
        search = task.search("inverse information of its output", better="higher")
        first = self.epochs - self.shrinks * self.interval
        done = 0
        for place in range(self.shrinks):
            for epoch in range(done, first + place * self.interval):
                task.tune(search.decisions, 1, self._learning_rate(epoch))
            done = first + place * self.interval
            scores = self._score(task, search)
            for edges, keeps in groups_of(search):
                shrink(search, edges, keeps, scores, self.shrinks - place)
        return search.selection()

    def _learning_rate(self, epoch: int) -> float:
        """Return the learning rate of the weights in an epoch, by a cosine."""
        cosine = math.cos(math.pi * epoch / self.epochs)
        span = self.learning_rate - self.learning_rate_min
        return self.learning_rate_min + span * (1 + cosine) / 2

    def _score(self, task: Task, search: Search) -> Scores:
        """Return the scores of all live operations; note those of open edges."""
        skips_flat = self.flat == "left-out"
        measured = task.output_information(
            search.mixture, self.norm, self.augment, skips_flat
        )
        scores: Scores = {}
        for edges in search.space.edges:
            for edge in edges:
                values = measured[edge.cell][edge.index]
                for choice in search.live(edge):
                    scores[Candidate(edge, choice)] = 1 / values[choice]
        with search.step():
            for edge in search.open_edges():
                live = search.live(edge)
                search.score(edge, [scores[Candidate(edge, k)] for k in live])
        return scores
