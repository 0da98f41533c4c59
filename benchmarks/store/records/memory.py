"""What a training step takes of a memory, and how good what fits is."""

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
    """Accuracies, in per cent, of the architectures of live operations in a truth.

    `landscape` is the id of the truth's :class:`.Landscape`. `architectures` is how
    many were looked at: all that a table holds, or so many draws where `drawn`. `mean`
    and `best` are theirs; None where there is none.
    """

    landscape: Id
    architectures: int
    drawn: bool
    mean: float | None
    best: float | None

    def check_as(self, who: str) -> None:
        """Raise Impossible for a number that no accuracy has."""
        count = f"memory.sub_spaces.architectures{who}"
        check_number(count, self.architectures, 0, MOST_COUNTED)
        for key in ("mean", "best"):
            name = f"memory.sub_spaces.{key}{who}"
            check_number(name, getattr(self, key), 0, PER_CENT)


class StepMemoryFacts(Fact):
    """Memory of a training step of what a run searched, beside its budget.

    All bytes are counted, not measured (:class:`.StepMemoryCounter`), for `batch_size`
    images: `budget` is what a step could take, `whole` what one of the whole supernet
    takes, and `step` what one of the operations that were left takes. `live` of
    `operations` were left, of all edges of all cell types. `closings` are those that
    were closed one by one; `sub_spaces` has an entry per ground truth.
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
        """Raise Impossible for what no step takes."""
        check_number(f"memory.batch_size{who}", self.batch_size, 1, MOST_COUNTED)
        check_number(f"memory.operations{who}", self.operations, 1, MOST_COUNTED)
        check_number(f"memory.live{who}", self.live, 1, self.operations)
        if self.step > self.whole:
            raise Impossible(f"memory.step{who} is more than memory.whole")
        for sub_space in self.sub_spaces:
            sub_space.check_as(who)


class MemoryRefusal(Fact):
    """Bytes that a training step `needed`, more than its `budget`."""

    needed: Bytes
    budget: Bytes
