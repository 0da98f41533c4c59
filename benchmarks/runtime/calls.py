"""A call that another process does, and what comes back of it.

Whatever a call returns or raises comes back in bytes that can always be read: an error
that cannot be pickled, or that the reader cannot make again, comes back as a
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
"""How many workers a call may take with it: one can die for reasons of its own, such as
others' use of memory.
"""


class WorkerDied(Exception):
    """A call whose workers died one after the other: killed, or out of memory."""


class CallError(Exception):
    """What a call raised, in words: the error itself cannot be handed from process to process."""


class StartError(Exception):
    """A worker cannot start. No call is to blame, and none can be done.

    Args:
        why: the error, or it in words.
    """

    def __init__(self, why: BaseException | str) -> None:
        words = (
            why
            if isinstance(why, str)
            else f"a worker cannot start: {type(why).__name__}: {why}"
        )
        super().__init__(words)
        self.__cause__ = why if isinstance(why, BaseException) else None


class Reply(NamedTuple):
    """What came of a call.

    Attributes:
        returned: its result, pickled; None if it raised.
        raised: its error, pickled; None if it returned, or if the error cannot be
            pickled.
        summary: the error's type and message.
        account: the error's traceback.
    """

    returned: bytes | None = None
    raised: bytes | None = None
    summary: str = ""
    account: str = ""

    def error(self) -> Exception | None:
        """Return the error, with its traceback as a note; None if the call returned."""
        if self.returned is not None:
            return None
        error = self._error()
        error.add_note(self.account)
        return error

    def _error(self) -> Exception:
        if self.raised is not None:
            # Making an error again runs its class, which may need other arguments than
            # those that it kept.
            with suppress(Exception):
                error = pickle.loads(self.raised)  # noqa: S301 (made by our own worker)
                str(error)
                if isinstance(error, Exception):
                    return error
        return CallError(self.summary)


def pack(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Return a call in bytes. Raises what pickling raises."""
    return pickle.dumps((function, arguments))


def perform(content: bytes) -> Reply:
    """Do a call that :func:`pack` made, and return what came of it, whatever it raises."""
    try:
        function, arguments = pickle.loads(content)  # noqa: S301 (made by our own command)
        return Reply(returned=pickle.dumps(function(*arguments)))
    except BaseException as error:
        return _reply_of(error)


def result_of(future: Future[Any]) -> Any:
    """Return a future's result where a command cannot go on without it.

    Raises what the call raised, but UserError where its workers died.
    """
    try:
        return future.result()
    except WorkerDied as error:
        raise UserError(
            f"{error}; what is done is kept: run the command again, with fewer --workers"
        ) from error


def _reply_of(error: BaseException) -> Reply:
    summary = "".join(traceback.format_exception_only(error)).strip()
    account = "".join(traceback.format_exception(error))
    raised = None
    # A call that wants to end its process, as sys.exit does, has failed; no more.
    if isinstance(error, Exception):
        with suppress(Exception):
            raised = pickle.dumps(error)
    return Reply(raised=raised, summary=summary, account=account)


@dataclass(eq=False)
class Call:
    """A function with its arguments, and the future of its result.

    Attributes:
        deaths: how many workers died of it.
    """

    future: Future[Any]
    function: tuple[Any, ...]
    deaths: int = 0

    def settle(self, reply: Reply) -> None:
        """Give the future what came of the call."""
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
