"""The engine `slurm`: jobs of a Slurm cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.engines.slurm.folder import ExchangeFolder
from archselect.benchmarks.engines.slurm.options import read_options
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.programs import PROGRAMS
from archselect.benchmarks.engines.slurm.queue import JobQueue
from archselect.benchmarks.runtime.workers import Submit
from archselect.nasbench_adapters.errors import Faults, UserError

PACE = Pace()
"""The waiting times, unless a test sets others."""


def check_slurm(settings: dict[str, Any]) -> None:
    """Raise UserError if Slurm's programs are missing, or a setting is not valid.

    Slurm itself checks the values of settings.
    """
    faults = Faults()
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        names = ", ".join(missing)
        faults.add(
            UserError(
                f"Slurm is missing on this machine (no {names}): run the command on a node that can submit jobs"
            )
        )
    with faults.collect():
        read_options(settings, None)
    faults.raise_any()


@contextmanager
def slurm_engine(
    workers: int | None, device: str, start: Start, settings: dict[str, Any]
) -> Iterator[Submit]:
    """Open the engine (:class:`.Engine`).

    `workers` is the number of jobs of an array that run at the same time.

    Settings:
        folder: folder for the jobs' programs, results and logs, on a file system that
            all nodes share; default "slurm".
        setup: commands that a job runs first, such as `module load cuda`.
        others: long options of sbatch, such as partition, time, mem, gres or account.
            Without `time`, the partition's default applies.
    """
    check_slurm(settings)
    folder = ExchangeFolder(read_options(settings, workers))
    queue = JobQueue(folder, start, PACE)
    try:
        yield queue.submit
    finally:
        queue.close()
