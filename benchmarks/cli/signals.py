"""End a command on SIGTERM and SIGHUP as on Ctrl-C: finished work is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGTERM", "SIGHUP")
"""Signals with which a system, a batch queue or a closed terminal ends a command.
Windows has no SIGHUP.
"""


class EndSignal(KeyboardInterrupt):
    """An interrupt of the main thread by a signal. Handlers of Ctrl-C handle it, too.

    Args:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of an interrupted command: 128 plus the signal's number."""
    number = interrupt.number if isinstance(interrupt, EndSignal) else signal.SIGINT
    return 128 + int(number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise :class:`EndSignal` in the main thread at the first SIGTERM or SIGHUP.

    Within the block, later signals are ignored: systems often send both, and a second
    one must not cut the clean-up short. A signal that is already ignored, such as
    SIGHUP under `nohup`, stays ignored. Only the main thread can set handlers; in any
    other thread the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in _signals()}
    handled = [
        number for number, handler in previous.items() if handler is signal.SIG_DFL
    ]
    ended = False

    def end(number: int, _: Any) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise EndSignal(number)

    try:
        for number in handled:
            signal.signal(number, end)
        yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])


def _signals() -> list[int]:
    """Return the numbers of the signals that this system has."""
    return [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
