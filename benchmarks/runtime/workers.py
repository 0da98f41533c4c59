"""Worker processes, which have one thread, ignore Ctrl-C and end with the command.

Each worker has its own pipe, and a thread of the command that gives it one call after
the other. So it is certain during which call a worker died, workers do not affect each
other, and no pipe fills up, for any number of calls.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import (
    forkserver,
    get_context,
    parent_process,
    resource_tracker,
    spawn,
)
from multiprocessing.connection import Connection
from typing import Any

from archselect.benchmarks.runtime.calls import (
    MOST_DEATHS,
    Call,
    Reply,
    StartError,
    WorkerDied,
    pack,
    perform,
)
from archselect.benchmarks.runtime.printing import guard_streams
from archselect.benchmarks.runtime.process_settings import start_worker
from archselect.nasbench_adapters.errors import UserError

Submit = Callable[..., "Future[Any]"]

_POLL_SECONDS = 1.0
"""Seconds between two checks that a silent worker is alive.

Processes that a dead worker has started may keep its pipe open.
"""
_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""Method to start workers.

On Linux they are forked from a process that has imported what they need, so that they
are ready in milliseconds and share its memory. On other systems, libraries may not
survive a fork.
"""
_GRACE_SECONDS = 10.0
"""Seconds in which a worker without work must end on its own."""
_SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable that keeps Python from importing files of the current folder."""
_BEGUN = b"begun"
"""Message of a worker that has received a call, before it runs the call."""
_RETURNED = b"returned"
"""Message of a worker before the result of a call."""
_RAISED = b"raised"
"""Message of a worker before the reply of a call that raised an error."""


@contextmanager
def worker_pool(
    workers: int,
    start: Callable[..., None],
    *arguments: object,
    gpus: Sequence[str] = (),
) -> Iterator[Submit]:
    """Yield `submit(function, *arguments)`, which runs a call in a worker process.

    The workers end with the block. At its end, running calls are waited for and all
    others are dropped. If the block raises, for example on Ctrl-C, all calls are
    dropped at once. If a worker dies, its call is repeated after all others. After
    :data:`.MOST_DEATHS` deaths the call raises :class:`.WorkerDied`. If workers cannot
    start, every call raises the reason: a UserError, or :class:`.StartError` for any
    other error.

    Args:
        workers: Maximal number of processes; there are never more than calls.
        start: Function that every worker calls before its first call.
        arguments: Arguments of `start`.
        gpus: Names of GPUs as in CUDA_VISIBLE_DEVICES. Each worker sees one of them, in
            turn. Without them, workers see what this process sees.
    """
    pool = _Pool(workers, partial(start, *arguments), gpus)
    try:
        yield pool.submit
        pool.finish()
    finally:
        pool.end()


class _Pool:
    """A queue of calls, and slots of workers that take calls from it."""

    def __init__(
        self, workers: int, start: Callable[[], None], gpus: Sequence[str]
    ) -> None:
        self._workers = workers
        environment = dict(os.environ)
        self._starts = [
            pack(_start, start, environment, gpu) for gpu in gpus or (None,)
        ]
        self._changed = threading.Condition()
        self._waiting: deque[Call] = deque()
        self._idle = 0
        self._slots: list[_WorkerSlot] = []
        self._closed = False
        self._fault: Exception | None = None

    def submit(self, *function: Any) -> Future[Any]:
        """Queue a call and return the future of its result."""
        call = Call(Future(), function)
        self.wait(call)
        return call.future

    def wait(self, call: Call) -> None:
        """Queue a call, and open a slot if no worker is idle."""
        with self._changed:
            if self._closed:
                self._drop(call)
                return
            self._waiting.append(call)
            self._changed.notify()
            if len(self._waiting) > self._idle and len(self._slots) < self._workers:
                self._open_slot()

    def _open_slot(self) -> None:
        if not self._slots:
            start_helper_processes()
        start = self._starts[len(self._slots) % len(self._starts)]
        slot = _WorkerSlot(self, start)
        self._slots.append(slot)
        slot.thread.start()

    def take(self) -> Call | None:
        """Wait for a call and return it; return None after the last call."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None

    def start_worker(self, slot: _WorkerSlot) -> _Worker | None:
        """Start a worker for a slot and return it; return None if the pool is closed.

        Raises OSError if it cannot start.
        """
        with self._changed:
            # A pool that closes ends only workers that are in their slots.
            slot.worker = None if self._closed else _Worker()
            return slot.worker

    def give_up(self, fault: Exception) -> None:
        """Close the pool, and fail every call that is not running with this error."""
        with self._changed:
            self._fault = self._fault or fault
        self._close()

    def _close(self) -> None:
        """Take no more calls, and drop the queued ones."""
        with self._changed:
            self._closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for call in dropped:
            self._drop(call)

    def _drop(self, call: Call) -> None:
        if self._fault is not None:
            call.fail(self._fault)
        else:
            call.cancel()

    def finish(self) -> None:
        """Wait for the running calls, and drop the others."""
        self._close()
        for slot in self._slots:
            slot.thread.join()

    def end(self) -> None:
        """Kill the workers, whatever they do."""
        self._close()
        for slot in self._slots:
            slot.end()
        for slot in self._slots:
            # A signal may arrive before the thread of the last slot has started. That
            # thread finds the pool closed, and ends.
            if slot.thread.is_alive():
                slot.thread.join()


