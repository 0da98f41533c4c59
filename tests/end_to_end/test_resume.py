"""A study that was cut short goes on and ends with the very tables of one that was not."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record

pytestmark = pytest.mark.slow

HANG = 600
"""Seconds after which a process is taken to hang."""

TABLES = [
    f"report/{name}.{kind}"
    for name in ("accuracy", "tau")
    for kind in ("md", "csv", "tex")
]


def tables(root):
    return {name: (root / name).read_bytes() for name in TABLES}


def records(root):
    return {path.name: path.read_bytes() for path in (root / "records").iterdir()}


RUN = ("run", "small.toml", "--out", "out", "--workers", "1", "--device", "cpu")


def test_a_finished_study_is_kept(copied, finished, archselect, inline):
    before = records(copied)
    code, out, err = archselect(*RUN)
    assert (code, err) == (0, "")
    assert "0 runs made, 8 kept" in out
    assert records(copied) == before
    assert tables(copied) == tables(finished[0])


def test_what_is_missing_is_made_and_nothing_else(copied, finished, archselect, inline):
    before = records(copied)
    gone = sorted(before)[::3]
    for name in gone:
        (copied / "records" / name).unlink()
    lost = Folder(finished[0]).path(Record, gone[0][:-5])
    for path in (copied / "supernets").iterdir():
        path.unlink()
    assert lost.is_file()
    code, out, err = archselect(*RUN)
    assert (code, err) == (0, "")
    assert f"{len(gone)} runs made, {8 - len(gone)} kept" in out
    after = records(copied)
    assert {name: after[name] for name in before if name not in gone} == {
        name: before[name] for name in before if name not in gone
    }
    assert tables(copied) == tables(finished[0])


def alive(group, word=""):
    """The processes of a group that live and have a word in their command line (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (path / "stat").read_text().rpartition(")")[2].split()[:3]
            if (
                int(pgrp) == group
                and state != "Z"
                and word in (path / "cmdline").read_text()
            ):
                found.append(int(path.name))
        except OSError:
            continue  # it has just ended
    return found


@contextmanager
def running(world, workers, ready):
    """The study as a process, and group of processes, of its own, as soon as `ready(process)`."""
    process = subprocess.Popen(
        world.command(
            "run", "small.toml", "--out", "out", "--workers", workers, "--device", "cpu"
        ),
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + HANG
        while (
            not ready(process)
            and process.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        yield process
    finally:
        for pid in alive(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def interrupt(process):
    """Press Ctrl-C: a terminal sends the signal to the whole group.

    Exit code, standard output, standard error.
    """
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=HANG)
    return process.returncode, out, err


def left(process):
    """What is alive of the group after a while: the interpreter's own helper ends a moment after the command."""
    deadline = time.monotonic() + HANG
    while (found := alive(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


MESSAGE = (
    "archselect: interrupted; finished work is kept, rerun the command to resume\n"
)


linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)


@linux
def test_an_interrupt_between_runs(finished, world, archselect, inline):
    out = world.folder / "out"
    with running(world, 1, lambda process: any(out.glob("records/*.json"))) as process:
        assert interrupt(process) == (130, "", MESSAGE)
        assert left(process) == []
    kept = records(out)
    assert 0 < len(kept) < 8
    # A worker may be killed while it writes a journal or a supernet. The next command
    # removes the part, when no worker is left.
    for folder in ("progress", "supernets"):
        (out / folder).mkdir(exist_ok=True)
        (out / folder / ".killed.pt.0123.part").touch()
    code, printed, err = archselect(*RUN)
    assert not list(out.rglob("*.part"))
    assert (code, err) == (0, "")
    assert f"{8 - len(kept)} runs made, {len(kept)} kept" in printed
    assert kept.items() <= records(out).items()
    assert tables(out) == tables(finished[0])


@linux
def test_an_interrupt_while_workers_start(world):
    """What workers are forked from imports torch for a second or more before it could choose to ignore the signal."""

    def ready(process):
        found = alive(process.pid, "multiprocessing.forkserver")
        time.sleep(0.2 if found else 0)
        return bool(found)

    with running(world, 2, ready) as process:
        assert interrupt(process) == (130, "", MESSAGE)
        assert left(process) == []


@linux
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_command_that_is_ended_or_killed_leaves_no_workers(world, number, code):
    out = world.folder / "out"
    with running(world, 1, lambda process: any(out.glob("records/*.json"))) as process:
        process.send_signal(number)
        said = process.communicate(timeout=HANG)[1]
        assert process.returncode == code
        assert left(process) == []
        # No word of resources that were left behind.
        assert said == (MESSAGE if code == 143 else "")
