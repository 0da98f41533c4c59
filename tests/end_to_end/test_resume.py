"""A study that was cut short goes on and ends with the very tables of one that was not."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from archselect.benchmarks.records import Folder, Record

TABLES = [f"report/{name}.{kind}" for name in ("accuracy", "tau") for kind in ("md", "csv", "tex")]


def tables(root):
    return {name: (root / name).read_bytes() for name in TABLES}


def records(root):
    return {path.name: path.read_bytes() for path in (root / "records").iterdir()}


@pytest.fixture
def copied(finished, world):
    """A copy of the finished folder, as `out` of a world."""
    return shutil.copytree(finished[0], world.folder / "out")


RUN = ("run", "small.toml", "--out", "out", "--workers", "1", "--device", "cpu")


@pytest.mark.slow
def test_a_finished_study_is_kept(copied, finished, world):
    before = records(copied)
    result = world.run(*RUN)
    assert (result.returncode, result.stderr) == (0, "")
    assert "0 runs made, 8 kept" in result.stdout
    assert records(copied) == before
    assert tables(copied) == tables(finished[0])


@pytest.mark.slow
def test_what_is_missing_is_made_and_nothing_else(copied, finished, world):
    before = records(copied)
    gone = sorted(before)[::3]
    for name in gone:
        (copied / "records" / name).unlink()
    lost = Folder(finished[0]).path(Record, gone[0][:-5])
    for path in (copied / "supernets").iterdir():
        path.unlink()
    assert lost.is_file()
    result = world.run(*RUN)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{len(gone)} runs made, {8 - len(gone)} kept" in result.stdout
    after = records(copied)
    assert {name: after[name] for name in before if name not in gone} == {
        name: before[name] for name in before if name not in gone
    }
    assert tables(copied) == tables(finished[0])


def children(group):
    """Processes of a group that are still alive."""
    found = subprocess.run(["ps", "-eo", "pgid=,pid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    return [pid for pgid, pid, state in rows if int(pgid) == group and not state.startswith("Z")]


def interrupt(world, ready, workers):
    """Start the study, wait until it is ready, press Ctrl-C as a terminal does; the process and its output."""
    process = subprocess.Popen(
        world.command("run", "small.toml", "--out", "out", "--workers", workers, "--device", "cpu"),
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 200
        while not ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process, out, err


MESSAGE = "archselect: interrupted; what is finished is kept, the same command goes on\n"


@pytest.mark.slow
def test_an_interrupt_between_runs(finished, world):
    out = world.folder / "out"
    process, text, err = interrupt(world, lambda: any(out.glob("records/*.json")), workers=1)
    assert (process.returncode, text, err) == (130, "", MESSAGE)
    assert children(process.pid) == []
    assert 0 < len(records(out)) < 8
    kept = records(out)
    result = world.run(*RUN)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{8 - len(kept)} runs made, {len(kept)} kept" in result.stdout
    assert kept.items() <= records(out).items()
    assert tables(out) == tables(finished[0])


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="a worker that is still starting prints its own traceback at Ctrl-C")
def test_an_interrupt_while_workers_start(world):
    started = []

    def ready():
        if (world.folder / "out" / "study.json").is_file():
            started.append(time.monotonic())
        return bool(started) and time.monotonic() > started[0] + 1

    process, text, err = interrupt(world, ready, workers=2)
    assert children(process.pid) == []
    assert (process.returncode, text, err) == (130, "", MESSAGE)
