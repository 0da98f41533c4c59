"""Worker processes."""

import os
import platform
import signal
import subprocess
import sys
import time

import pytest
import torch

from archselect.benchmarks.workers import THREADS, worker_pool

masks = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks here")


@masks
def test_every_worker_is_deaf_to_an_interrupt_and_the_parent_is_not():
    """Also the second one, which the pool starts only when the first is at work."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with worker_pool(2, os.getpid) as submit:
        busy = [submit(time.sleep, 0.5) for _ in range(2)]
        asked = [submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()) for _ in range(2)]
        assert all(signal.SIGINT in future.result() for future in asked)
        assert [future.result() for future in busy] == [None, None]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert signal.SIGINT not in before


@masks
def test_an_interrupt_while_a_worker_is_started_is_heard():
    with pytest.raises(KeyboardInterrupt), worker_pool(1, os.getpid) as submit:
        submit(time.sleep, 60)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)


def test_workers_keep_to_their_threads():
    with worker_pool(1, os.getpid) as submit:
        assert submit(torch.get_num_threads).result() == THREADS


def test_what_has_not_started_is_dropped():
    with worker_pool(1, os.getpid) as submit:
        assert submit(os.getpid).result() != os.getpid()
        futures = [submit(time.sleep, 0.2) for _ in range(50)]
    assert any(future.cancelled() for future in futures)


KEPT = """
import sys, torch
from pathlib import Path
from archselect.benchmarks.workers import settle
if len(sys.argv) > 1:
    settle(1)
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
before = resident()
held = [torch.ones(6 * 2**20) for _ in range(12)]  # 288 MiB
del held
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept():
    """Settled, a process keeps what tensors are done with; unsettled, it gives the pages back to the system."""

    def kept(*arguments):
        command = [sys.executable, "-c", KEPT, *arguments]
        return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)

    assert kept() < 50 < 250 < kept("settled")
