"""What worker processes do: make supernets, run selectors, train what was selected.

On Linux workers are forked from a process that has imported this module. Only imports
may happen when it is imported. A process that computes, or asks CUDA anything, before
it forks leaves its children with threads and a device that do not work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archselect.benchmarks.plan.jobs import RunJob, SupernetJob, TrainingJob
from archselect.benchmarks.runs.runner import Landscapes, Runner
from archselect.benchmarks.runtime.machine import Code, open_device, running_code
from archselect.benchmarks.runtime.same_inputs import check_same_code
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Trained


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is started with.

    Attributes:
        root: the folder of the study.
        data_dir: where data sets are; None for the user's data folder.
        device: to run on.
        deterministic: see :func:`.machine.open_device`.
        other_code: whether unfinished work of another commit is resumed.
        landscapes: of the ground truths, as the command read them.
        command_code: the code that the command runs.
    """

    root: Path
    data_dir: Path | None
    device: str
    deterministic: bool
    other_code: bool
    landscapes: Landscapes
    command_code: Code


class _StudyWorker(NamedTuple):
    """The runner of a process, and the code of the command that it works for."""

    runner: Runner
    command_code: Code


_worker: _StudyWorker | None = None
"""The worker of this process; None before :func:`start_worker`."""


def start_worker(settings: WorkerSettings) -> None:
    """Make this process a worker."""
    global _worker
    running_code()  # looks at the source files before one of them can change
    runner = Runner(
        Folder(settings.root),
        open_device(settings.device, settings.deterministic),
        settings.data_dir,
        settings.other_code,
        settings.landscapes,
    )
    _worker = _StudyWorker(runner, settings.command_code)


def _get_runner() -> Runner:
    """Return the runner of this process.

    Raises UserError if the process runs other code than the command.
    """
    assert _worker is not None
    check_same_code(_worker.command_code)
    return _worker.runner


def make_supernet(job: SupernetJob) -> None:
    """Make a supernet, in a worker."""
    _get_runner().make_supernet(job)


def run_selector(job: RunJob) -> Record:
    """Do a run, in a worker, and return its record."""
    return _get_runner().run(job)


def train(job: TrainingJob) -> Trained:
    """Train an architecture to the end, in a worker, and return its record."""
    return _get_runner().train(job)
