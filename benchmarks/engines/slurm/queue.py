"""The jobs of one command: a thread submits them, reads their results, asks Slurm about them, and cancels them."""

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
from archselect.benchmarks.engines.slurm.ledger import Ledger
from archselect.benchmarks.engines.slurm.notices import Notices, Silence
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.place import Abandoned, Place
from archselect.benchmarks.engines.slurm.programs import (
    Closed,
    Job,
    Slurm,
    Unanswered,
    arrays_named,
)
from archselect.benchmarks.engines.slurm.submitter import Submitter
from archselect.benchmarks.engines.slurm.tasks import Task
from archselect.benchmarks.engines.slurm.watch import Watch
from archselect.nasbench_adapters.errors import UserError


class Queue:
    """Does calls as jobs, and gives futures of their results.

    Args:
        place: where files are exchanged with jobs.
        start: what a job does before its call.
        pace: how often Slurm is asked, and how long things are waited for.
    """

    def __init__(self, place: Place, start: Start, pace: Pace) -> None:
        self._place = place
        self._start = start
        self._pace = pace
        self._names = count()
        self._closed = threading.Event()
        self._notices = notices = Notices()
        self._ledger = Ledger(place, notices, pace.patience)
        self._slurm = Slurm(pace, self._closed, self._ledger.collect)
        self._submitter = Submitter(self._ledger, self._slurm, notices, pace)
        self._watch = Watch(self._ledger, self._slurm, notices, pace)
        self._silence = Silence(notices, pace.patience)
        self._next_look = 0.0
        self._cleared = False
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a call submitted with all others that come before the next look; return the future of its result.

        Raises UserError if its file cannot be written.
        """
        task = Task(str(next(self._names)), Future())
        try:
            content = pickle.dumps((self._start, function, arguments))
        except Exception as error:
            fault = RuntimeError(
                f"the call cannot be sent to a job: {type(error).__name__}: {error}"
            )
            task.future.set_exception(fault)
            return task.future
        self._place.write_call(task.name, content)
        self._ledger.add(task)
        return task.future

    def close(self) -> None:
        """Cancel the jobs of what is not done."""
        self._closed.set()
        try:
            self._wait_for_thread()
        finally:
            # If the user would not wait, the next command with this folder cancels what
            # is left.
            if not self._thread.is_alive():
                for future in self._ledger.futures():
                    future.cancel()
                self._place.close()

    def _wait_for_thread(self) -> None:
        try:
            self._thread.join()
        except KeyboardInterrupt:
            # The thread is cancelling jobs: only one more interrupt leaves them.
            self._thread.join()
            raise

    def _look_after(self) -> None:
        doubtful: set[str] = set()
        try:
            while not self._closed.wait(self._pace.poll):
                self._ledger.collect()
                if self._clear_abandoned():
                    self._submit()
                    self._look()
        except Closed:
            pass
        except Exception as error:
            doubtful = self._ledger.array_ids()
            self._ledger.give_up(error)
        finally:
            self._cancel(doubtful)

    def _submit(self) -> None:
        """Submit what waits.

        If sbatch does not answer, Slurm has time until the next look to have the jobs
        or not.
        """
        sure = self._submitter.unsure is None
        self._submitter.submit()
        if sure and self._submitter.unsure is not None:
            self._next_look = monotonic() + self._pace.look

    def _look(self) -> None:
        """Ask Slurm about the jobs, if it is time to."""
        nothing_to_ask = not self._ledger.going and self._submitter.unsure is None
        if nothing_to_ask or monotonic() < self._next_look:
            return
        jobs = self._ask()
        if jobs is None:
            return
        self._submitter.find(jobs)
        self._cancel_strays(jobs)
        self._watch.look(jobs)

    def _ask(self) -> dict[str, Job] | None:
        """Return this user's jobs; None if squeue does not answer.

        Raises UserError if it has not for too long.
        """
        try:
            jobs = self._slurm.jobs()
        except Unanswered as fault:
            self._check_patience(fault)
            return None
        finally:
            self._next_look = monotonic() + self._pace.look
        self._silence.ends("squeue")
        return jobs

    def _check_patience(self, fault: Unanswered) -> None:
        """Raise UserError if Slurm has been silent for too long, and no job has given a result meanwhile."""
        if self._silence.goes_on(fault, self._ledger.last_result):
            raise UserError(
                f"Slurm has not answered for {self._silence.limit} ({fault}), and no result has come; the jobs are "
                "cancelled; run the command again when Slurm answers"
            ) from fault

    def _cancel_strays(self, jobs: dict[str, Job]) -> None:
        """Cancel jobs that sbatch submitted although it failed; their calls are submitted again."""
        strays = arrays_named(self._place.job_names, jobs) - self._submitter.ids
        if strays:
            with suppress(Unanswered):
                self._slurm.cancel(*sorted(strays))

    def _clear_abandoned(self) -> bool:
        """Cancel the jobs of killed commands, which would do what this one submits; return whether that is done.

        Such commands had the same setting `folder`, and ran on this machine.
        """
        if self._cleared or monotonic() < self._next_look:
            return self._cleared
        here = []
        for place in self._place.abandoned():
            if place.host == socket.gethostname():
                here.append(place)
            else:
                self._notices.tell_once(str(place.path), _of_another_host(place))
        self._cleared = not here or self._cancel_abandoned(here)
        return self._cleared

    def _cancel_abandoned(self, places: list[Abandoned]) -> bool:
        """Cancel the jobs of killed commands and remove their folders; return whether Slurm answered."""
        jobs = self._ask()
        if jobs is None:
            return False
        ids = sorted(
            set().union(*(arrays_named(place.job_names, jobs) for place in places))
        )
        try:
            if ids:
                self._slurm.cancel(*ids)
                self._notices.tell(
                    f"cancelled what a killed command left in Slurm's queue: {', '.join(ids)}"
                )
        except Unanswered as fault:
            self._check_patience(fault)
            return False
        for place in places:
            place.remove()
        return True

    def _cancel(self, ids: set[str]) -> None:
        """Cancel all jobs that are not done, and those of other arrays."""
        self._closed.set()
        every = sorted(ids | self._watch.doubtful | self._ledger.array_ids())
        if every:
            self._keep_cancelling(*every)
        if self._submitter.unsure is not None:
            name = self._place.job_names + str(self._submitter.unsure.number)
            self._keep_cancelling("-u", str(os.getuid()), "-n", name)

    def _keep_cancelling(self, *what: str) -> None:
        """Cancel jobs; try for a while, and then say how to do it by hand."""
        deadline = monotonic() + self._pace.cancel
        while True:
            try:
                self._slurm.cancel(*what)
                return
            except Unanswered as fault:
                if monotonic() >= deadline:
                    self._notices.tell(
                        f"cannot cancel Slurm's jobs ({fault}); do it by hand: scancel {' '.join(what)}"
                    )
                    return
                line = f"{fault}; trying for {self._pace.cancel:.3g} seconds to cancel the jobs"
                self._notices.tell_once("scancel", line)
            sleep(self._pace.poll)


def _of_another_host(place: Abandoned) -> str:
    return (
        f"{place.path} is left by a command on {place.host}; if that has ended, cancel its jobs, whose names begin "
        f"with {place.job_names}, and remove the folder"
    )
