"""What a run or a final training cost: seconds, counts, memory, machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import (
    Field,
)

from archselect.benchmarks.store.facts import (
    Fact,
)
from archselect.benchmarks.store.ranges import (
    check_number,
    check_numbers,
)


class Counts(Fact):
    """Hardware-free cost of a phase.

    Images count once per forward; a backward counts twice its forward's FLOPs.
    """

    forwards: int = 0
    backwards: int = 0
    images: int = 0
    flops: int = 0


class Time(Fact):
    """Seconds of one phase, with a device synchronise at each boundary; `calls` is how often it was entered."""

    seconds: float
    calls: int


class Machine(Fact):
    """Where a run was made."""

    device: str
    device_name: str
    threads: int
    platform: str
    python: str
    torch: str
    deterministic: bool


class Cost(Fact):
    """What a run cost.

    Phases: data (drawing minibatches), supernet (training, shared by all selectors of
    the seed), score, tune, validate, select (the selector's own work). `warmup` is
    first use of the device and reading of the images, apart from the phases;
    `peak_memory` is in bytes, of `memory_kind`.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: Annotated[int, Field(ge=0, lt=2**63)]
    memory_kind: str
    machine: Machine
    supernet_machine: Machine

    def amounts(self) -> Iterator[float]:
        """Yield every number."""
        yield from (self.warmup, self.peak_memory)
        for time in self.phases.values():
            yield from (time.seconds, time.calls)
        for counts in self.counts.values():
            yield from (counts.forwards, counts.backwards, counts.images, counts.flops)


def check_cost(who: str, cost: Cost | TrainingCost) -> None:
    """Raise Impossible for seconds or counts that are not finite or below zero; `who` says of what, in words."""
    check_number(f"warmup{who}", cost.warmup)
    check_number(f"peak_memory{who}", cost.peak_memory)
    for phase, time in cost.phases.items():
        check_number(f"{phase}_seconds{who}", time.seconds)
        check_number(f"{phase}_calls{who}", time.calls)
    for phase, counts in cost.counts.items():
        check_numbers(
            f"counts.{phase}{who}",
            (counts.forwards, counts.backwards, counts.images, counts.flops),
        )


class TrainingCost(Fact):
    """What a final training cost; see :class:`Cost`.

    Phases: train, test, and compile where code was made; `warmup` is making the network
    and reading the checkpoint.
    The auxiliary head is in the times and in no count. `sessions` is how often it was
    started: after an interruption it goes on from its last checkpoint, and what came
    after that checkpoint is not counted.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: int
    memory_kind: str
    machine: Machine
    sessions: int
