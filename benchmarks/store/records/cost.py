"""The cost of a run or a final training: seconds, counts, memory, machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from archselect.benchmarks.store.facts import Fact
from archselect.benchmarks.store.ranges import check_number, check_numbers


class Counts(Fact):
    """Cost of a phase, independent of hardware.

    `images` counts each image once per forward pass. A backward pass counts twice the
    FLOPs of its forward pass.
    """

    forwards: int = 0
    backwards: int = 0
    images: int = 0
    flops: int = 0

    def amounts(self) -> tuple[int, ...]:
        """Return every number."""
        return self.forwards, self.backwards, self.images, self.flops


class Time(Fact):
    """Seconds of a phase; the device synchronises at each boundary.

    `calls` is the number of times that the phase was entered.
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
    time of the first use of the device and of reading the images, in seconds, outside
    the phases. `peak_memory` is in bytes, measured as `memory_kind` says.
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
        who: text that says whose cost it is, for the message.
        cost: cost of a run or a final training.
    """
    check_number(f"warmup{who}", cost.warmup)
    check_number(f"peak_memory{who}", cost.peak_memory)
    for phase, time in cost.phases.items():
        check_number(f"{phase}_seconds{who}", time.seconds)
        check_number(f"{phase}_calls{who}", time.calls)
    for phase, counts in cost.counts.items():
        check_numbers(f"counts.{phase}{who}", counts.amounts())


def dump_counts(cost: SearchCost | TrainingCost) -> dict[str, Any]:
    """Return the counts of each phase for JSON: the part that does not vary."""
    return {phase: counts.model_dump() for phase, counts in cost.counts.items()}


class TrainingCost(Fact):
    """Cost of a final training, like :class:`SearchCost`.

    Phases: train, test, and compile if the network was compiled. `warmup` is the time
    to make the network and read the checkpoint. The auxiliary head is included in the
    times, but in no count. `sessions` is the number of times that the training was
    started: after an interruption it resumes from its last checkpoint, and work after
    that checkpoint is not counted.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: int
    memory_kind: str
    machine: Machine
    sessions: int
