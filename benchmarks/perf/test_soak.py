"""Long studies: what many calls and runs do to memory, and interruptions to tables.

A study has ARCHSELECT_PERF_RUNS runs (2,000 if it is not set), and is interrupted
ARCHSELECT_PERF_INTERRUPTIONS times (6); calls are in ARCHSELECT_PERF_CALLS
(10000,100000), workers in ARCHSELECT_PERF_WORKERS (1,2,4). Each line printed by `pytest
-s` has MiB of the command and of its largest worker.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import resident, workers_of

from archselect.benchmarks.engines.local import local_engine
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks for processes in /proc"
)

RUNS = int(os.environ.get("ARCHSELECT_PERF_RUNS", "2000"))
INTERRUPTIONS = int(os.environ.get("ARCHSELECT_PERF_INTERRUPTIONS", "6"))
CALLS = [
    int(count)
    for count in os.environ.get("ARCHSELECT_PERF_CALLS", "10000,100000").split(",")
]
WORKERS = [
    int(count)
    for count in os.environ.get("ARCHSELECT_PERF_WORKERS", "1,2,4").split(",")
]
FIRST = 1_000
"""Calls or runs after which memory has to be flat."""
FLAT = 1.1
"""How many times as much it may be at the end."""
TABLES = [f"accuracy.{kind}" for kind in ("csv", "md", "tex")]
STUDY = """
name = "soak"
title = "Many tiny runs"
description = "Random cells."
tables = ["accuracy"]
seeds = {{ supernet = {supernets}, selection = {selections} }}
spaces = [{{ name = "nb201", skeleton = {{ channels = 2, cells = 1, reduction = "pool" }} }}]
supernets = [{{ recipe = "untrained", batch_size = 16 }}]
selectors = [{{ name = "random" }}]

[[data]]
name = "digits"
limit = 32
truth = [{{ table = "nb201-digits", dataset = "digits", split = "test", epochs = 10 }}]
"""
GROUP = 50
"""Runs on one supernet."""


@dataclass(frozen=True)
class Memory:
    """MiB that a command and its largest worker have in memory when so much is done."""

    done: int
    command: float
    worker: float


def measure(pid, done):
    """Return the memory of a command."""
    of_workers = map(resident, workers_of(pid))
    return Memory(done, resident(pid), max(of_workers, default=0.0))


def first_after(samples, done):
    """Return the first sample that was taken when so much was done."""
    return next(sample for sample in samples if sample.done >= done)


def check_flat(name, seconds, samples):
    """Print the first, middle and last sample, and see that memory does not grow."""
    last = samples[-1]
    first = first_after(samples, min(FIRST, last.done // 2))
    middle = first_after(samples, min(10 * FIRST, last.done))
    shown = "; ".join(
        f"after {s.done:,}: {s.command:.0f} and {s.worker:.0f} MiB"
        for s in (first, middle, last)
    )
    print(f"\n{name}: {last.done / seconds:,.0f} a second; {shown}")  # noqa: T201
    assert min(first.worker, last.worker) > 0, "no worker was seen"
    assert last.command <= FLAT * first.command
    assert last.worker <= FLAT * first.worker


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("count", CALLS)
def test_calls(count, workers):
    """See that calls that do nothing take no memory, on workers of this machine."""
    samples = []
    begun = time.monotonic()
    with local_engine(workers, "cpu", (int, ()), {}) as submit:
        total = 0
        for done, future in enumerate(
            as_completed([submit(abs, -number) for number in range(count)]), start=1
        ):
            total += future.result()
            if done % FIRST == 0 or done == count:
                samples.append(measure(os.getpid(), done))
        seconds = time.monotonic() - begun
    assert total == count * (count - 1) // 2
    check_flat(f"{count:,} calls, workers: {workers}", seconds, samples)


def write_study(path):
    """Write a study of so many runs."""
    supernets = list(range(max(1, RUNS // GROUP)))
    selections = list(range(min(RUNS, GROUP)))
    path.write_text(
        STUDY.format(supernets=supernets, selections=selections), encoding="utf-8"
    )
    return path


def start(study, out, workers):
    """Start the command, in a group of its own."""
    script = Path(sys.executable).with_name("archselect")
    words = [
        script,
        "run",
        study,
        "--out",
        out,
        "--workers",
        f"{workers}",
        "--device",
        "cpu",
    ]
    return subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def count_records(out):
    """Return how many runs are done."""
    folder = out / "records"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def tables(out):
    """Return what the tables' files hold."""
    return [(out / "report" / name).read_bytes() for name in TABLES]


def facts(out):
    """Return what the records say, times and machines apart."""
    return {record.id: record.facts() for record in Folder(out).read_all(Record)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the study's file, and the folder of an undisturbed run with one worker."""
    folder = tmp_path_factory.mktemp("soak")
    study = write_study(folder / "soak.toml")
    return study, run_watched(study, folder / "out-1", 1)


def run_watched(study, out, workers):
    """Run the study to its end and check its memory; return the folder."""
    process = start(study, out, workers)
    samples = []
    begun = time.monotonic()
    seconds = 0.0
    while process.poll() is None:
        done = count_records(out)
        if 0 < done < RUNS:
            samples.append(measure(process.pid, done))
            seconds = time.monotonic() - begun
        time.sleep(0.2)
    assert process.returncode == 0, process.stderr.read()
    check_flat(f"{RUNS:,} runs, workers: {workers}", seconds, samples)
    return out


@pytest.mark.parametrize("workers", [count for count in WORKERS if count > 1])
def test_runs(undisturbed, tmp_path, workers):
    """See that more workers make the same tables."""
    study, wanted = undisturbed
    out = run_watched(study, tmp_path / "out", workers)
    assert tables(out) == tables(wanted)


def test_interruptions(undisturbed, tmp_path):
    """By signals to the command, to a worker or, as a terminal does, to all of them."""
    study, wanted = undisturbed
    out = tmp_path / "out"
    rng = random.Random(0)
    process = start(study, out, 2)
    under_way = 0
    for done in sorted(rng.sample(range(RUNS), min(INTERRUPTIONS, RUNS))):
        while count_records(out) < done and process.poll() is None:
            time.sleep(0.05)
        if process.poll() is not None:
            break
        kind = interrupt(process, rng)
        made = count_records(out)
        under_way += made < RUNS
        print(f"\n{kind} after {made:,} of {RUNS:,} runs", end="")  # noqa: T201
        if kind != "the end of a worker":
            assert "leaked" not in process.communicate()[1]
            process = start(study, out, 2)
    assert process.wait() == 0, process.stderr.read()
    # Else this process was too slow to see the runs come.
    assert under_way >= min(INTERRUPTIONS, RUNS) * 3 // 4
    assert tables(out) == tables(wanted)
    assert facts(out) == facts(wanted)


def interrupt(process, rng):
    """Interrupt a command in one of the ways; return which, in words."""
    kind = rng.choice(["Ctrl-C", "SIGTERM", "SIGHUP", "SIGKILL", "the end of a worker"])
    if kind == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    elif kind == "the end of a worker":
        for pid in workers_of(process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
    else:
        process.send_signal(getattr(signal, kind))
    return kind
