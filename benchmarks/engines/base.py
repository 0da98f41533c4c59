"""The interface of engines: an engine takes calls and returns futures.

Runs are independent of each other, so a study needs nothing else.

An engine is a context manager. It gets the function that every worker calls before its
first call, and yields `submit(function, *arguments)`, which returns a
`concurrent.futures.Future`. Functions and arguments must be picklable. At the end of
the block, calls that have not started are dropped.
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
"""The function that every worker calls before its first call, and its arguments."""


class Engine(Protocol):
    """A function that opens an engine, as this module's docstring explains."""

    def __call__(
        self, workers: int | None, device: str, start: Start, settings: dict[str, Any]
    ) -> AbstractContextManager[Submit]:
        """Open the engine.

        Args:
            workers: maximal number of workers; None for as many as there are.
            device: device of the runs: "cpu", "cuda" or "cuda:NUMBER", or "auto" if
                only the worker can know.
            start: function that a worker calls before its first call.
            settings: settings of the engine, by name.

        Raises:
            UserError: a setting is unknown, a package is missing, or the cluster does
                not answer.
        """
        ...


_started: Start | None = None
_starting = threading.Lock()


def call(start: Start, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a call on a cluster's worker. Start the worker before its first call.

    Raises UserError or StartError if the worker cannot start.
    """
    with _starting:  # a worker of a cluster can have several threads
        _start(start)
    configure_thread()  # each thread needs it
    return function(*arguments)


def _start(start: Start) -> None:
    """Start this process as a worker, unless it has started already."""
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
    """Return the result of :func:`call`, or its error with the traceback as a note.

    It is for engines that would turn an error into text.
    """
    try:
        return call(*arguments), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error
