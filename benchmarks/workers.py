"""Worker processes: pinned to their threads, deaf to Ctrl-C, gone when the command is gone."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch

THREADS = 1
"""CPU threads of a worker: one, so that sums have one order and the same study gives the same records anywhere."""

_MALLOC_OPTIONS = {-1: 2**31 - 1, -3: 32 * 2**20}
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; 32 MiB is the most that the latter takes."""

Submit = Callable[..., "Future[Any]"]


DEATHS = 3
"""How many workers a call may take with it: one can die for reasons of its own, such as others' use of memory."""


class WorkerDied(Exception):
    """A call whose workers died one after the other: killed, or out of memory."""


@contextmanager
def worker_pool(
    workers: int, start: Callable[..., None], *arguments: object, gpus: Sequence[str] = ()
) -> Iterator[Submit]:
    """Yield `submit(function, *arguments)`, which runs calls in worker processes that end with the block.

    What has not started by the end of the block is dropped. Where a worker dies its call is done again, after all
    others, and raises :class:`WorkerDied` when that was in vain :data:`DEATHS` times.

    Args:
        workers: how many processes at most; no more are started than there are calls.
        start: called in every worker before its first call, with `arguments`.
        gpus: by name as in CUDA_VISIBLE_DEVICES; each worker sees one of them, by turns. If there are none, workers see
            what this process sees.
    """
    pool = _Pool(workers, partial(start, *arguments), gpus)
    try:
        yield pool.submit
    except KeyboardInterrupt:
        # Workers would finish what they are at; that work starts over anyway.
        pool.drop()
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.close()


@dataclass
class _Call:
    """A call, the future of its result, its number, and how many workers died of it."""

    future: Future[Any]
    function: tuple[Any, ...]
    name: int
    deaths: int = 0


class _Pool:
    """Worker processes, all replaced when one dies: the library's pool is of no use after that.

    The library gets one call per worker, and one more. All others wait here, because the library's pipes hold a limited
    number of messages while a study has any number of calls.
    """

    def __init__(self, workers: int, start: Callable[[], None], gpus: Sequence[str]) -> None:
        self._workers = workers
        self._start = start
        self._gpus = gpus
        self._lock = threading.Lock()
        self._names = count()
        self._waiting: deque[_Call] = deque()
        self._handed = 0
        self._closed = False
        self._processes = self._open()

    def _open(self) -> _Processes:
        context = get_context("spawn")
        board = _Board(context, self._workers)
        ready = partial(_start, self._start, board, list(self._gpus))
        return _Processes(ProcessPoolExecutor(self._workers, mp_context=context, initializer=ready), board)

    def submit(self, *function: Any) -> Future[Any]:
        """See :func:`worker_pool`."""
        future: Future[Any] = Future()
        self._wait(_Call(future, function, next(self._names)))
        return future

    def _wait(self, call: _Call) -> None:
        with self._lock:
            closed = self._closed
            if not closed:
                self._waiting.append(call)
        if closed:
            _cancel(call.future)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand waiting calls to the processes until each has one, and one more is ready."""
        handed = []
        with self._lock, _deaf_children():  # the library starts a worker when it gets work and none is idle
            while self._waiting and self._handed <= self._workers:
                call = self._waiting.popleft()
                handed.append((call, self._processes, self._submit(call)))
                self._handed += 1
        for call, processes, inner in handed:
            inner.add_done_callback(partial(self._done, call, processes))

    def _submit(self, call: _Call) -> Future[Any]:
        try:
            inner = self._processes.pool.submit(_announced, call.name, *call.function)
        except BrokenProcessPool:
            self._processes = self._open()
            inner = self._processes.pool.submit(_announced, call.name, *call.function)
        self._processes.known.update({child.pid: child for child in active_children()})
        return inner

    def _done(self, call: _Call, processes: _Processes, inner: Future[Any]) -> None:
        with self._lock:
            self._handed -= 1
        if inner.cancelled():
            _cancel(call.future)
        elif (error := inner.exception()) is None:
            call.future.set_result(inner.result())
        elif isinstance(error, BrokenProcessPool):
            # In a thread of its own: the library tells its futures while it holds locks that submitting takes.
            threading.Thread(target=self._again, args=(call, processes), daemon=True).start()
            return
        else:
            call.future.set_exception(error)
        self._hand_over()

    def _again(self, call: _Call, processes: _Processes) -> None:
        with self._lock:
            call.deaths += call.name in processes.culprits()
            if self._processes is processes and not self._closed:
                self._processes = self._open()
        if call.deaths < DEATHS:
            self._wait(call)
        else:
            call.future.set_exception(WorkerDied(f"{call.deaths} workers died of it: killed, or out of memory"))
            self._hand_over()

    def drop(self) -> None:
        """Take no more calls, and drop those that wait."""
        with self._lock:
            self._closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
        for call in dropped:
            _cancel(call.future)

    def close(self) -> None:
        """Wait for the calls at work; drop the others."""
        self.drop()
        self._processes.pool.shutdown(cancel_futures=True)


class _Board:
    """Which call each worker began last, in shared memory of a fixed size.

    A pipe that is read only when a worker dies would fill up after a few thousand calls and stop every worker.
    """

    def __init__(self, context: SpawnContext, workers: int) -> None:
        self._pids = context.RawArray("q", workers)
        self._names = context.RawArray("q", workers)
        self._taken = context.Value("q", 0)

    def take_place(self) -> int:
        """Return a place of this worker's own, counted from 0."""
        with self._taken.get_lock():
            place = int(self._taken.value)
            self._taken.value += 1
        self._pids[place] = os.getpid()
        self._names[place] = -1
        return place

    def begin(self, place: int, name: int) -> None:
        """Note that the worker at a place begins a call."""
        self._names[place] = name

    def last(self) -> list[tuple[int, int]]:
        """Return (process, call) of every worker that has begun one."""
        return [(pid, name) for pid, name in zip(self._pids, self._names, strict=True) if pid and name >= 0]


