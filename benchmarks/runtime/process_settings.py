"""Settings of every process that computes: threads, subnormal numbers, freed memory.

A local worker, a worker of a cluster, and a command that trains call
:func:`configure_process` before they compute; workers do so in :func:`start_worker`.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

THREADS = 1
"""CPU threads of a worker.

With one thread, sums have a fixed order, and the same study gives the same records
anywhere.
"""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MALLOC_OPTIONS = {_M_TRIM_THRESHOLD: 2**31 - 1, _M_MMAP_THRESHOLD: 32 * 2**20}
"""Options of malloc.h in glibc; 32 MiB is the largest value of the second one."""


def start_worker(start: Callable[..., None], *arguments: Any) -> None:
    """Configure this process as a worker, then call `start` with its arguments."""
    configure_process(THREADS)
    start(*arguments)


def configure_process(threads: int) -> None:
    """Configure how this process computes on the CPU.

    Args:
        threads: CPU threads that torch uses.
    """
    torch.set_num_threads(threads)
    for dtype in (np.float32, np.float64):
        # numpy caches what it finds here. Later it would find no subnormal numbers, and
        # warn.
        np.finfo(dtype)
    configure_thread()
    _keep_freed_memory()


def configure_thread() -> None:
    """Make this thread treat subnormal numbers as 0.

    They cost time and change no result.
    """
    torch.set_flush_denormal(True)


def _keep_freed_memory() -> None:
    """Make the C library keep freed memory for the next tensor.

    A forward pass of NAS-Bench-201's supernet allocates and frees 290 MB. Otherwise the
    system would provide 74,000 pages again each time. The peak memory stays the same.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in _MALLOC_OPTIONS.items():
        libc.mallopt(option, value)
