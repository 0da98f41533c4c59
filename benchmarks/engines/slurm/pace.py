"""How often Slurm is asked, and how long the engine waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Times in seconds.

    Attributes:
        poll: between two looks at the folder of results.
        look: between two questions to Slurm about jobs, and between two tries of a
            program that failed.
        call: limit for one call of a program.
        linger: for which `sbatch` may still run when the command ends.
        full: between two submissions while Slurm accepts no more jobs.
        grace: between the moment when Slurm no longer has a job and the moment when it
            counts as lost without a result. A shared file system may show files late,
            and a requeued job may disappear for a moment.
        patience: for which Slurm may be silent before all jobs are given up.
        cancel: for which the engine retries to cancel jobs.
    """

    poll: float = 2
    look: float = 30
    call: float = 120
    linger: float = 10
    full: float = 60
    grace: float = 60
    patience: float = 900
    cancel: float = 60
