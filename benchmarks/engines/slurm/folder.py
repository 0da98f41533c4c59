"""The folder of one command, in which it exchanges files with its jobs.

`calls/N` is call N. `arrays/A` lists the calls of array A in the order of its jobs, and
`A.sh` is its batch script. `results/N` is the outcome of call N, and `logs/A-K.log` is
the output of job K of array A. Only its owner can open the folder, because calls and
results are pickles.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock, Timeout

from archselect.benchmarks.engines.slurm.options import Options
from archselect.nasbench_adapters.atomic_files import unwritable

PREFIX = "archselect-"
"""The prefix of the names of such folders."""
TAIL = 20
"""The number of lines of a log that a message quotes."""


class ExchangeFolder:
    """A new folder within the folder in the settings, locked by this process.

    Args:
        options: options of the engine.

    Attributes:
        path: path of the folder.
        job_names: prefix that only the names of this command's jobs have.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        try:
            options.folder.mkdir(parents=True, exist_ok=True)
            self.path = Path(mkdtemp(prefix=PREFIX, dir=options.folder))
            self._lock = _lock(self.path)
            for name in ("calls", "arrays", "results", "logs"):
                (self.path / name).mkdir()
            self.job_names = (
                f"{options.job_name}-{self.path.name.removeprefix(PREFIX)}-"
            )
            (self.path / "owner").write_text(
                f"{socket.gethostname()}\n{self.job_names}\n", encoding="utf-8"
            )
        except OSError as error:
            raise unwritable(options.folder, error) from error

    def write_call(self, name: str, content: bytes) -> None:
        """Write a call for a job to read.

        Raises UserError if it cannot be written.
        """
        path = self.path / "calls" / name
        try:
            path.write_bytes(content)
        except OSError as error:
            raise unwritable(path, error) from error

    def write_array(self, number: int, calls: list[str]) -> Path:
        """Write the list of an array's calls and its batch script; return the script.

        Raises UserError if they cannot be written.
        """
        listed = self.path / "arrays" / str(number)
        script = self.path / f"{number}.sh"
        index = "%a" if len(calls) > 1 else "0"
        log = f"{str(self.path / 'logs').replace('%', '%%')}/{number}-{index}.log"
        text = self._options.script(
            f"{self.job_names}{number}", len(calls), log, [str(self.path), str(number)]
        )
        try:
            listed.write_text("\n".join(calls), encoding="utf-8")
            script.write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable(script, error) from error
        return script

    def drop_array(self, number: int) -> None:
        """Remove what :meth:`write_array` wrote.

        A job of the array that starts nevertheless then has nothing to do.
        """
        (self.path / "arrays" / str(number)).unlink(missing_ok=True)
        (self.path / f"{number}.sh").unlink(missing_ok=True)

    def results(self) -> list[str]:
        """Return the names of the calls that have results.

        Raises OSError if the folder cannot be read.
        """
        return os.listdir(self.path / "results")  # noqa: PTH208 (thousands of files, of which only names are needed)

    def refresh(self) -> None:
        """Make a network file system show what nodes have written in the meantime."""
        with suppress(OSError):
            os.utime(self.path / "results")

    def read_result(self, name: str) -> bytes:
        """Return the result of a call. Raises OSError if it cannot be read."""
        return (self.path / "results" / name).read_bytes()

    def remove_call(self, name: str) -> None:
        """Remove the files of a settled call."""
        for kind in ("calls", "results"):
            with suppress(OSError):
                (self.path / kind / name).unlink()

    def log(self, array: int, index: int) -> Path:
        """Return the log file of a job."""
        return self.path / "logs" / f"{array}-{index}.log"

    def close(self) -> None:
        """Remove all files except logs, and the folder if it has no logs."""
        for name in ("calls", "arrays", "results"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for path in [*self.path.glob("*.sh"), self.path / "owner"]:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            (self.path / "logs").rmdir()
        if self._lock is not None:
            self._lock.release()
        (self.path / ".lock").unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def abandoned(self) -> list[AbandonedFolder]:
        """Return the folders beside this one whose commands were killed."""
        abandoned = []
        for owner in sorted(self._options.folder.glob(f"{PREFIX}*/owner")):
            path = owner.parent
            if path == self.path or not _is_free(path):
                continue
            lines = _lines(owner)
            if len(lines) == 2:
                host, job_names = lines
                abandoned.append(AbandonedFolder(path, host, job_names))
        return abandoned


@dataclass(frozen=True)
class AbandonedFolder:
    """The folder of a command that was killed.

    Attributes:
        path: path of the folder.
        host: machine on which the command ran.
        job_names: prefix of the names of its jobs.
    """

    path: Path
    host: str
    job_names: str

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def _lock(path: Path) -> FileLock | None:
    """Lock a folder while this process lives; return None if locks do not work."""
    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except (NotImplementedError, Timeout):
        return None
    return lock


def _is_free(path: Path) -> bool:
    """Return whether no process has locked a folder.

    Returns False if the file system has no locks, because a process may use the folder.
    """
    try:
        with FileLock(path / ".lock", timeout=0):
            return True
    except (Timeout, NotImplementedError, OSError):
        return False


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; no lines if it cannot be read.

    Its command may end at this moment, and remove the file.
    """
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8").splitlines()
    return []


def tail(path: Path) -> str:
    """Return the last lines of a log; empty if there is no log."""
    with suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL:])
    return ""
