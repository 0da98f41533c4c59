"""Finds out which jobs are gone without a result, and why."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from archselect.benchmarks.engines.slurm.endings import AGAIN, NEVER, ending
from archselect.benchmarks.engines.slurm.ledger import Ledger
from archselect.benchmarks.engines.slurm.notices import Notices
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.engines.slurm.place import tail
from archselect.benchmarks.engines.slurm.programs import ENDED, Job, Slurm, Unanswered
from archselect.benchmarks.engines.slurm.tasks import Task

TRIES = 3
"""How often a job is submitted that ends for reasons that are not its own, as where
nodes fail or others go first.
"""


class Watch:
    """See the module's text.

    Args:
        ledger: of the calls.
        slurm: whose accounting is asked.
        notices: to tell the user something.
        pace: how long a job must be gone.

    Attributes:
        doubtful: ids of arrays with jobs that counted as gone though Slurm did not say
            how they ended.
    """

    def __init__(
        self, ledger: Ledger, slurm: Slurm, notices: Notices, pace: Pace
    ) -> None:
        self.doubtful: set[str] = set()
        self._ledger = ledger
        self._slurm = slurm
        self._notices = notices
        self._pace = pace

    def look(self, jobs: dict[str, Job]) -> None:
        """Compare the calls with the jobs that Slurm has, and settle those whose jobs have been gone for a while.

        Raises Closed if the command ends meanwhile.
        """
        self._note(jobs)
        if not self._gone():
            return
        self._ledger.place.refresh()
        self._ledger.collect()
        for task in self._ended(self._gone()):
            if task.name in self._ledger.going:
                self._end(task)

    def _note(self, jobs: dict[str, Job]) -> None:
        """Note of each call whether its job has ended, is gone, or is to be waited for."""
        held: Counter[str] = Counter()
        for task in self._ledger.going.values():
            if task.job_id is None:
                continue
            # Jobs of an array that were cancelled before they started are shown as one,
            # with the array's id.
            job = jobs.get(task.job_id) or jobs.get(str(task.array_id))
            if job is None or job.state in ENDED:
                task.missed = task.missed or monotonic()
                task.state = task.state if job is None else job.state
            else:
                task.missed = None
                task.state = ""
                held[job.reason.split(",")[0]] += job.state == "PENDING"
        for reason in sorted(NEVER & held.keys()):
            line = f"Slurm jobs may never start: {reason}; look at them with 'squeue --me', and cancel them if need be"
            self._notices.tell_once(reason, line)

    def _gone(self) -> list[Task]:
        return [
            task
            for task in self._ledger.going.values()
            if _missed_for(task, self._pace.grace)
        ]

    def _ended(self, tasks: list[Task]) -> list[Task]:
        """Return the calls whose jobs have ended, without those that the accounting shows otherwise or says nothing of.

        After a long time all count as ended.
        """
        unknown = [task for task in tasks if not task.state]
        ended = [
            task
            for task in tasks
            if task.state or _missed_for(task, self._pace.patience)
        ]
        if not unknown:
            return ended
        try:
            states = self._slurm.past(self._ledger.array_ids(unknown))
        except Unanswered as fault:
            self._notices.tell_once(
                "sacct", f"{fault}; how jobs ended is not known yet"
            )
            return ended
        for task in unknown:
            state = states.get(str(task.job_id)) or states.get(str(task.array_id), "")
            task.state = state if state in ENDED else ""
            if task.state or not state:
                ended.append(task)
        return ended

    def _end(self, task: Task) -> None:
        """Submit a call again whose job ended for reasons that are not its own, a few times; fail any other."""
        if task.state in AGAIN and task.tries < TRIES:
            line = f"Slurm job {task.job_id} ended with {task.state}; such jobs are submitted up to {TRIES} times"
            self._notices.tell_once(task.state, line)
            self._ledger.wait_again(task)
            return
        if not task.state:
            self.doubtful.add(str(task.array_id))
        assert task.array is not None
        log = self._ledger.place.log(task.array.number, task.index)
        said = ending(str(task.job_id), task.state, task.tries, log)
        self._ledger.fail(task, "\n".join(filter(None, [said, tail(log)])))


def _missed_for(task: Task, seconds: float) -> bool:
    return task.missed is not None and monotonic() - task.missed >= seconds