@dataclass
class _Processes:
    """The library's pool, the board of its workers, and its processes."""

    pool: ProcessPoolExecutor
    board: _Board
    known: dict[int | None, BaseProcess] = field(default_factory=dict)
    _culprits: frozenset[int] | None = None

    def culprits(self) -> Container[int]:
        """Return the calls that may have broken the pool: every one where that is not known.

        The pool ends the workers that are left by SIGTERM; a call whose worker ended so is not to blame.
        """
        if self._culprits is None:
            for process in self.known.values():
                process.join(10)
            self._culprits = frozenset(name for pid, name in self.board.last() if not self._was_ended(pid))
        return self._culprits or range(sys.maxsize)

    def _was_ended(self, pid: int) -> bool:
        process = self.known.get(pid)
        return process is not None and process.exitcode == -signal.SIGTERM


def _cancel(future: Future[Any]) -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


_board: _Board
_place: int


def _announced(name: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Note that the call begins, and do it."""
    _board.begin(_place, name)
    return function(*arguments)


def settle(threads: int) -> None:
    """Settle how this process reckons on the CPU; numbers below the smallest normal one cost time and say nothing."""
    torch.set_num_threads(threads)
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # looked at once and kept; afterwards numpy would warn that it finds no subnormal numbers
    torch.set_flush_denormal(True)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next tensor, and not give it back to the system.

    A forward of NAS-Bench-201's supernet takes and frees 290 MB; each time, 74,000 pages came from the system anew. The
    most memory that is held at once stays as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in _MALLOC_OPTIONS.items():
        libc.mallopt(option, value)


def _start(start: Callable[[], None], board: _Board, gpus: list[str]) -> None:
    global _board, _place
    _board = board
    _place = board.take_place()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpus:
        # Before anything asks CUDA.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[_place % len(gpus)]
    settle(THREADS)
    start()


def _end_with_parent() -> None:
    """End this worker when the command is gone, however it went; a pool's workers would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Within it, processes that are started never hear Ctrl-C, not even before their first line of Python runs.

    A terminal sends it to them too, but it is for the parent, who hears it at the end of the block at the latest.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
