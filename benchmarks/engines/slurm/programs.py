"""Calls of Slurm's programs.

Every call has a time-out, and what goes wrong is one of three kinds of error.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import NamedTuple

from archselect.benchmarks.engines.slurm.pace import Pace

PROGRAMS = ("sbatch", "squeue", "scancel")
"""Those that must be there; `sacct` and `scontrol` are used where they are."""
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""States of a job that runs no more, unless Slurm puts it back into the queue. All
others are of jobs to wait for.
"""

FOREVER = float("inf")
STEP = 0.1
"""Seconds between two looks at a program that runs."""
LONGEST = 400
"""Letters of a program's output that a message quotes."""
MOST_IDS = 1000
"""Ids that one call of `sacct` asks for."""
DEFAULT_LARGEST = 1000
"""Jobs of the largest array where Slurm does not say: its own default allows one more.
"""
_OTHERS_OPTIONS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SBATCH_WAIT")
"""Variables of the environment that would change what the programs do or show."""
_JOB = re.compile(r"(\d[^|\s]*)\|([A-Z_]+)\|([^|]*)\|(.*)")
"""A line of `squeue`, in the form :data:`_FORM`. Ids of other kinds of jobs, such as
12+0, match too.
"""
_FORM = "%i|%T|%r|%j"
_LIMIT_REASON = re.compile(
    r"(?:Max|Grp)\w*Submit|temporarily unable to accept|Resource temporarily unavailable"
)
"""Words of a limit on the number of jobs."""
_MAYBE_LIMIT = re.compile(
    r"violates accounting/QOS policy|Invalid job array specification|MaxArraySize"
)
"""Words that stand for a limit on jobs, a limit on the length of an array, or for other
refusals.
"""
_REASON = re.compile(r"\b(?:QOS|Assoc)[A-Z]\w+")
"""The name that Slurm gives to the limit that a job violates."""
_SILENT = re.compile(
    r"unable to contact|timed out|connect|communication|zero bytes|standby|transport|unexpected message|authentication"
    r"|munge|try again|temporarily|not responding",
    re.IGNORECASE,
)
"""Words of a refusal that is not Slurm's decision: its controller could not be asked,
or could not answer.
"""


class NoAnswerError(Exception):
    """A program hangs, fails, or gives an answer that makes no sense.

    It may answer later, and it may have done what it was called for.
    """


class SubmissionRefusedError(Exception):
    """Slurm refuses a submission, now and later; the message is that of `sbatch`."""


class QueueFullError(Exception):
    """Slurm takes no more jobs at present, or not as many at once.

    Args:
        message: of `sbatch`.
        certain: whether the message can only be about a limit on jobs.
    """

    def __init__(self, message: str, certain: bool) -> None:
        super().__init__(message)
        self.certain = certain


class CommandEndedError(Exception):
    """The command ends, and does not wait for the program."""


class Job(NamedTuple):
    """A job as `squeue` shows it."""

    state: str
    reason: str
    name: str


def array_of(id: str) -> str:
    """Return the id of a job's array, or its own if it is in none."""
    return id.partition("_")[0]


def arrays_named(prefix: str, jobs: dict[str, Job]) -> set[str]:
    """Return the ids of the arrays whose jobs wait or run under names with a prefix."""
    live = [
        id
        for id, job in jobs.items()
        if job.state not in ENDED and job.name.startswith(prefix)
    ]
    return {array_of(id) for id in live}


@dataclass(frozen=True)
class _Answer:
    """The output of a program, and its exit code: None if it did not end in time."""

    program: str
    code: int | None
    out: str
    err: str

    @property
    def message(self) -> str:
        """The reason that the program gave for its failure, in one line."""
        output = self.err.strip() or self.out.strip()
        line = " ".join(output.split())[:LONGEST]
        if self.code is not None:
            return line or f"{self.program} ends with exit code {self.code}"
        if line:
            return f"{self.program} hangs: {line}"
        return f"{self.program} hangs"

    def failure(self) -> NoAnswerError:
        """Return the error of a program that failed."""
        message = self.message
        if not message.startswith(self.program):
            message = f"{self.program}: {message}"
        return NoAnswerError(message)


