"""Calls that are, or will be, jobs; and the arrays that the jobs are part of."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class JobArray:
    """An array of jobs, or a single job.

    Attributes:
        number: within the command.
        calls: the names of its calls, in the order of its jobs.
        id: Slurm's; None as long as it is not known.
    """

    number: int
    calls: list[str]
    id: str | None = None


@dataclass(eq=False)
class SlurmCall:
    """A call, and the job that does it.

    Attributes:
        name: of the call's files.
        future: of its result.
        array: that it was submitted in last.
        index: of its job within the array.
        tries: how often it was submitted.
        missed: since when Slurm shows its job as ended, or not at all, as of
            :func:`time.monotonic`; None if it shows the job otherwise.
        state: in which its job ended; empty if that is not known.
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
        """Slurm's id of the array; None if it has none, or it is not known."""
        return None if self.array is None else self.array.id

    @property
    def job_id(self) -> str | None:
        """Slurm's id of the job; None if it has none, or it is not known."""
        if self.array is None or self.array.id is None:
            return None
        if len(self.array.calls) == 1:
            return self.array.id
        return f"{self.array.id}_{self.index}"
