"""Calls of Slurm's programs.

Every call has a time limit. An error is one of three kinds.
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
"""Programs that must exist; `sacct` and `scontrol` are used if they exist."""
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
"""States of a job that no longer runs. All other states are waited for."""

FOREVER = float("inf")
STEP = 0.1
"""Seconds between two checks of a running program."""
LONGEST = 400
"""The maximal number of characters of a program's output in a message."""
MOST_IDS = 1000
"""The maximal number of ids in one call of `sacct`."""
DEFAULT_LARGEST = 1000
"""Number of jobs in the largest array, if Slurm does not say: Slurm's default."""
_OTHERS_OPTIONS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SBATCH_WAIT")
"""Prefixes of environment variables that would change the programs' behaviour."""
_JOB = re.compile(r"(\d[^|\s]*)\|([A-Z_]+)\|([^|]*)\|(.*)")
"""A line of `squeue`, in the form :data:`_FORM`. Ids such as 12+0 also match."""
_FORM = "%i|%T|%r|%j"
_LIMIT_REASON = re.compile(
    r"(?:Max|Grp)\w*Submit|temporarily unable to accept|Resource temporarily unavailable"
)
"""Words of a limit on the number of jobs."""
_MAYBE_LIMIT = re.compile(
    r"violates accounting/QOS policy|Invalid job array specification|MaxArraySize"
)
"""Words of a limit on jobs or on the length of an array, or of other refusals."""
_REASON = re.compile(r"\b(?:QOS|Assoc)[A-Z]\w+")
"""The name of the limit that a job violates, as Slurm prints it."""
_SILENT = re.compile(
    r"unable to contact|timed out|connect|communication|zero bytes|standby|transport|unexpected message|authentication"
    r"|munge|try again|temporarily|not responding",
    re.IGNORECASE,
)
"""Words of a refusal that is not Slurm's decision.

Its controller was not reached, or could not answer.
"""


class NoAnswerError(Exception):
    """A program hangs, fails, or gives an answer without meaning.

    It may answer later, and it may have done its work.
    """


class SubmissionRefusedError(Exception):
    """Slurm refuses a submission, and would again; the message is that of `sbatch`."""


class QueueFullError(Exception):
    """Slurm accepts no more jobs for now, or not as many at once.

    Args:
        message: message of `sbatch`.
        certain: whether the message can only be about a limit on jobs.
    """

    def __init__(self, message: str, certain: bool) -> None:
        super().__init__(message)
        self.certain = certain


class CommandEndedError(Exception):
    """The command ends without waiting for the program."""


class Job(NamedTuple):
    """A job as `squeue` shows it."""

    state: str
    reason: str
    name: str


def array_of(id: str) -> str:
    """Return the id of a job's array, or its own id if it is in no array."""
    return id.partition("_")[0]


def arrays_named(prefix: str, jobs: dict[str, Job]) -> set[str]:
    """Return the ids of the arrays whose live jobs have names with a prefix."""
    live = [
        id
        for id, job in jobs.items()
        if job.state not in ENDED and job.name.startswith(prefix)
    ]
    return {array_of(id) for id in live}


@dataclass(frozen=True)
class _Answer:
    """The output of a program, and its exit code; None if it did not end in time."""

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
        pace: limit for the time of a program.
        closed: event that is set when the command ends; then programs are no longer
            waited for.
        meanwhile: function that is called while a program runs, as often as results are
            looked for.
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
            SubmissionRefusedError: Slurm refuses it for another reason.
            NoAnswerError: `sbatch` fails in another way. The job may nevertheless be in
            the
                queue.
            CommandEndedError: the command ends in the meantime. The job may
            nevertheless be
                in the queue.
        """
        answer = self._run("sbatch", str(script), linger=self._pace.linger)
        match = re.search(r"Submitted batch job (\d+)", answer.out)
        if match is None:
            raise _refusal(answer)
        return match[1]

    def jobs(self) -> dict[str, Job]:
        """Return this user's jobs by id, such as 12 or 12_3.

        They are the jobs that wait or run, and those that ended recently.

        Raises:
            NoAnswerError: `squeue` fails, or shows something else than jobs.
            CommandEndedError: the command ends in the meantime.
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
                    f"squeue shows something else than jobs: {line.strip()[:LONGEST]!r}"
                )
        return jobs

    def past_states(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the states of jobs by id, from Slurm's accounting.

        Without accounting, the result is empty.

        Args:
            ids: ids of jobs or arrays.

        Raises:
            NoAnswerError: `sacct` fails.
            CommandEndedError: the command ends in the meantime.
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
                    # Text can follow a state, as in "CANCELLED by 1000".
                    states[row[0]] = row[1].split()[0]
        return states

    def largest_array(self) -> int:
        """Return the maximal number of jobs in an array; 1 if there are no arrays.

        If Slurm does not say, it is a usual number.

        Raises CommandEndedError if the command ends in the meantime.
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
        """Cancel jobs, even while the command ends.

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
        """Run a program until it ends, or kill it after its time limit.

        Args:
            command: the program and its arguments.
            limit: time limit in seconds; None for that of the pace.
            linger: seconds for which it may still run when the command ends.

        Raises:
            NoAnswerError: it cannot be started.
            CommandEndedError: the command ended before the program.
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
    """Start a program that Ctrl-C and the user's variables do not affect.

    At the end of the block, the program and all that it started are killed: it may be a
    script around the real program.

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
            f"cannot start {command[0]}: {error.strerror or error}"
        ) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            # A process that waits for a lost file system cannot be killed; then it is
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
    """Return whether `scancel` complains only about jobs that no longer exist."""
    lines = [line for line in answer.err.splitlines() if line.strip()]
    return bool(lines) and all(
        re.search(r"Invalid job id|already complet", line) for line in lines
    )
