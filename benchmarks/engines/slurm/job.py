"""The program of a job: run one call, and write its outcome for the command to read.

python -m archselect.benchmarks.engines.slurm.job FOLDER ARRAY NUMBER
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from time import monotonic, sleep

from archselect.benchmarks.engines.base import attempt
from archselect.nasbench_adapters.atomic_files import write_atomically

LATE = 30.0
"""Seconds to wait for a list of calls, which a file system may show late."""


def run(folder: Path, array: str, number: int, late: float = LATE) -> None:
    """Run the call of one job of an array, if the command still waits for it.

    Args:
        folder: folder of the command.
        array: number of the array.
        number: index of the job within the array.
        late: seconds to wait for the list of the array's calls.

    Raises UserError if the outcome cannot be written.
    """
    names = _wait_for(folder / "arrays" / array, late)
    if names is None:
        return
    name = names.decode().splitlines()[number]
    call = _wait_for(folder / "calls" / name, 0)
    if call is not None:
        write_atomically(folder / "results" / name, _outcome(call))


def _wait_for(path: Path, seconds: float) -> bytes | None:
    """Return the content of a file; None if it is still missing after some seconds."""
    deadline = monotonic() + seconds
    while True:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if monotonic() >= deadline:
                return None
        sleep(0.5)


def _outcome(call: bytes) -> bytes:
    """Run a call and return its pickled outcome: (result, None) or (None, error)."""
    try:
        start, function, arguments = pickle.loads(call)  # noqa: S301 (of this user's own command)
    except Exception as fault:
        return _failure(f"the call cannot be read on this node: {_error_name(fault)}")
    result, error = attempt(start, function, *arguments)
    if error is not None:
        return _error_outcome(error)
    try:
        return pickle.dumps((result, None))
    except Exception as fault:
        return _failure(f"the result cannot be sent back: {_error_name(fault)}")


def _error_outcome(error: Exception) -> bytes:
    """Return the outcome of a call that raised an error.

    It is the error, or its text if the error cannot be sent back.
    """
    try:
        outcome = pickle.dumps((None, error))
        pickle.loads(outcome)  # noqa: S301 (made here: an error may be writable and not readable)
    except Exception:
        notes = getattr(error, "__notes__", [])
        return _failure("\n".join([_error_name(error), *notes]))
    return outcome


def _failure(message: str) -> bytes:
    return pickle.dumps((None, RuntimeError(message)))


def _error_name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
