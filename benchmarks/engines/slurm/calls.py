"""Calls, which are or become jobs, and the arrays that contain the jobs."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class JobArray:
    """An array of jobs, or a single job.

    Attributes:
        number: number of the array within the command.
        calls: names of its calls, in the order of its jobs.
        id: Slurm's id; None while unknown.
    """

    number: int
    calls: list[str]
    id: str | None = None


@dataclass(eq=False)
class SlurmCall:
    """A call, and the job that runs it.

    Attributes:
        name: name of the call's files.
        future: future of its result.
        array: the array in which it was last submitted.
        index: index of its job within the array.
        tries: number of submissions.
        missed: time (:func:`time.monotonic`) since which Slurm shows its job as ended
            or not at all; None if Slurm shows it as alive.
        state: final state of its job; empty if unknown.
    """

    name: str
    future: Future[Any]
    array: JobArray | None = None
    index: int = 0
    tries: int = 0
    missed: float | None = None
    state: str = ""

    @property
    def array_id(self) -> str | None:
        """Slurm's id of the array; None if there is no array, or while unknown."""
        return None if self.array is None else self.array.id

    @property
    def job_id(self) -> str | None:
        """Slurm's id of the job; None if there is no job, or while unknown."""
        if self.array is None or self.array.id is None:
            return None
        if len(self.array.calls) == 1:
            return self.array.id
        return f"{self.array.id}_{self.index}"
