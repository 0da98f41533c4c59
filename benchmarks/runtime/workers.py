"""Worker processes: they keep to their threads, ignore Ctrl-C, and end with the command.

Each worker has a pipe of its own and a thread here that hands it one call after the
other. So it is certain which call a worker died of, no worker dies with another, and
nothing fills up, however many calls there are.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import platform
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import forkserver, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from archselect.benchmarks.runtime.calls import (
    DEATHS,
    Call,
    Reply,
    StartError,
    WorkerDied,
    pack,
    perform,
)
from archselect.benchmarks.runtime.printing import guard_streams
from archselect.nasbench_adapters.errors import UserError

THREADS = 1
"""CPU threads of a worker: one, so that sums have one order and the same study gives
the same records anywhere.
"""

_MALLOC_OPTIONS = {-1: 2**31 - 1, -3: 32 * 2**20}
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; 32 MiB is the most that the latter
takes.
"""

Submit = Callable[..., "Future[Any]"]

_LOOK = 1.0
"""Seconds between two looks at a silent worker: when it is dead, what it started itself
may keep its pipe open.
"""
_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How workers are started.

On Linux they are forked from a process that has imported what they need: they are ready
in milliseconds, and share its memory. Elsewhere a system's libraries may not bear a
fork.
"""
_GRACE = 10.0
"""Seconds that a worker without work has to end by itself."""
_SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that keeps Python from importing files of the present folder."""
_BEGUN = b"begun"
"""What a worker says when it has a call, before it does anything about it."""
_RETURNED = b"returned"
_RAISED = b"raised"
"""What a worker says before the result of a call, or the reply that says what it
raised.
"""


@contextmanager
def worker_pool(
    workers: int,
    start: Callable[..., None],
    *arguments: object,
    gpus: Sequence[str] = (),
) -> Iterator[Submit]:
    """Yield `submit(function, *arguments)`, which runs calls in worker processes that end with the block.

    At the end of the block, calls at work are waited for and the others dropped; where
    the block raises, as on Ctrl-C, all are dropped at once. A call whose worker dies is
    done again, after all others, and raises :class:`.WorkerDied` when that was in vain
    :data:`.DEATHS` times. Where workers cannot start, every call raises why: UserError,
    or :class:`.StartError` in place of any other error.

    Args:
        workers: how many processes at most; no more are started than there are calls.
        start: called in every worker before its first call, with `arguments`.
        gpus: by name as in CUDA_VISIBLE_DEVICES; each worker sees one of them, by
            turns. If there are none, workers see what this process sees.
    """
    pool = _Pool(workers, partial(start, *arguments), gpus)
    try:
        yield pool.submit
        pool.finish()
    finally:
        pool.end()


class _Pool:
    """The calls that wait, and places for workers, which take them."""

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
        self._places: list[_Place] = []
        self._closed = False
        self._fault: Exception | None = None

    def submit(self, *function: Any) -> Future[Any]:
        """See :func:`worker_pool`."""
        call = Call(Future(), function)
        self.wait(call)
        return call.future

    def wait(self, call: Call) -> None:
        """Have a call wait until a worker takes it; open a place if none is idle."""
        with self._changed:
            if self._closed:
                self._drop(call)
                return
            self._waiting.append(call)
            self._changed.notify()
            if len(self._waiting) > self._idle and len(self._places) < self._workers:
                self._open_place()

    def _open_place(self) -> None:
        if not self._places:
            start_helpers()
        start = self._starts[len(self._places) % len(self._starts)]
        place = _Place(self, start)
        self._places.append(place)
        place.thread.start()

    def take(self) -> Call | None:
        """Wait for a call and return it; None when there will be none."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None

    def start_worker(self, place: _Place) -> _Worker | None:
        """Start a worker at a place and return it; None if the pool is closed.

        Raises OSError if it cannot start.
        """
        with self._changed:
            # A pool that is closed ends the workers that stand at their places, and no
            # other.
            place.worker = None if self._closed else _Worker()
            return place.worker

    def give_up(self, fault: Exception) -> None:
        """Give every call that is not at work this error."""
        with self._changed:
            self._fault = self._fault or fault
        self._close()

    def _close(self) -> None:
        """Take no more calls, and drop those that wait."""
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
        """Wait for the calls at work; drop the others."""
        self._close()
        for place in self._places:
            place.thread.join()

    def end(self) -> None:
        """End the workers, whatever they are at."""
        self._close()
        for place in self._places:
            place.end()
        for place in self._places:
            # A signal may have come before the thread of the last place started. Such a
            # thread finds the pool closed, and ends.
            if place.thread.is_alive():
                place.thread.join()


class _Place:
    """A place for one worker: a thread that hands it calls, and puts another there when it dies."""

    def __init__(self, pool: _Pool, start: bytes) -> None:
        self._pool = pool
        self._start = start
        self._idle_deaths = 0
        self.worker: _Worker | None = None
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def end(self) -> None:
        """End the worker, whatever it is at."""
        worker = self.worker
        if worker is not None:
            worker.process.kill()

    def _serve(self) -> None:
        deafen()
        while (call := self._pool.take()) is not None:
            self._do(call)
        if self.worker is not None:
            self.worker.dismiss()

    def _do(self, call: Call) -> None:
        """Have a worker do a call.

        Where the worker dies, the call waits again, or has failed.
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
            self._bury_worker(call, begun)
        except Exception as error:
            # There is no memory for the reply: what is left of it in the pipe cannot be
            # told from the next one.
            self._remove_worker()
            call.fail(error)
        else:
            self._idle_deaths = 0
            call.settle(reply)

    def _ready_worker(self) -> _Worker | None:
        """Start a worker and return it when it is ready; None if the pool is closed, or has to give up now.

        Raises EOFError or OSError if the worker dies.
        """
        try:
            worker = self._pool.start_worker(self)
        except OSError as error:
            self._pool.give_up(
                UserError(f"cannot start another worker: {error}; give fewer --workers")
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

    def _bury_worker(self, call: Call, begun: bool) -> None:
        """Have the call of a dead worker wait again.

        If too many have died: fail it, or give up where none began it.
        """
        how = self._remove_worker()
        if begun:
            call.deaths += 1
        else:
            self._idle_deaths += 1
        if call.deaths == DEATHS:
            call.fail(WorkerDied(f"{DEATHS} workers died of it: {how}"))
            return
        if self._idle_deaths == DEATHS:
            line = f"{DEATHS} workers died one after the other before they began anything: {how}"
            self._pool.give_up(
                UserError(f"{line}; give fewer --workers, and run the command again")
            )
        self._pool.wait(call)

    def _remove_worker(self) -> str:
        """End the worker of this place; how it ended, in words."""
        worker = self.worker
        self.worker = None
        return worker.end() if worker is not None else ""


class _Worker:
    """A worker process, and this end of its pipe."""

    def __init__(self) -> None:
        context: Any = get_context(_METHOD)
        self._pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other,))
        try:
            self.process.start()
        finally:
            other.close()

    def send(self, content: bytes) -> None:
        """Send it something. Raises OSError if it is dead."""
        self._pipe.send_bytes(content)

    def receive(self) -> bytes:
        """Wait for what it sends, and return it.

        Raises EOFError or OSError if it dies before.
        """
        while not self._pipe.poll(_LOOK):
            # The last words of a process that is dead now are in the pipe.
            if not self.process.is_alive() and not self._pipe.poll():
                raise EOFError
        return self._pipe.recv_bytes()

    def receive_reply(self) -> Reply:
        """Wait for the reply to a call. Raises as :meth:`receive`."""
        if self.receive() == _RETURNED:
            return Reply(returned=self.receive())
        raised, summary, account = pickle.loads(self.receive())  # noqa: S301 (made by our own worker)
        return Reply(None, raised, summary, account)

    def dismiss(self) -> None:
        """End it, now that it has no work."""
        self._pipe.close()
        self.process.join(_GRACE)
        self.end()

    def end(self) -> str:
        """End it, whatever it is at; how it ended, in words."""
        self.process.kill()
        self.process.join()
        self._pipe.close()
        return _ending(self.process.exitcode)


