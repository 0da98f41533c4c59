"""The work that a study needs: supernets, then runs on them, then final trainings.

Each step takes the runs that are ready for it and moves them on, or notes why they
failed. An error that is of one run only fails that run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from archselect.benchmarks.plan.jobs import RunJob, SupernetJob, TrainingJob
from archselect.benchmarks.runs import worker
from archselect.benchmarks.runs.journal import discard
from archselect.benchmarks.runs.landscapes import trained_accuracy
from archselect.benchmarks.runs.other_code import (
    is_trained_by_this_code,
    plan_trainings,
)
from archselect.benchmarks.runs.run_states import RunState, states_at
from archselect.benchmarks.runtime.calls import StartError
from archselect.benchmarks.runtime.workers import Submit
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Accuracy, Failure, Record, Trained
from archselect.nasbench_adapters.errors import UserError

Step = Literal["supernets", "runs", "trainings"]


class Progress(Protocol):
    """A function that is called with how far a study is."""

    def __call__(self, stage: Step, done: int, total: int) -> None:
        """Show that `done` of `total` supernets, runs or trainings are there."""
        ...


def ignore_progress(stage: Step, done: int, total: int) -> None:
    """Show nothing."""


class _Count(NamedTuple):
    """How many things of a step are there before it begins, and how many there are in all."""

    step: Step
    done: int
    total: int


class _Completed(NamedTuple):
    """A call that a worker has completed: the id of its job, and the result or the error."""

    id: str
    result: Any
    error: BaseException | None


@dataclass
class Execution:
    """The steps of a study, in the order in which they are taken.

    Attributes:
        folder: of the study.
        states: of its runs; each step moves some of them on.
        rerun_other_code: whether trainings of another commit are made again.
        submit: gives a call to a worker.
        progress: called with how far each step is.
    """

    folder: Folder
    states: Sequence[RunState]
    rerun_other_code: bool
    submit: Submit
    progress: Progress

    def make_supernets(self, replaced: Collection[str]) -> None:
        """Make the supernets that planned runs read from and that are not there.

        A supernet that raises an error fails the runs on it.

        Args:
            replaced: ids of supernets that are made again.
        """
        planned = states_at(self.states, "planned")
        supernets = {state.job.supernet.id: state.job.supernet for state in planned}
        missing = {
            id: job
            for id, job in supernets.items()
            if id in replaced or not self._is_made(job)
        }
        total = len({state.job.supernet.id for state in self.states})
        count = _Count("supernets", total - len(missing), total)
        self.progress(*count)
        errors: dict[str, BaseException] = {}
        for completed in self._work_through(worker.make_supernet, missing, count):
            if completed.error is not None:
                errors[completed.id] = completed.error
        for state in planned:
            if error := errors.get(state.job.supernet.id):
                state.fail(self.folder, error)

    def _is_made(self, job: SupernetJob) -> bool:
        """Return whether a supernet is there, and its trace if it is to have one."""
        has_trace = not job.supernet.trace or self.folder.trace(job.id).is_file()
        return has_trace and self.folder.supernet(job.id).is_file()

    def run_selectors(self) -> None:
        """Run the selectors of the planned runs.

        A run without final trainings is finished then. Of others the selection is kept.
        """
        planned = {state.id: state for state in states_at(self.states, "planned")}
        jobs = {id: state.job for id, state in planned.items()}
        total = len(self.states)
        count = _Count("runs", total - len(jobs), total)
        self.progress(*count)
        for completed in self._work_through(worker.run_selector, jobs, count):
            state = planned[completed.id]
            if completed.error is not None:
                state.fail(self.folder, completed.error)
            elif state.job.trainings:
                self._keep_selection(state, completed.result)
            else:
                self._finish(state, completed.result)

    def train_selected(self) -> None:
        """Train what runs selected, and finish these runs.

        Each architecture is trained once per plan and seed, however many runs selected
        it. A training that raises an error fails these runs.
        """
        selected = states_at(self.states, "selected")
        trainings: dict[str, TrainingJob] = {}
        needed: dict[str, list[str]] = {}
        for state in selected:
            jobs = plan_trainings(state.job, state.architecture)
            trainings |= {job.id: job for job in jobs}
            needed[state.id] = [job.id for job in jobs]
        errors = self._train_missing(trainings)
        for state in selected:
            failed = [id for id in needed[state.id] if id in errors]
            if failed:
                state.fail(self.folder, errors[failed[0]])
            else:
                assert state.selection_file is not None
                self._finish(state, read_fact(state.selection_file, Record))

    def _train_missing(
        self, trainings: Mapping[str, TrainingJob]
    ) -> dict[str, BaseException]:
        """Do the trainings that are not there; return the errors of those that failed."""
        missing = {
            id: job for id, job in trainings.items() if not self._is_trained(job)
        }
        total = len(trainings)
        count = _Count("trainings", total - len(missing), total)
        if trainings:
            self.progress(*count)
        errors: dict[str, BaseException] = {}
        for completed in self._work_through(worker.train, missing, count):
            if completed.error is not None:
                errors[completed.id] = completed.error
            else:
                path = self.folder.path(Trained, completed.id)
                write_fact(path, completed.result, self.folder.root)
        return errors

    def _is_trained(self, job: TrainingJob) -> bool:
        """Return whether a training is finished and is not to be made again."""
        if self.rerun_other_code:
            return is_trained_by_this_code(self.folder, job)
        return self.folder.path(Trained, job.id).is_file()

    def _work_through(
        self, function: Callable[[Any], Any], jobs: Mapping[str, Any], count: _Count
    ) -> Iterator[_Completed]:
        """Yield each job's result or error as it comes, and show the progress after each.

        Raises what is not of one job: see :func:`_raise_if_fatal`.
        """
        pending = {self.submit(function, job): id for id, job in jobs.items()}
        done = count.done
        for future in as_completed(pending):
            # Removed, or every record would stay in memory to the end.
            id = pending.pop(future)
            error = future.exception()
            if error is None:
                yield _Completed(id, future.result(), None)
            else:
                _raise_if_fatal(error)
                yield _Completed(id, None, error)
            done += 1
            self.progress(count.step, done, count.total)

    def _keep_selection(self, state: RunState, record: Record) -> None:
        """Write what a run selected, for its final trainings."""
        path = self.folder.selection(state.id)
        write_fact(path, record, self.folder.root)
        discard(self.folder.journal(state.id))
        state.select(record, path)

    def _finish(self, state: RunState, record: Record) -> None:
        """Write a run's record: what was selected, and every accuracy of it."""
        looked_up = [
            accuracy for accuracy in record.accuracies if accuracy.source != "trained"
        ]
        trained = self._read_trained_accuracies(state.job, record)
        finished = record.model_copy(update={"accuracies": looked_up + trained})
        write_fact(self.folder.path(Record, state.id), finished, self.folder.root)
        self.folder.selection(state.id).unlink(missing_ok=True)
        self.folder.path(Failure, state.id).unlink(missing_ok=True)
        discard(self.folder.journal(state.id))
        state.stage = "finished"

    def _read_trained_accuracies(self, job: RunJob, record: Record) -> list[Accuracy]:
        accuracies = []
        for plan in job.trainings:
            trained = [
                read_fact(self.folder.path(Trained, training.id), Trained)
                for training in plan.jobs(record.selected.architecture)
            ]
            accuracies.append(trained_accuracy(plan, trained))
        return accuracies


def _raise_if_fatal(error: BaseException) -> None:
    """Raise an error that is not of one job: the user must act first, or no worker can start."""
    is_of_one_job = isinstance(error, Exception) and not isinstance(
        error, UserError | StartError
    )
    if not is_of_one_job:
        raise error
