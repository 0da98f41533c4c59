"""The memory of a training step, and the accuracies of what fits in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import Fact, Id
from archselect.benchmarks.store.ranges import (
    MOST_COUNTED,
    PER_CENT,
    Impossible,
    check_number,
)
from archselect.selectors.selection import Closing

Bytes = Annotated[int, Field(ge=0, lt=2**63)]


class SubSpaceAccuracy(Fact):
    """Accuracies, in per cent, of the architectures that live operations allow.

    `landscape` is the id of the ground truth's :class:`.Landscape`. `architectures` is
    the number considered: all that a table has, or this many draws if `drawn`. `mean`
    and `best` are over them; None if there are none.
    """

    landscape: Id
    architectures: int
    drawn: bool
    mean: float | None
    best: float | None

    def check_as(self, who: str) -> None:
        """Raise Impossible for a number that no accuracy can have."""
        count = f"memory.sub_spaces.architectures{who}"
        check_number(count, self.architectures, 0, MOST_COUNTED)
        for key in ("mean", "best"):
            name = f"memory.sub_spaces.{key}{who}"
            check_number(name, getattr(self, key), 0, PER_CENT)


class StepMemoryFacts(Fact):
    """Memory of a training step in what a run searched, and its budget.

    All bytes are counted, not measured (:class:`.StepMemoryCounter`), for `batch_size`
    images. `budget` is the limit of a step, `whole` the memory of a step of the whole
    supernet, and `step` that of the remaining operations. `live` of `operations`
    remained, over all edges of all cell types. `closings` are the operations that were
    closed one by one. `sub_spaces` has one entry per ground truth.
    """

    budget: Bytes
    whole: Bytes
    step: Bytes
    batch_size: int
    live: int
    operations: int
    closings: Columns[Closing]
    sub_spaces: list[SubSpaceAccuracy]

    def check_as(self, who: str) -> None:
        """Raise Impossible for values that no step can have."""
        check_number(f"memory.batch_size{who}", self.batch_size, 1, MOST_COUNTED)
        check_number(f"memory.operations{who}", self.operations, 1, MOST_COUNTED)
        check_number(f"memory.live{who}", self.live, 1, self.operations)
        if self.step > self.whole:
            raise Impossible(f"memory.step{who} is more than memory.whole")
        for sub_space in self.sub_spaces:
            sub_space.check_as(who)


class MemoryRefusal(Fact):
    """Bytes that a training step `needed`, which exceed its `budget`."""

    needed: Bytes
    budget: Bytes
