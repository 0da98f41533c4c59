"""The interface of engines: an engine takes calls and gives futures.

Runs are independent, so a study needs no more of one.

An engine is a context manager. It takes what every worker does before its first call,
and yields `submit(function, *arguments)`, which gives a `concurrent.futures.Future`.
Functions and arguments are picklable. Calls that have not started by the end of the
block are dropped.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from archselect.benchmarks.runtime.calls import StartError
from archselect.benchmarks.runtime.process_settings import (
    configure_thread,
    start_worker,
)
from archselect.benchmarks.runtime.workers import Submit
from archselect.nasbench_adapters.errors import UserError

Start = tuple[Callable[..., None], tuple[Any, ...]]
"""What every worker does before its first call: a function and its arguments."""


class Engine(Protocol):
    """A function that opens an engine; see the module's text."""

    def __call__(
        self, workers: int | None, device: str, start: Start, settings: dict[str, Any]
    ) -> AbstractContextManager[Submit]:
        """Open the engine.

        Args:
            workers: how many at most; None for as many as there are.
            device: of the runs: "cpu", "cuda" or "cuda:NUMBER", or "auto" where only
                the worker knows.
            start: what a worker does before its first call.
            settings: of the engine's own, by name.

        Raises:
            UserError: a setting is unknown, a package is missing, or the cluster does
                not answer.
        """
        ...


_started: Start | None = None
_starting = threading.Lock()


def call(start: Start, function: Callable[..., Any], *arguments: Any) -> Any:
    """Do a call on a cluster's worker; before the first one, start the worker.

    Raises UserError or StartError if the worker cannot start.
    """
    with _starting:  # a cluster's worker may have several threads
        _start(start)
    configure_thread()  # each thread needs it
    return function(*arguments)


def _start(start: Start) -> None:
    """Start this process as a worker, unless that is done."""
    global _started
    if _started == start:
        return
    prepare, arguments = start
    try:
        start_worker(prepare, *arguments)
    except UserError:
        raise
    except BaseException as error:
        raise StartError(error) from error
    _started = start


def attempt(*arguments: Any) -> tuple[Any, Exception | None]:
    """Return the result of :func:`call`, or its error with a note of where it was.

    For engines that would turn an error into text.
    """
    try:
        return call(*arguments), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error