def _ending(code: int | None) -> str:
    """Return in words how a process of that exit code ended; None if it is not known."""
    if code is None or code == -getattr(signal, "SIGKILL", 0):
        return "killed, or out of memory"
    return (
        f"ended by {signal.Signals(-code).name}"
        if code < 0
        else f"ended with exit code {code}"
    )


def _work(pipe: Connection) -> None:
    """Be a worker: start, and do the calls that come through a pipe until it is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What a user's selector prints must not fail its run where the command's reader is
    # gone.
    guard_streams()
    with suppress(EOFError, OSError):
        _send_reply(pipe, perform(pipe.recv_bytes()))
        while True:
            content = pipe.recv_bytes()
            pipe.send_bytes(_BEGUN)
            _send_reply(pipe, perform(content))


def _send_reply(pipe: Connection, reply: Reply) -> None:
    if reply.returned is None:
        pipe.send_bytes(_RAISED)
        pipe.send_bytes(pickle.dumps((reply.raised, reply.summary, reply.account)))
    else:
        # On its own: a large result is not copied once more.
        pipe.send_bytes(_RETURNED)
        pipe.send_bytes(reply.returned)


def settle(threads: int) -> None:
    """Settle how this process reckons on the CPU; numbers below the smallest normal one cost time and say nothing."""
    torch.set_num_threads(threads)
    for kind in (np.float32, np.float64):
        np.finfo(
            kind
        )  # looked at once and kept; afterwards numpy would warn that it finds no subnormal numbers
    torch.set_flush_denormal(True)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next tensor, and not give it back to the system.

    A forward of NAS-Bench-201's supernet takes and frees 290 MB; each time, 74,000
    pages came from the system anew. The most memory that is held at once stays as it
    is.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in _MALLOC_OPTIONS.items():
        libc.mallopt(option, value)


def _start(
    start: Callable[[], None], environment: dict[str, str], gpu: str | None
) -> None:
    # A forked process has the environment of the time when the first worker started.
    os.environ.clear()
    os.environ.update(environment)
    if gpu is not None:
        # Before anything asks CUDA.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    settle(THREADS)
    start()


def _end_with_parent() -> None:
    """End this worker when the command is gone, however it went; a pool's workers would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def deafen() -> None:
    """Have this thread, and the processes that it starts, never hear Ctrl-C or the end of the terminal.

    A terminal tells these to workers too, even before their first line of Python runs,
    but they are for the command.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})


def start_helpers() -> None:
    """Start the processes that the library starts with its first worker.

    They never hear Ctrl-C.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    deafen()
    try:
        # The library then has this thread hear Ctrl-C again.
        resource_tracker.ensure_running()
        deafen()
        if _METHOD == "forkserver":
            _start_forkserver()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_forkserver() -> None:
    """Start the process that workers are forked from, if it does not run.

    It imports no file of the present folder, such as a torch.py beside the study: the
    command does not, either.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        forkserver.set_forkserver_preload(["archselect.benchmarks.runs.preloaded"])
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
