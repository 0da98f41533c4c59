"""Worker processes: pinned to their threads, deaf to Ctrl-C, gone when the command is gone."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch

from archselect.benchmarks.printing import guard_streams

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
    """`submit(function, *arguments)` runs calls in worker processes that end with the block.

    What has not started by the end of the block is dropped. Where a worker dies its call is done again, after all
    others, and raises :class:`WorkerDied` when that was in vain :data:`DEATHS` times.

    Args:
        workers: how many processes.
        start: called in every worker before its first call, with `arguments`.
        gpus: by name as in CUDA_VISIBLE_DEVICES; each worker sees one of them, by turns. If there are none, workers see
            what this process sees.
    """
    pool = _Pool(workers, partial(start, *arguments), gpus)
    try:
        yield pool.submit
    except KeyboardInterrupt:
        # Workers would finish what they are at; that work starts over anyway.
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.close()


class _Pool:
    """Worker processes, all replaced when one dies: the library's pool is then of no use any more."""

    def __init__(self, workers: int, start: Callable[[], None], gpus: Sequence[str]) -> None:
        self._workers, self._start, self._gpus = workers, start, gpus
        self._lock, self._closed, self._names = threading.Lock(), False, count()
        self._processes = self._open()

    def _open(self) -> _Processes:
        context = get_context("spawn")
        places, begun = context.SimpleQueue(), context.SimpleQueue()
        for place in range(self._workers):
            places.put(place)
        ready = partial(_start, self._start, places, begun, list(self._gpus))
        return _Processes(ProcessPoolExecutor(self._workers, mp_context=context, initializer=ready), begun)

    def submit(self, *call: Any) -> Future[Any]:
        """See :func:`worker_pool`."""
        future: Future[Any] = Future()
        self._send(future, call, 0)
        return future

    def _send(self, future: Future[Any], call: tuple[Any, ...], deaths: int) -> None:
        name = next(self._names)
        with self._lock, _deaf_children():  # the pool starts a worker when it is given work and none is idle
            if self._closed:
                _drop(future)
                return
            processes = self._processes
            try:
                inner = processes.pool.submit(_announced, name, *call)
            except BrokenProcessPool:
                processes = self._processes = self._open()
                inner = processes.pool.submit(_announced, name, *call)
            processes.known.update({child.pid: child for child in active_children()})
        inner.add_done_callback(partial(self._done, future, call, deaths, name, processes))

    def _done(
        self,
        future: Future[Any],
        call: tuple[Any, ...],
        deaths: int,
        name: int,
        processes: _Processes,
        inner: Future[Any],
    ) -> None:
        if inner.cancelled():
            _drop(future)
        elif (error := inner.exception()) is None:
            future.set_result(inner.result())
        elif isinstance(error, BrokenProcessPool):
            # In a thread of its own: the pool tells its futures while it holds locks that sending takes.
            threading.Thread(target=self._again, args=(future, call, deaths, name, processes), daemon=True).start()
        else:
            future.set_exception(error)

    def _again(self, future: Future[Any], call: tuple[Any, ...], deaths: int, name: int, processes: _Processes) -> None:
        with self._lock:
            deaths += name in processes.culprits()
            if self._processes is processes and not self._closed:
                self._processes = self._open()
        if deaths < DEATHS:
            self._send(future, call, deaths)
        else:
            future.set_exception(WorkerDied(f"{deaths} workers died of it: killed, or out of memory"))

    def close(self) -> None:
        """Wait for the calls at work; drop the others."""
        with self._lock:
            self._closed = True
            pool = self._processes.pool
        pool.shutdown(cancel_futures=True)


@dataclass
class _Processes:
    """The library's pool, what its workers tell of calls that begin (call and process), and its processes."""

    pool: ProcessPoolExecutor
    begun: Any
    known: dict[int | None, BaseProcess] = field(default_factory=dict)
    _culprits: Container[int] | None = None

    def culprits(self) -> Container[int]:
        """The calls that may have broken the pool: every one where that is not known.

        The pool ends the workers that are left by SIGTERM; whose worker ended so was but beside.
        """
        if self._culprits is None:
            last: dict[int, int] = {}  # by process
            while not self.begun.empty():
                name, pid = self.begun.get()
                last[pid] = name
            died = [name for pid, name in last.items() if not self._was_ended(pid)]
            self._culprits = died or range(sys.maxsize)
        return self._culprits

    def _was_ended(self, pid: int) -> bool:
        process = self.known.get(pid)
        if process is None:
            return False
        process.join(10)
        return process.exitcode == -signal.SIGTERM


def _drop(future: Future[Any]) -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


_begun: Any = None


def _announced(name: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """The call, after telling that it has begun."""
    _begun.put((name, os.getpid()))
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


def _start(start: Callable[[], None], places: Any, begun: Any, gpus: list[str]) -> None:
    global _begun
    _begun = begun
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What a user's selector prints must not fail its run where the command's reader is gone.
    guard_streams()
    place = places.get()
    if gpus:
        # Before anything asks CUDA.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
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
