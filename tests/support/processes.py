"""The processes of a command, on Linux."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; none if it is gone."""
    started: list[int] = []
    # Each thread of a process has its own.
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            started += map(int, listed.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return started


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a command: they are forked from one of its own."""
    workers: list[int] = []
    for helper in children(pid):
        workers += children(helper)
    return workers


def resident(pid: int) -> float:
    """Return the MiB that a process has in memory; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def hear_signals() -> None:
    """Hear Ctrl-C and SIGHUP again where they are ignored.

    A shell has a background job ignore Ctrl-C, and nohup has it ignore SIGHUP. The
    commands that tests interrupt would inherit that.
    """
    for name, handler in (
        ("SIGINT", signal.default_int_handler),
        ("SIGHUP", signal.SIG_DFL),
    ):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
