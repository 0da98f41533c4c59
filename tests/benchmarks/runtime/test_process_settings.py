"""A process that computes keeps to its threads and to the memory that it has."""

import platform
import subprocess
import sys
import threading

import pytest
import torch

from archselect.benchmarks.runtime.process_settings import (
    THREADS,
    configure_thread,
    start_worker,
)

HANG = 600
"""Seconds after which a process is taken to hang."""

KEPT = """
import sys, torch
from pathlib import Path
from archselect.benchmarks.runtime.process_settings import configure_process
if len(sys.argv) > 1:
    configure_process(1)
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
before = resident()
held = [torch.ones(6 * 2**20) for _ in range(12)]  # 288 MiB
del held
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept():
    """Configured, a process keeps what tensors have freed; otherwise it gives the pages back to the system."""

    def kept(*arguments):
        command = [sys.executable, "-c", KEPT, *arguments]
        return float(
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=HANG
            ).stdout
        )

    assert kept() < 50 < 250 < kept("configured")


def test_a_worker_is_configured_before_it_starts(process_settings_restored):
    """Its function sees one thread, and no number below the smallest normal one."""
    torch.set_num_threads(THREADS + 1)
    torch.set_flush_denormal(False)
    seen = []

    def start(*arguments):
        half = torch.tensor(torch.finfo(torch.float32).tiny) / 2
        seen.append((arguments, torch.get_num_threads(), half.item()))

    start_worker(start, "first", 2)
    assert seen == [(("first", 2), THREADS, 0.0)]


def test_each_thread_is_configured(process_settings_restored):
    """The setting holds for one thread, so that a cluster's worker repeats it."""
    torch.set_flush_denormal(False)
    values = []

    def halve():
        configure_thread()
        half = torch.tensor(torch.finfo(torch.float32).tiny) / 2
        values.append(half.item())

    thread = threading.Thread(target=halve)
    thread.start()
    thread.join()
    assert values == [0.0]
