"""The jobs of one command, which a thread manages.

The thread submits jobs, reads their results, asks Slurm about them, and cancels them.
"""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from time import monotonic, sleep
from typing import Any

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.engines.slurm.calls import SlurmCall
from archselect.benchmarks.engines.slurm.folder import AbandonedFolder, ExchangeFolder
from archselect.benchmarks.engines.slurm.ledger import CallLedger
from archselect.benchmarks.engines.slurm.notices import Notices, Silence
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.programs import (
    CommandEndedError,
    Job,
    NoAnswerError,
    Slurm,
    arrays_named,
)
from archselect.benchmarks.engines.slurm.submitter import Submitter
from archselect.benchmarks.engines.slurm.watch import JobWatch
from archselect.nasbench_adapters.errors import UserError


class JobQueue:
    """A queue that runs calls as jobs, and returns futures of their results.

    Args:
        folder: folder in which files are exchanged with jobs.
        start: function that a job calls before its call.
        pace: how often Slurm is asked, and how long the engine waits.
    """

    def __init__(self, folder: ExchangeFolder, start: Start, pace: Pace) -> None:
        self._folder = folder
        self._start = start
        self._pace = pace
        self._names = count()
        self._closed = threading.Event()
        self._notices = Notices()
        self._ledger = CallLedger(folder, self._notices, pace.patience)
        self._slurm = Slurm(pace, self._closed, self._ledger.collect)
        self._submitter = Submitter(self._ledger, self._slurm, self._notices, pace)
        self._watch = JobWatch(self._ledger, self._slurm, self._notices, pace)
        self._silence = Silence(self._notices, pace.patience)
        self._next_look = 0.0
        self._cleared = False
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Return the future of a call, which is submitted soon.

        Raises UserError if its file cannot be written.
        """
        call = SlurmCall(str(next(self._names)), Future())
        try:
            content = pickle.dumps((self._start, function, arguments))
        except Exception as error:
            fault = RuntimeError(
                f"the call cannot be sent to a job: {type(error).__name__}: {error}"
            )
            call.future.set_exception(fault)
            return call.future
        self._folder.write_call(call.name, content)
        self._ledger.add(call)
        return call.future

    def close(self) -> None:
        """Cancel the jobs of calls that are not done."""
        self._closed.set()
        try:
            self._wait_for_thread()
        finally:
            # If the user does not wait, the next command with this folder cancels the
            # jobs that are left.
            if not self._thread.is_alive():
                for future in self._ledger.futures():
                    future.cancel()
                self._folder.close()

    def _wait_for_thread(self) -> None:
        try:
            self._thread.join()
        except KeyboardInterrupt:
            # The thread is cancelling jobs: only a second interrupt stops that.
            self._thread.join()
            raise

    def _look_after(self) -> None:
        doubtful_arrays: set[str] = set()
        try:
            while not self._closed.wait(self._pace.poll):
                self._ledger.collect()
                if self._clear_abandoned():
                    self._submit()
                    self._look()
        except CommandEndedError:
            pass
        except Exception as error:
            doubtful_arrays = self._ledger.array_ids()
            self._ledger.give_up(error)
        finally:
            self._cancel(doubtful_arrays)

    def _submit(self) -> None:
        """Submit the waiting calls.

        If sbatch does not answer, Slurm has until the next look to show the jobs.
        """
        sure = self._submitter.unconfirmed is None
        self._submitter.submit()
        if sure and self._submitter.unconfirmed is not None:
            self._next_look = monotonic() + self._pace.look

    def _look(self) -> None:
        """Ask Slurm about the jobs, if it is time."""
        nothing_to_ask = (
            not self._ledger.submitted and self._submitter.unconfirmed is None
        )
        if nothing_to_ask or monotonic() < self._next_look:
            return
        jobs = self._ask()
        if jobs is None:
            return
        self._submitter.confirm(jobs)
        self._cancel_strays(jobs)
        self._watch.look(jobs)

    def _ask(self) -> dict[str, Job] | None:
        """Return this user's jobs; None if squeue does not answer.

        Raises UserError if it has been silent for too long.
        """
        try:
            jobs = self._slurm.jobs()
        except NoAnswerError as fault:
            self._check_patience(fault)
            return None
        finally:
            self._next_look = monotonic() + self._pace.look
        self._silence.note_answer("squeue")
        return jobs

    def _check_patience(self, fault: NoAnswerError) -> None:
        """Raise UserError if Slurm has been silent for too long.

        A result of a job counts as a sign of life.
        """
        if self._silence.note_failure(fault, self._ledger.last_result):
            raise UserError(
                f"Slurm has not answered for {self._silence.limit} ({fault}), and no result has come. The jobs are "
                "cancelled: rerun the command when Slurm answers"
            ) from fault

    def _cancel_strays(self, jobs: dict[str, Job]) -> None:
        """Cancel jobs that sbatch submitted although it failed.

        Their calls are submitted again.
        """
        strays = arrays_named(self._folder.job_names, jobs) - self._submitter.ids
        if strays:
            with suppress(NoAnswerError):
                self._slurm.cancel(*sorted(strays))

    def _clear_abandoned(self) -> bool:
        """Cancel the jobs of killed commands; return whether that is done.

        Such commands had the same setting `folder`, and ran on this machine. Their jobs
        would repeat the work of this command.
        """
        if self._cleared or monotonic() < self._next_look:
            return self._cleared
        of_this_host = []
        for folder in self._folder.abandoned():
            if folder.host == socket.gethostname():
                of_this_host.append(folder)
            else:
                self._notices.show_once(str(folder.path), _of_another_host(folder))
        self._cleared = not of_this_host or self._cancel_abandoned(of_this_host)
        return self._cleared

    def _cancel_abandoned(self, folders: list[AbandonedFolder]) -> bool:
        """Cancel the jobs of killed commands and remove their folders.

        Returns whether Slurm answered.
        """
        jobs = self._ask()
        if jobs is None:
            return False
        ids: set[str] = set()
        for folder in folders:
            ids |= arrays_named(folder.job_names, jobs)
        try:
            if ids:
                self._slurm.cancel(*sorted(ids))
                self._notices.show(
                    f"cancelled the jobs that a killed command left in Slurm's queue: {', '.join(sorted(ids))}"
                )
        except NoAnswerError as fault:
            self._check_patience(fault)
            return False
        for folder in folders:
            folder.remove()
        return True

    def _cancel(self, ids: set[str]) -> None:
        """Cancel all jobs that are not done, and the given arrays."""
        self._closed.set()
        every = sorted(ids | self._watch.doubtful_arrays | self._ledger.array_ids())
        if every:
            self._keep_cancelling(*every)
        if self._submitter.unconfirmed is not None:
            name = self._folder.job_names + str(self._submitter.unconfirmed.number)
            self._keep_cancelling("-u", str(os.getuid()), "-n", name)

    def _keep_cancelling(self, *what: str) -> None:
        """Cancel jobs; retry for a while, then tell the user how to do it."""
        deadline = monotonic() + self._pace.cancel
        while True:
            try:
                self._slurm.cancel(*what)
                return
            except NoAnswerError as fault:
                if monotonic() >= deadline:
                    self._notices.show(
                        f"cannot cancel Slurm's jobs ({fault}): run scancel {' '.join(what)}"
                    )
                    return
                line = f"{fault}; archselect tries for {self._pace.cancel:.3g} seconds to cancel the jobs"
                self._notices.show_once("scancel", line)
            sleep(self._pace.poll)


def _of_another_host(folder: AbandonedFolder) -> str:
    """Return the message for a folder whose command may still run."""
    return (
        f"{folder.path} belongs to a command on {folder.host}. If the command has ended, cancel its jobs (names start "
        f"with {folder.job_names}) and remove the folder"
    )
