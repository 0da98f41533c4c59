"""What a call in another process returns or raises comes back, whatever it is."""

import sys
from concurrent.futures import Future

import pytest

from archselect.benchmarks.runtime.calls import (
    Call,
    CallError,
    WorkerDied,
    pack,
    perform,
    result_of,
)
from archselect.nasbench_adapters.errors import SeveralFaults, UserError


class Two(Exception):
    """Made of two arguments, of which it keeps one: unpickling it fails."""

    def __init__(self, first, second):
        super().__init__(first)


class HasLambda(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, text):
        super().__init__(text)
        self.held = lambda: None


class Mute(Exception):
    """Has no text."""

    def __str__(self):
        raise ValueError("no text")


def fail(kind, *arguments):
    raise kind(*arguments)


def make_function():
    return lambda: None


def outcome(function, *arguments):
    """The future of a call that is done here, as if by a worker."""
    call = Call(Future(), (function, *arguments))
    call.settle(perform(pack(*call.function)))
    return call.future


def test_a_result_and_an_error_come_back_as_they_are():
    assert outcome(divmod, 7, 3).result() == (2, 1)
    error = outcome(int, "x").exception()
    assert (
        type(error) is ValueError
        and str(error) == "invalid literal for int() with base 10: 'x'"
    )


def test_an_error_notes_where_it_was_raised():
    (note,) = outcome(fail, KeyError, "lost").exception().__notes__
    assert "raise kind(*arguments)" in note and note.endswith("KeyError: 'lost'\n")


@pytest.mark.parametrize("error", [UserError("fix it"), SeveralFaults(("one", "two"))])
def test_what_a_user_can_mend_comes_back_as_such(error):
    there = outcome(fail, type(error), *error.args).exception()
    assert type(there) is type(error) and there.faults == error.faults


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        (Two, (1, 2), "Two: 1"),
        (HasLambda, ("held",), "HasLambda: held"),
        (Mute, (), "Mute: <exception str() failed>"),
        (KeyboardInterrupt, (), "KeyboardInterrupt"),
    ],
)
def test_an_error_that_cannot_be_handed_over_comes_back_in_words(kind, arguments, text):
    error = outcome(fail, kind, *arguments).exception()
    assert type(error) is CallError and str(error).endswith(text)
    assert "raise kind(*arguments)" in error.__notes__[0]


def test_a_call_that_ends_its_process_has_failed():
    """And ends neither the worker nor, with exit code 0, the command."""
    error = outcome(sys.exit, 0).exception()
    assert type(error) is CallError and str(error) == "SystemExit: 0"


def test_a_result_that_cannot_be_pickled_is_an_error():
    with pytest.raises((AttributeError, TypeError), match=r"[Pp]ickle"):
        outcome(make_function).result()


def test_a_call_that_was_cancelled_is_settled_without_a_fault():
    call = Call(Future(), (int,))
    call.cancel()
    call.settle(perform(pack(int)))
    call.settle(perform(pack(int, "x")))
    assert call.future.cancelled()


def test_a_command_that_cannot_go_on_without_a_result_ends_in_one_line():
    future = Future()
    future.set_exception(WorkerDied("3 workers died during this call"))
    with pytest.raises(
        UserError,
        match=r"^3 workers died during this call. Finished work is kept: rerun the command",
    ):
        result_of(future)
    assert result_of(outcome(abs, -1)) == 1