class _WorkerSlot:
    """A slot for one worker, with a thread that gives it calls and replaces it."""

    def __init__(self, pool: _Pool, start: bytes) -> None:
        self._pool = pool
        self._start = start
        self._idle_deaths = 0
        self.worker: _Worker | None = None
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def end(self) -> None:
        """Kill the worker, whatever it does."""
        worker = self.worker
        if worker is not None:
            worker.process.kill()

    def _serve(self) -> None:
        block_terminal_signals()
        while (call := self._pool.take()) is not None:
            self._do(call)
        if self.worker is not None:
            self.worker.dismiss()

    def _do(self, call: Call) -> None:
        """Let the worker run a call.

        If the worker dies, the call is queued again, or fails.
        """
        try:
            content = pack(*call.function)
        except Exception as error:
            call.fail(error)
            return
        begun = False
        try:
            worker = self.worker or self._ready_worker()
            if worker is None:
                self._pool.wait(call)
                return
            worker.send(content)
            begun = worker.receive() == _BEGUN
            reply = worker.receive_reply()
        except (EOFError, OSError):
            self._replace_dead_worker(call, begun)
        except Exception as error:
            # There is no memory for the reply. Its rest would be read as the next
            # reply.
            self._remove_worker()
            call.fail(error)
        else:
            self._idle_deaths = 0
            call.settle(reply)

    def _ready_worker(self) -> _Worker | None:
        """Start a worker and return it when it is ready.

        Returns None if the pool is closed, or has to give up now.

        Raises EOFError or OSError if the worker dies.
        """
        try:
            worker = self._pool.start_worker(self)
        except OSError as error:
            self._pool.give_up(
                UserError(f"cannot start another worker: {error}: use fewer --workers")
            )
            return None
        if worker is None:
            return None
        worker.send(self._start)
        fault = worker.receive_reply().error()
        if fault is None:
            return worker
        self._remove_worker()
        self._pool.give_up(fault if isinstance(fault, UserError) else StartError(fault))
        return None

    def _replace_dead_worker(self, call: Call, begun: bool) -> None:
        """Remove a dead worker, and queue its call again.

        If too many workers died, the call fails. If none of them began it, the pool
        gives up.
        """
        how = self._remove_worker()
        if begun:
            call.deaths += 1
        else:
            self._idle_deaths += 1
        if call.deaths == MOST_DEATHS:
            call.fail(WorkerDied(f"{MOST_DEATHS} workers died during this call: {how}"))
            return
        if self._idle_deaths == MOST_DEATHS:
            line = (
                f"{MOST_DEATHS} workers in a row died before they began a call: {how}"
            )
            self._pool.give_up(
                UserError(f"{line}. Rerun the command with fewer --workers")
            )
        self._pool.wait(call)

    def _remove_worker(self) -> str:
        """Kill the worker of this slot, and return text that says how it ended."""
        worker = self.worker
        self.worker = None
        return worker.end() if worker is not None else ""


_STARTING = threading.Lock()
"""Held while a worker starts."""


@contextmanager
def _without_main() -> Iterator[None]:
    """Prevent a new worker from running the user's script a second time.

    `multiprocessing` runs the script for what it defines. Workers need nothing of it,
    and a script without `if __name__ == "__main__":` would start the study again.
    """
    with _STARTING:
        prepare: Any = spawn.get_preparation_data

        def prepare_without_main(name: str) -> dict[str, Any]:
            data = prepare(name).items()
            return {key: part for key, part in data if not key.startswith("init_main")}

        spawn.get_preparation_data = prepare_without_main
        try:
            yield
        finally:
            spawn.get_preparation_data = prepare


