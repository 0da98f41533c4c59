"""The work of a study: supernets, then the runs on them, then final trainings.

Each step takes the runs that are ready for it, and either moves them to the next stage
or notes why they failed. An error in one run fails only that run.
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
from archselect.benchmarks.runs.run_states import RunState, states_at, supernet_ids
from archselect.benchmarks.runtime.calls import StartError
from archselect.benchmarks.runtime.workers import Submit
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record, Trained
from archselect.nasbench_adapters.errors import UserError

Step = Literal["supernets", "runs", "trainings"]


class Progress(Protocol):
    """A function that shows the progress of a study."""

    def __call__(self, stage: Step, done: int, total: int) -> None:
        """Show that `done` of `total` supernets, runs or trainings are finished."""
        ...


def ignore_progress(stage: Step, done: int, total: int) -> None:
    """Show nothing."""


class _Count(NamedTuple):
    """The number of finished items of a step before it begins, and the total."""

    step: Step
    done: int
    total: int


class _Completed(NamedTuple):
    """A finished call: the id of its job, and the result or the error."""

    id: str
    result: Any
    error: BaseException | None


@dataclass
class Execution:
    """The steps of a study, in the order in which they are done.

    Attributes:
        folder: folder of the study.
        states: states of the runs; each step moves some of them to the next stage.
        rerun_other_code: whether to repeat trainings of another commit.
        submit: function that gives a call to a worker.
        progress: function that gets the stage, and the numbers done and in total.
    """

    folder: Folder
    states: Sequence[RunState]
    rerun_other_code: bool
    submit: Submit
    progress: Progress

    def make_supernets(self, replaced: Collection[str]) -> None:
        """Make the missing supernets that planned runs need.

        If making a supernet raises an error, the runs on it fail.

        Args:
            replaced: ids of supernets to make again.
        """
        planned = states_at(self.states, "planned")
        missing: dict[str, SupernetJob] = {}
        for state in planned:
            supernet = state.job.supernet
            if supernet is None:
                continue
            if supernet.id in replaced or not self._is_made(supernet):
                missing[supernet.id] = supernet
        total = len(supernet_ids(self.states))
        if not total:
            return
        count = _Count("supernets", total - len(missing), total)
        self.progress(*count)
        errors: dict[str, BaseException] = {}
        for completed in self._work_through(worker.make_supernet, missing, count):
            if completed.error is not None:
                errors[completed.id] = completed.error
        for state in planned:
            error = errors.get(state.supernet_id or "")
            if error is not None:
                state.fail(self.folder, error)

    def _is_made(self, job: SupernetJob) -> bool:
        """Return whether a supernet exists, with its trace if it needs one."""
        if not self.folder.supernet(job.id).is_file():
            return False
        if not job.supernet.trace:
            return True
        return self.folder.trace(job.id).is_file()

    def run_selectors(self) -> None:
        """Run the selectors of the planned runs.

        A run without final trainings is then finished. For other runs, the selection is
        written.
        """
        planned: dict[str, RunState] = {}
        jobs: dict[str, RunJob] = {}
        for state in states_at(self.states, "planned"):
            planned[state.id] = state
            jobs[state.id] = state.job
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
        """Train the selected architectures, and finish their runs.

        Each architecture is trained once per plan and seed, even if several runs
        selected it. If a training raises an error, these runs fail.
        """
        selected = states_at(self.states, "selected")
        trainings: dict[str, TrainingJob] = {}
        needed: dict[str, list[str]] = {}
        for state in selected:
            needed[state.id] = []
            for job in plan_trainings(state.job, state.architecture):
                trainings[job.id] = job
                needed[state.id].append(job.id)
        errors = self._train_missing(trainings)
        for state in selected:
            failed = [id for id in needed[state.id] if id in errors]
            if failed:
                first = failed[0]
                state.fail(self.folder, errors[first])
            else:
                assert state.selection_file is not None
                record = read_fact(state.selection_file, Record)
                self._finish(state, record)

    def _train_missing(
        self,
        trainings: Mapping[str, TrainingJob],
    ) -> dict[str, BaseException]:
        """Do the missing trainings; return the errors of those that failed."""
        missing: dict[str, TrainingJob] = {}
        for id, job in trainings.items():
            if not self._is_trained(job):
                missing[id] = job
        total = len(trainings)
        count = _Count("trainings", total - len(missing), total)
        if trainings:
            self.progress(*count)
        errors: dict[str, BaseException] = {}
        for completed in self._work_through(worker.train, missing, count):
            if completed.error is not None:
                errors[completed.id] = completed.error
                continue
            path = self.folder.path(Trained, completed.id)
            write_fact(path, completed.result, self.folder.root)
        return errors

    def _is_trained(self, job: TrainingJob) -> bool:
        """Return whether a training is finished and need not be repeated."""
        if self.rerun_other_code:
            return is_trained_by_this_code(self.folder, job)
        path = self.folder.path(Trained, job.id)
        return path.is_file()

    def _work_through(
        self,
        function: Callable[[Any], Any],
        jobs: Mapping[str, Any],
        count: _Count,
    ) -> Iterator[_Completed]:
        """Yield each job's result or error when it arrives, and show the progress.

        Raises errors that do not belong to one job, by :func:`_raise_if_fatal`.
        """
        pending = {}
        for id, job in jobs.items():
            future = self.submit(function, job)
            pending[future] = id
        done = count.done
        for future in as_completed(pending):
            # Remove the future, or every record would stay in memory until the end.
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
        """Write a run's record: the selection and all its accuracies."""
        folder = self.folder
        report = state.job.report
        accuracies = []
        for accuracy in record.accuracies:
            is_reported = report is not None and accuracy.landscape == report.id
            if accuracy.source != "trained" or is_reported:
                accuracies.append(accuracy)
        for plan in state.job.trainings:
            trainings = plan.jobs(record.selected.architecture)
            trained = [self._read_trained(training) for training in trainings]
            accuracies.append(trained_accuracy(plan, trained))
        finished = record.model_copy(update={"accuracies": accuracies})
        write_fact(folder.path(Record, state.id), finished, folder.root)
        failure = folder.path(Failure, state.id)
        for superseded in (folder.selection(state.id), failure):
            superseded.unlink(missing_ok=True)
        discard(folder.journal(state.id))
        state.stage = "finished"

    def _read_trained(self, training: TrainingJob) -> Trained:
        path = self.folder.path(Trained, training.id)
        return read_fact(path, Trained)


def _raise_if_fatal(error: BaseException) -> None:
    """Raise an error that does not belong to one job, such as a UserError."""
    if isinstance(error, UserError | StartError):
        raise error
    if not isinstance(error, Exception):
        raise error
