"""What a run or a final training cost: seconds, counts, memory, machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from archselect.benchmarks.store.facts import Fact
from archselect.benchmarks.store.ranges import check_number, check_numbers


class Counts(Fact):
    """Hardware-free cost of a phase.

    `images` counts each image once per forward. A backward counts twice the FLOPs of
    its forward.
    """

    forwards: int = 0
    backwards: int = 0
    images: int = 0
    flops: int = 0

    def amounts(self) -> tuple[int, ...]:
        """Return every number."""
        return self.forwards, self.backwards, self.images, self.flops


class Time(Fact):
    """Seconds of a phase, with a device synchronise at each boundary.

    `calls` is how often the phase was entered.
    """

    seconds: float
    calls: int


class Machine(Fact):
    """Machine and software of a run."""

    device: str
    device_name: str
    threads: int
    platform: str
    python: str
    torch: str
    deterministic: bool


class SearchCost(Fact):
    """Cost of a run.

    Phases: data (drawing minibatches), supernet (training, shared by all selectors of
    the seed), score, tune, validate, select (the selector's own work). `warmup` is the
    first use of the device and the reading of the images, in seconds, apart from the
    phases. `peak_memory` is in bytes, of `memory_kind`.
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
        yield self.warmup
        yield self.peak_memory
        for time in self.phases.values():
            yield time.seconds
            yield time.calls
        for counts in self.counts.values():
            yield from counts.amounts()


def check_cost(who: str, cost: SearchCost | TrainingCost) -> None:
    """Raise Impossible for seconds or counts that are not finite or below zero.

    Args:
        who: whose cost it is, in words, for the message.
        cost: of a run or a final training.
    """
    check_number(f"warmup{who}", cost.warmup)
    check_number(f"peak_memory{who}", cost.peak_memory)
    for phase, time in cost.phases.items():
        check_number(f"{phase}_seconds{who}", time.seconds)
        check_number(f"{phase}_calls{who}", time.calls)
    for phase, counts in cost.counts.items():
        check_numbers(f"counts.{phase}{who}", counts.amounts())


def dump_counts(cost: SearchCost | TrainingCost) -> dict[str, Any]:
    """Return the counts of each phase, for JSON: all of a cost that does not vary."""
    return {phase: counts.model_dump() for phase, counts in cost.counts.items()}


class TrainingCost(Fact):
    """Cost of a final training; see :class:`SearchCost`.

    Phases: train, test, and compile where code was made. `warmup` is making the network
    and reading the checkpoint. The auxiliary head is in the times and in no count.
    `sessions` is how often the training was started: after an interruption it resumes
    from its last checkpoint, and what came after that checkpoint is not counted.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: int
    memory_kind: str
    machine: Machine
    sessions: int
