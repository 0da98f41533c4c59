"""Watch the jobs of calls: find jobs that are gone without a result, and why."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from archselect.benchmarks.engines.slurm.calls import SlurmCall
from archselect.benchmarks.engines.slurm.endings import (
    NEVER_START,
    NOT_ITS_FAULT,
    ending_message,
)
from archselect.benchmarks.engines.slurm.folder import tail
from archselect.benchmarks.engines.slurm.ledger import CallLedger
from archselect.benchmarks.engines.slurm.notices import Notices
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.programs import (
    ENDED,
    Job,
    NoAnswerError,
    Slurm,
)

TRIES = 3
"""The maximal number of submissions of a job that ends without its own fault."""


class JobWatch:
    """A comparison of the submitted calls with the jobs that Slurm has.

    Args:
        ledger: list of the calls.
        slurm: Slurm, whose accounting is asked.
        notices: messages to the user.
        pace: how long a job must be gone.

    Attributes:
        doubtful_arrays: ids of arrays with jobs that counted as gone although Slurm did
            not say how they ended.
    """

    def __init__(
        self, ledger: CallLedger, slurm: Slurm, notices: Notices, pace: Pace
    ) -> None:
        self.doubtful_arrays: set[str] = set()
        self._ledger = ledger
        self._slurm = slurm
        self._notices = notices
        self._pace = pace

    def look(self, jobs: dict[str, Job]) -> None:
        """Settle the calls whose jobs have been gone for a while.

        Args:
            jobs: Slurm's jobs, by id.

        Raises:
            CommandEndedError: the command ends in the meantime.
        """
        self._compare(jobs)
        if not self._missing():
            return
        # The result may have arrived by now.
        self._ledger.folder.refresh()
        self._ledger.collect()
        for call in self._ended(self._missing()):
            if call.name in self._ledger.submitted:
                self._settle(call)

    def _compare(self, jobs: dict[str, Job]) -> None:
        """Note for each call whether its job has ended, is gone, or is alive."""
        pending: Counter[str] = Counter()
        for call in self._ledger.submitted.values():
            if call.job_id is None:
                continue
            # Jobs of an array that were cancelled before they started are shown as one
            # job with the array's id.
            job = jobs.get(call.job_id) or jobs.get(str(call.array_id))
            if job is None or job.state in ENDED:
                call.missed = call.missed or monotonic()
                call.state = call.state if job is None else job.state
            else:
                call.missed = None
                call.state = ""
                reason = job.reason.split(",")[0]
                pending[reason] += job.state == "PENDING"
        for reason in sorted(NEVER_START & pending.keys()):
            line = f"Slurm jobs may never start: {reason}; see 'squeue --me', and cancel them if necessary"
            self._notices.show_once(reason, line)

    def _missing(self) -> list[SlurmCall]:
        """Return the calls whose jobs count as gone."""
        calls = self._ledger.submitted.values()
        return [call for call in calls if _is_missed_for(call, self._pace.grace)]

    def _ended(self, calls: list[SlurmCall]) -> list[SlurmCall]:
        """Return the calls whose jobs have ended.

        Slurm's accounting may show that some have not ended, or may not list them.
        After a long time, all count as ended.
        """
        unknown = [call for call in calls if not call.state]
        ended = [
            call
            for call in calls
            if call.state or _is_missed_for(call, self._pace.patience)
        ]
        if not unknown:
            return ended
        try:
            states = self._slurm.past_states(self._ledger.array_ids(unknown))
        except NoAnswerError as fault:
            line = f"{fault}; it is not known yet how jobs ended"
            self._notices.show_once("sacct", line)
            return ended
        for call in unknown:
            of_job = states.get(str(call.job_id))
            state = of_job or states.get(str(call.array_id), "")
            call.state = state if state in ENDED else ""
            if call.state or not state:
                ended.append(call)
        return ended

    def _settle(self, call: SlurmCall) -> None:
        """Fail a call, or submit it again if its job ended without its own fault."""
        if call.state in NOT_ITS_FAULT and call.tries < TRIES:
            line = f"Slurm job {call.job_id} ended with {call.state}; such jobs are submitted up to {TRIES} times"
            self._notices.show_once(call.state, line)
            self._ledger.wait_again(call)
            return
        if not call.state:
            self.doubtful_arrays.add(str(call.array_id))
        assert call.array is not None
        log = self._ledger.folder.log(call.array.number, call.index)
        message = ending_message(str(call.job_id), call.state, call.tries, log)
        last_lines = tail(log)
        if last_lines:
            message += f"\n{last_lines}"
        self._ledger.fail(call, message)


def _is_missed_for(call: SlurmCall, seconds: float) -> bool:
    """Return whether a call's job has not been seen for some seconds."""
    return call.missed is not None and monotonic() - call.missed >= seconds
