"""Calls that another process runs, and their replies.

The result or error of a call is sent back in bytes that can always be read. An error
that cannot be pickled, or that the reader cannot construct, becomes a
:class:`CallError` with its text.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from archselect.nasbench_adapters.errors import UserError

MOST_DEATHS = 3
"""The number of workers that may die during one call before it fails.

A worker can also die for other reasons, such as the memory that other processes use.
"""


class WorkerDied(Exception):
    """A call failed because its workers died: killed, or out of memory."""


class CallError(Exception):
    """The text of an error that cannot be sent from process to process."""


class StartError(Exception):
    """A worker cannot start, so no call can run.

    Args:
        why: The error, or its text.
    """

    def __init__(self, why: BaseException | str) -> None:
        if isinstance(why, str):
            super().__init__(why)
        else:
            super().__init__(f"a worker cannot start: {type(why).__name__}: {why}")
            self.__cause__ = why


class Reply(NamedTuple):
    """The reply to a call: its result or its error.

    Attributes:
        returned: Its result, pickled; None if it raised an error.
        raised: Its error, pickled; None if it returned, or if the error cannot be
            pickled.
        summary: The error's type and message.
        traceback: The error's traceback, as a text.
    """

    returned: bytes | None = None
    raised: bytes | None = None
    summary: str = ""
    traceback: str = ""

    def error(self) -> Exception | None:
        """Return the error, with its traceback as a note; None if the call returned."""
        if self.returned is not None:
            return None
        error = self._error()
        error.add_note(self.traceback)
        return error

    def _error(self) -> Exception:
        if self.raised is not None:
            # Unpickling an error calls its class, which may need other arguments than
            # those stored in the error.
            with suppress(Exception):
                error = pickle.loads(self.raised)  # noqa: S301 (made by our own worker)
                str(error)
                if isinstance(error, Exception):
                    return error
        return CallError(self.summary)


def pack(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Return a call as bytes. Raises what pickling raises."""
    return pickle.dumps((function, arguments))


def perform(content: bytes) -> Reply:
    """Run a call of :func:`pack`, and return the reply, whatever the call raises."""
    try:
        function, arguments = pickle.loads(content)  # noqa: S301 (made by our own command)
        return Reply(returned=pickle.dumps(function(*arguments)))
    except BaseException as error:
        return _error_reply(error)


def result_of(future: Future[Any]) -> Any:
    """Return the result of a future that a command needs.

    Raises what the call raised, but UserError if its workers died.
    """
    try:
        return future.result()
    except WorkerDied as error:
        raise UserError(
            f"{error}. Finished work is kept: rerun the command with fewer --workers"
        ) from error


def _error_reply(error: BaseException) -> Reply:
    summary = "".join(traceback.format_exception_only(error)).strip()
    lines = traceback.format_exception(error)
    raised = None
    # A call that tries to end its process, for example by sys.exit, has only failed.
    if isinstance(error, Exception):
        with suppress(Exception):
            raised = pickle.dumps(error)
    return Reply(raised=raised, summary=summary, traceback="".join(lines))


@dataclass(eq=False)
class Call:
    """A function with its arguments, and the future of its result.

    Attributes:
        future: Future of the result.
        function: The function, followed by its arguments.
        deaths: Number of workers that died of the call.
    """

    future: Future[Any]
    function: tuple[Any, ...]
    deaths: int = 0

    def settle(self, reply: Reply) -> None:
        """Give the future the result or the error of a reply."""
        error = reply.error()
        if error is not None:
            self.fail(error)
            return
        assert reply.returned is not None
        try:
            result = pickle.loads(reply.returned)  # noqa: S301 (made by our own worker)
        except Exception as fault:
            self.fail(fault)
            return
        with suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Give the future an error."""
        with suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_exception(error)

    def cancel(self) -> None:
        """Cancel the future, and tell those who wait for it."""
        if self.future.cancel():
            self.future.set_running_or_notify_cancel()
