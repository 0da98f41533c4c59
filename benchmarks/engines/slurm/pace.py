"""How often Slurm is asked, and how long each thing is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Times in seconds.

    Attributes:
        poll: between two looks at the folder of results.
        look: between two questions to Slurm about jobs, and between two tries of a
            program that failed.
        call: that one call of a program may take.
        linger: that `sbatch` may still run when the command ends.
        full: between two submissions while Slurm takes no more jobs.
        grace: from when Slurm no longer has a job to when it counts as lost without a
            result. A shared file system may show files late, and a job that is put back
            into the queue may be away for a moment.
        patience: that Slurm may be silent, before all jobs are given up.
        cancel: for which cancelling jobs is tried again.
    """

    poll: float = 2
    look: float = 30
    call: float = 120
    linger: float = 10
    full: float = 60
    grace: float = 60
    patience: float = 900
    cancel: float = 60
