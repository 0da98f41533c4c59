"""SIGTERM and SIGHUP end a command as Ctrl-C does: what it started is ended, what is finished is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGTERM", "SIGHUP")
"""The signals by which a system, a batch queue or a closed terminal ends a command.
Windows has no SIGHUP.
"""


class Ended(KeyboardInterrupt):
    """What such a signal raises in the main thread.

    Whatever cleans up after Ctrl-C cleans up after it, too.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was interrupted: 128 and the signal's number, 130 for Ctrl-C."""
    number = interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT
    return 128 + int(number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, the first SIGTERM or SIGHUP raises :class:`Ended` in the main thread.

    Later ones are ignored, so that none cuts the cleaning up short: systems often send
    both. A signal that is ignored already, as SIGHUP under `nohup`, stays so. Outside
    of the main thread, which alone may do this, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _signals()}
    heeded = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    ended = False

    def end(number: int, _: Any) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise Ended(number)

    try:
        for number in heeded:
            signal.signal(number, end)
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _signals() -> list[int]:
    return [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
