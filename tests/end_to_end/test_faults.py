"""A study on a disk that is full or read-only, whose clock jumps, or that is started twice: nothing is lost."""

import os
import subprocess
import time
from contextlib import contextmanager

import pytest

from archselect.benchmarks.plan import writable
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.atomic_files import lock_folder

pytestmark = pytest.mark.slow

RUN = ("run", "small.toml", "--out", "out", "--workers", "1", "--device", "cpu")
TABLES = [
    f"report/{name}.{kind}"
    for name in ("accuracy", "tau")
    for kind in ("md", "csv", "tex")
]


def tables(root):
    return {name: (root / name).read_bytes() for name in TABLES}


def facts(root):
    """What records say, times and machines apart."""
    return {record.id: record.facts() for record in Folder(root).read_all(Record)}


def records(root):
    return {path.name: path.read_bytes() for path in (root / "records").iterdir()}


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@contextmanager
def disk(folder, size):
    """A disk of its own at the folder; `change(options)` mounts it otherwise."""
    if os.name != "posix" or os.geteuid():
        pytest.skip("only root can mount a disk")
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "none", folder)
    try:
        yield lambda options: mount("-o", f"remount,{options}", folder)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("size", ["8k", "300k", "640k", "760k"])
def test_a_full_disk(world, finished, archselect, inline, size, monkeypatch):
    """It is full at the start, while supernets are made, among the runs."""
    out = world.folder / "out"
    with disk(out, size) as change:
        code, printed, err = archselect(*RUN)
        assert (code, printed) == (
            2,
            "",
        ) and "MiB are needed; free space or name another folder" in err
        # As if it had filled up after the first look.
        monkeypatch.setattr(writable, "LEAST_FREE", 0)
        code, printed, err = archselect(*RUN)
        assert (code, printed) == (2, "")
        assert (
            "No space left on device; free space or name another folder" in err
            and err.count("\n") == 1
        ), err
        assert not list(out.rglob("*.part"))
        before = records(out) if (out / "records").is_dir() else {}
        change("size=50m")
        code, printed, err = archselect(*RUN)
        assert (code, err) == (0, "")
        assert f"{8 - len(before)} runs made, {len(before)} kept" in printed
        assert before.items() <= records(out).items()
        assert tables(out) == tables(finished[0])


def test_a_disk_that_turns_read_only(world, finished, archselect, inline):
    out = world.folder / "out"
    with disk(out, "50m") as change:
        change("ro")
        code, printed, err = archselect(*RUN)
        assert (code, printed) == (2, "")
        assert (
            err
            == "archselect: cannot write out: Read-only file system; name another folder\n"
        )
        change("rw")
        assert archselect(*RUN)[0] == 0
        assert tables(out) == tables(finished[0])
        before = records(out)
        change("ro")
        code, printed, err = archselect("report", "out")
        assert (code, printed) == (2, "") and "Read-only file system" in err
        assert records(out) == before


@pytest.mark.parametrize("when", [0, 4_000_000_000], ids=["1970", "2096"])
def test_a_clock_that_jumps(world, finished, archselect, inline, copied, when):
    """Nothing is decided by when a file was written."""
    gone = sorted(path.name for path in (copied / "records").iterdir())[::2]
    for name in gone:
        (copied / "records" / name).unlink()
    for path in [*copied.rglob("*"), copied]:
        os.utime(path, (when, when))
    assert archselect("status", "out")[0] == 0
    code, printed, err = archselect(*RUN)
    assert (code, err) == (0, "") and "4 runs made, 4 kept" in printed
    assert tables(copied) == tables(finished[0])


def test_a_second_command_on_the_same_folder_is_refused(world, finished, archselect):
    """And the first, with another number of workers, in another folder, gives the same."""
    first = subprocess.Popen(
        world.command(*RUN, "--workers", "2"),
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while first.poll() is None and not (world.folder / "out" / "study.json").is_file():
        time.sleep(0.01)
    second = archselect(
        *RUN
    )  # in this process, so that it is refused before the first has ended
    assert first.poll() is None
    message = "another command is writing into out: wait until it ends, or name another folder"
    assert second == (2, "", f"archselect: {message}\n")
    assert first.communicate()[1] == b"" and first.returncode == 0
    assert tables(world.folder / "out") == tables(finished[0])
    assert facts(world.folder / "out") == facts(finished[0])


def test_reports_and_status_need_not_wait(copied, archselect):
    with lock_folder(copied):
        assert archselect("report", "out")[0] == archselect("status", "out")[0] == 0
        code, printed, err = archselect(*RUN)
        assert (code, printed) == (
            2,
            "",
        ) and "another command is writing into out" in err
