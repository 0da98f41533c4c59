"""Submit calls in job arrays, as long and as many as Slurm accepts."""

from __future__ import annotations

from time import monotonic

from archselect.benchmarks.engines.slurm.calls import JobArray
from archselect.benchmarks.engines.slurm.ledger import CallLedger
from archselect.benchmarks.engines.slurm.notices import Notices, Silence
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.programs import (
    Job,
    NoAnswerError,
    QueueFullError,
    Slurm,
    SubmissionRefusedError,
    array_of,
)
from archselect.nasbench_adapters.errors import UserError


class Submitter:
    """A submitter of waiting calls, which learns how long an array can be.

    Args:
        ledger: list of the calls.
        slurm: Slurm.
        notices: messages to the user.
        pace: how often submission is retried.

    Attributes:
        ids: Slurm's ids of all arrays that it accepted.
        unconfirmed: an array for which `sbatch` did not say whether Slurm has it. Until
            that is known, no other array is submitted.
    """

    def __init__(
        self, ledger: CallLedger, slurm: Slurm, notices: Notices, pace: Pace
    ) -> None:
        self.ids: set[str] = set()
        self.unconfirmed: JobArray | None = None
        self._ledger = ledger
        self._slurm = slurm
        self._notices = notices
        self._pace = pace
        self._largest: int | None = None
        self._size = 1
        self._next_try = 0.0
        self._silence = Silence(notices, pace.patience)
        self._silent_for_long = False

    def submit(self) -> None:
        """Submit the waiting calls, if it is time.

        Raises:
            UserError: Slurm refuses the first submission.
            CommandEndedError: the command ends in the meantime.
        """
        if self.unconfirmed is not None or monotonic() < self._next_try:
            return
        if self._largest is None and self._ledger.waiting:
            self._largest = self._slurm.largest_array()
            self._size = self._largest
        while self._ledger.waiting and not self._slurm.closed:
            if not self._submit_array():
                return

    def _submit_array(self) -> bool:
        """Submit an array of the calls that have waited longest.

        Returns whether the next array can follow at once.
        """
        array = self._ledger.make_array(self._size)
        script = self._ledger.folder.write_array(array.number, array.calls)
        # Until sbatch has answered, Slurm may or may not have the array.
        self.unconfirmed = array
        try:
            id = self._slurm.submit(script)
        except NoAnswerError as fault:
            self._silent_for_long = self._silence.note_failure(fault)
            return False
        except QueueFullError as full:
            self._take_back(array)
            return self._make_room(len(array.calls), full)
        except SubmissionRefusedError as refusal:
            self._take_back(array)
            self._fail(len(array.calls), f"Slurm refuses the job: {refusal}")
            return True
        self._accept(array, id)
        self._size = min(2 * self._size, self._largest or 1)
        return True

    def confirm(self, jobs: dict[str, Job]) -> None:
        """Find out whether Slurm has the unconfirmed array.

        Does nothing if there is no such array.

        Args:
            jobs: Slurm's jobs, by id.

        Raises:
            UserError: `sbatch` has been silent for too long, and Slurm has never
            accepted
                an array.
        """
        array = self.unconfirmed
        if array is None:
            return
        name = self._ledger.folder.job_names + str(array.number)
        ids = {array_of(id) for id, job in jobs.items() if job.name == name}
        if ids:
            self._accept(array, min(ids))
            return
        self._take_back(array)
        if self._silent_for_long:
            self._fail(
                len(array.calls), f"sbatch has not answered for {self._silence.limit}"
            )

    def _accept(self, array: JobArray, id: str) -> None:
        """Note that Slurm has an array."""
        self.unconfirmed = None
        self._silence.note_answer("sbatch")
        self.ids.add(id)
        array.id = id
        for call in self._ledger.calls_of(array):
            call.tries += 1
            call.missed = None
            call.state = ""

    def _take_back(self, array: JobArray) -> None:
        """Note that Slurm does not have an array."""
        self.unconfirmed = None
        self._ledger.take_back(array)

    def _make_room(self, size: int, full: QueueFullError) -> bool:
        """Make arrays shorter after an array of this size was refused.

        Returns whether the next array can follow at once; if not, it waits.
        """
        if size > 1:
            self._size = size // 2
            return True
        if not full.certain and not self._ledger.submitted:
            self._fail(1, f"Slurm refuses the job: {full}")
            return True
        number = len(self._ledger.waiting)
        line = f"Slurm accepts no more jobs for now ({full}); {number} jobs wait until others have ended"
        self._notices.show_once("full", line)
        self._next_try = monotonic() + self._pace.full
        return False

    def _fail(self, number: int, reason: str) -> None:
        """Fail the calls that have waited longest.

        Raises UserError if Slurm has not accepted a single job of this command.
        """
        if not self.ids:
            raise UserError(f"{reason}: change settings with --engine-set NAME=VALUE")
        self._ledger.fail_waiting(number, reason)
