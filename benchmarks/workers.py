"""Worker processes: pinned to their threads, deaf to Ctrl-C, gone when the command is gone."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from typing import Any

import numpy as np
import torch

THREADS = 1
"""CPU threads of a worker: one, so that sums have one order and the same study gives the same records anywhere."""

_MALLOC_OPTIONS = {-1: 2**31 - 1, -3: 32 * 2**20}
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; 32 MiB is the most that the latter takes."""

Submit = Callable[..., "Future[Any]"]


@contextmanager
def worker_pool(workers: int, start: Callable[..., None], *arguments: object) -> Iterator[Submit]:
    """`submit(function, *arguments)` runs calls in worker processes that end with the block.

    What has not started by the end of the block is dropped.

    Args:
        workers: how many processes.
        start: called in every worker before its first call, with `arguments`.
    """
    ready = partial(_start, partial(start, *arguments))
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=ready)

    def submit(*call: Any) -> Future[Any]:
        with _deaf_children():  # the pool starts a worker when it is given work and none is idle
            return pool.submit(*call)

    try:
        yield submit
    except KeyboardInterrupt:
        # Workers would finish what they are at; that work starts over anyway.
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


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


def _start(start: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
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
