"""What an engine is: it takes calls and gives futures.

Runs are independent, so that is all a study needs of one.

An engine is a context manager that is told what every worker does before its first
call, and yields `submit(function, *arguments)`, which gives a
`concurrent.futures.Future`. Functions and arguments are picklable. What has not started
by the end of the block is dropped.
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
    """See the module's text."""

    def __call__(
        self, workers: int | None, device: str, start: Start, settings: dict[str, Any]
    ) -> AbstractContextManager[Submit]:
        """Open it.

        Args:
            workers: how many at most; None for as many as there are.
            device: which runs are for, "cpu", "cuda" or "cuda:NUMBER", or "auto" where
                only the worker knows.
            start: before a worker's first call.
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
    """The outcome of :func:`call`, where an engine would turn an error into text; the error notes where it was."""
    try:
        return call(*arguments), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error
