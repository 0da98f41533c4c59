"""IS-DARTS: close the operations whose outputs have the largest information measure.

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
    """Train, close the operations with the largest measure, and repeat.

    Training takes `epochs` epochs and has `shrinks` shrinks, `interval` epochs apart;
    the last one is `interval` epochs before the end. :class:`.OutputInformation`
    defines the measure; a score is its inverse. On an edge with n live operations, a
    shrink closes (n - 1) / (shrinks left) of them, rounded up. Where a node keeps k
    inputs, all its edges shrink together, from n operations to k. The released code can
    then keep two operations of one edge; architectures here cannot. So the last
    operation of an edge stays while the node needs that input (inferred).

    The output of `none` is zero, and its measure is infinite, so `none` is always
    closed first. The supernet must have the recipe `equal` and `epochs = 0`.

    Settings:
        epochs, shrinks, interval: 30, 4 and 2 on NAS-Bench-201, 50, 7 and 3 on the
            DARTS space (released code).
        learning_rate, learning_rate_min: learning rate of the weights at the start and
            at the end, with a cosine per epoch between them.
        norm: batch-norm mode while outputs are measured; the released code has no
            running statistics.
        augment: whether the images are augmented as in training while outputs are
            measured (released code: yes).
        flat: value of a position at which all channels of an output are equal:
            "infinite" (released code), or "left-out", which skips the position.
    """

    name: ClassVar[str] = "is-darts"
    summary: ClassVar[str] = (
        "closes operations by an information measure of their outputs"
    )
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
        """Return the settings. Raise UserError if the shrinks need more epochs."""
        if self.shrinks * self.interval > self.epochs:
            raise UserError(
                f"is-darts: {self.shrinks} shrinks every {self.interval} epochs do not fit "
                f"into {self.epochs}: set epochs = {self.shrinks * self.interval} or more"
            )
        return self

    def select(self, task: Task) -> Selection:
        """Return the architecture that is left after all shrinks."""
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
        """Return the weights' learning rate in an epoch of the cosine schedule."""
        cosine = math.cos(math.pi * epoch / self.epochs)
        span = self.learning_rate - self.learning_rate_min
        return self.learning_rate_min + span * (1 + cosine) / 2

    def _score(self, task: Task, search: Search) -> Scores:
        """Return the scores of all live operations; record those of open edges."""
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
