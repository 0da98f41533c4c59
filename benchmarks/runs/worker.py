"""The work of worker processes: make supernets, run selectors, train architectures.

On Linux, workers are forked from a process that has imported this module. Importing it
must only import: if a process computes or calls CUDA before it forks, threads and the
device do not work in its children.
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
    """The settings with which a worker starts.

    Attributes:
        root: folder of the study.
        data_dir: folder of the data sets; None for the user's data folder.
        device: device to run on.
        deterministic: whether to repeat numbers exactly (:func:`.machine.open_device`).
        other_code: whether to resume unfinished work of another commit.
        landscapes: the landscapes of the ground truths, as the command read them.
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
    running_code()  # reads the source files before one of them can change
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