class _Worker:
    """A worker process, with this process's end of its pipe."""

    def __init__(self) -> None:
        context: Any = get_context(_METHOD)
        self._pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other,))
        try:
            with _without_main():
                self.process.start()
        finally:
            other.close()

    def send(self, content: bytes) -> None:
        """Send bytes to the worker. Raises OSError if it is dead."""
        self._pipe.send_bytes(content)

    def receive(self) -> bytes:
        """Wait for bytes from the worker, and return them.

        Raises EOFError or OSError if the worker dies first.
        """
        while not self._pipe.poll(_POLL_SECONDS):
            is_dead = not self.process.is_alive()
            # A dead worker may have sent something before it died.
            if is_dead and not self._pipe.poll():
                raise EOFError
        return self._pipe.recv_bytes()

    def receive_reply(self) -> Reply:
        """Wait for the reply to a call, and return it. Raises as :meth:`receive`."""
        if self.receive() == _RETURNED:
            return Reply(returned=self.receive())
        raised, summary, traceback = pickle.loads(self.receive())  # noqa: S301 (made by our own worker)
        return Reply(None, raised, summary, traceback)

    def dismiss(self) -> None:
        """End an idle worker."""
        self._pipe.close()
        self.process.join(_GRACE_SECONDS)
        self.end()

    def end(self) -> str:
        """Kill the worker, whatever it does, and return text that says how it ended."""
        self.process.kill()
        self.process.join()
        self._pipe.close()
        return _ending(self.process.exitcode)


def _ending(code: int | None) -> str:
    """Return text that says how a process ended; its exit code is None if unknown."""
    if code is None or code == -getattr(signal, "SIGKILL", 0):
        return "killed, or out of memory"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _work(pipe: Connection) -> None:
    """Run as a worker: start, then run the calls that come through a pipe."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # If nobody reads the command's output any more, the output of a user's selector
    # must not fail its run.
    guard_streams()
    with suppress(EOFError, OSError):
        _send_reply(pipe, perform(pipe.recv_bytes()))
        while True:
            content = pipe.recv_bytes()
            pipe.send_bytes(_BEGUN)
            _send_reply(pipe, perform(content))


def _send_reply(pipe: Connection, reply: Reply) -> None:
    """Send a reply, for :meth:`_Worker.receive_reply`."""
    if reply.returned is None:
        pipe.send_bytes(_RAISED)
        pipe.send_bytes(pickle.dumps((reply.raised, reply.summary, reply.traceback)))
    else:
        # A large result is sent separately, to avoid another copy.
        pipe.send_bytes(_RETURNED)
        pipe.send_bytes(reply.returned)


def _start(
    start: Callable[[], None], environment: dict[str, str], gpu: str | None
) -> None:
    """Start this process as a worker of a pool.

    Args:
        start: Function that every worker calls before its first call.
        environment: Environment variables of the command.
        gpu: The GPU that the worker sees; None for all that the command sees.
    """
    # A forked process has the environment of the time when the first worker started.
    os.environ.clear()
    os.environ.update(environment)
    if gpu is not None:
        # This must come before any call of CUDA.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    start_worker(start)


def _end_with_parent() -> None:
    """End this worker when the command has ended, in whatever way."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def block_terminal_signals() -> None:
    """Block Ctrl-C and the terminal's hang-up in this thread and its child processes.

    A terminal sends these signals to workers too, even before their first line of
    Python runs, but they are meant for the command.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})


def start_helper_processes() -> None:
    """Start the helper processes of `multiprocessing`, with Ctrl-C blocked.

    Otherwise the library starts them with its first worker.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    block_terminal_signals()
    try:
        resource_tracker.ensure_running()
        # The library has unblocked Ctrl-C in this thread.
        block_terminal_signals()
        if _METHOD == "forkserver":
            _start_forkserver()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_forkserver() -> None:
    """Start the process that workers are forked from, if it does not run yet.

    Like the command, it imports no file of the current folder, such as a torch.py
    next to the study.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        forkserver.set_forkserver_preload(["archselect.benchmarks.runs.worker"])
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