class Slurm:
    """The Slurm of this machine, with the jobs of this user.

    Args:
        pace: how long a program may take.
        closed: set when the command ends; programs are no longer waited for.
        meanwhile: called while a program runs, as often as the pace says that results
            are looked for.
    """

    def __init__(
        self, pace: Pace, closed: Event, meanwhile: Callable[[], None]
    ) -> None:
        self._pace = pace
        self._closed = closed
        self._meanwhile = meanwhile
        self._has_accounting = shutil.which("sacct") is not None

    @property
    def closed(self) -> bool:
        """Whether the command ends."""
        return self._closed.is_set()

    def submit(self, script: Path) -> str:
        """Submit a batch script; return the id of its job or array.

        Raises:
            QueueFullError: a limit is reached.
            SubmissionRefusedError: it is refused for another reason.
            NoAnswerError: `sbatch` fails otherwise. The job may be in the queue all the
                same.
            CommandEndedError: the command ends meanwhile. The job may be in the queue
                all the same.
        """
        answer = self._run("sbatch", str(script), linger=self._pace.linger)
        match = re.search(r"Submitted batch job (\d+)", answer.out)
        if match is None:
            raise _refusal(answer)
        return match[1]

    def jobs(self) -> dict[str, Job]:
        """Return this user's jobs by id, such as 12 or 12_3.

        They are those that wait or run, and those that ended a short while ago.

        Raises:
            NoAnswerError: `squeue` fails, or shows something else than jobs.
            CommandEndedError: the command ends meanwhile.
        """
        answer = self._run(
            "squeue", "-h", "-r", "-u", str(os.getuid()), "-t", "all", "-o", _FORM
        )
        if answer.code != 0:
            raise answer.failure()
        jobs = {}
        for line in answer.out.splitlines():
            shown = _JOB.fullmatch(line.strip())
            if shown is not None:
                id, *rest = shown.groups()
                jobs[id] = Job(*rest)
            elif line.strip():
                raise NoAnswerError(
                    f"squeue shows no jobs but {line.strip()[:LONGEST]!r}"
                )
        return jobs

    def past_states(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the states of jobs by id, as the accounting has them.

        There are none where there is no accounting.

        Args:
            ids: of jobs or arrays.

        Raises:
            NoAnswerError: `sacct` fails.
            CommandEndedError: the command ends meanwhile.
        """
        if not self._has_accounting:
            return {}
        asked = sorted(ids)
        states: dict[str, str] = {}
        for first in range(0, len(asked), MOST_IDS):
            some = ",".join(asked[first : first + MOST_IDS])
            answer = self._run(
                "sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", some
            )
            if answer.code != 0 and "disabled" in answer.err:
                self._has_accounting = False
                return {}
            if answer.code != 0:
                raise answer.failure()
            for line in answer.out.splitlines():
                row = line.strip().split("|")
                if len(row) == 2 and row[1].strip():
                    # More may follow a state, as in "CANCELLED by 1000".
                    states[row[0]] = row[1].split()[0]
        return states

    def largest_array(self) -> int:
        """Return how many jobs an array may have; 1 where there are no arrays.

        It is a usual number if Slurm does not say.

        Raises CommandEndedError if the command ends meanwhile.
        """
        try:
            answer = self._run("scontrol", "show", "config")
        except NoAnswerError:
            return DEFAULT_LARGEST
        match = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.out, re.MULTILINE)
        if match is None:
            return DEFAULT_LARGEST
        return max(min(int(match[1]), DEFAULT_LARGEST), 1)

    def cancel(self, *what: str) -> None:
        """Cancel jobs, also when the command ends.

        Args:
            what: arguments of `scancel`, such as ids.

        Raises:
            NoAnswerError: `scancel` fails.
        """
        answer = self._run(
            "scancel", *what, limit=self._pace.cancel / 3, linger=FOREVER
        )
        if answer.code != 0 and not _are_gone(answer):
            raise answer.failure()

    def _run(
        self, *command: str, limit: float | None = None, linger: float = 0
    ) -> _Answer:
        """Run a program to its end, or kill it when its time is up.

        Args:
            command: the program and its arguments.
            limit: seconds that it may take, the pace's if left out.
            linger: seconds that it may still run when the command ends.

        Raises:
            NoAnswerError: it cannot be started.
            CommandEndedError: the command ended meanwhile, and the program did not.
        """
        program = command[0]
        deadline = monotonic() + (self._pace.call if limit is None else limit)
        next_look = monotonic() + self._pace.poll
        stderr = b""
        with _started(command) as process:
            while monotonic() < deadline:
                try:
                    out, err = process.communicate(timeout=STEP)
                    return _Answer(program, process.returncode, _text(out), _text(err))
                except subprocess.TimeoutExpired as still:
                    stderr = still.stderr or b""
                if self.closed:
                    deadline = min(deadline, monotonic() + linger)
                elif monotonic() >= next_look:
                    self._meanwhile()
                    next_look = monotonic() + self._pace.poll
        if self.closed and linger != FOREVER:
            raise CommandEndedError
        return _Answer(program, None, "", _text(stderr))


@contextmanager
def _started(command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program that Ctrl-C and the user's variables do not reach.

    What is left of it at the end of the block is killed with all that it started: it
    may be a script around the real program.

    Raises NoAnswerError if it cannot be started.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OTHERS_OPTIONS)
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise NoAnswerError(
            f"{command[0]} cannot be started: {error.strerror or error}"
        ) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            # One that waits for a file system that is gone cannot be killed; then it is
            # left behind.
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def _refusal(answer: _Answer) -> Exception:
    """Return the error of an `sbatch` that gave no id."""
    stderr = answer.err
    if _LIMIT_REASON.search(stderr):
        return QueueFullError(answer.message, certain=True)
    if _MAYBE_LIMIT.search(stderr) and not _REASON.search(stderr):
        return QueueFullError(answer.message, certain=False)
    is_decision = any(line.startswith("sbatch: ") for line in stderr.splitlines())
    if answer.code in (None, 0) or not is_decision or _SILENT.search(stderr):
        return answer.failure()
    return SubmissionRefusedError(answer.message)


def _are_gone(answer: _Answer) -> bool:
    """Return whether `scancel` complains only of jobs that are there no longer."""
    lines = [line for line in answer.err.splitlines() if line.strip()]
    return bool(lines) and all(
        re.search(r"Invalid job id|already complet", line) for line in lines
    )
