"""A real Slurm of one node: jobs are cancelled, put back into the queue, run into their time limit, and are refused."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archselect.benchmarks.engines.slurm import engine
from archselect.benchmarks.engines.slurm.engine import slurm_engine
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.nasbench_adapters.errors import UserError

HANG = 600
OFTEN = Pace(poll=0.2, look=2, grace=4)
START = (int, ())
FOLDER = "jobs' 100% of it"
"""Has letters that mean something to a shell and to sbatch."""
SCRIPT = Path(sys.executable).with_name("archselect")
TWICE = """
if mkdir {folder}/began; then sleep 600; fi
echo "again $SLURM_RESTART_COUNT"
"""
"""Hangs when it runs first, and ends when it runs again."""

pytestmark = pytest.mark.slow


def slurm_says(*command):
    """Return what one of Slurm's programs prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_for_jobs(*options):
    """Wait until Slurm has such jobs, in the partition `main`; their ids."""
    deadline = time.monotonic() + HANG
    while not (
        jobs := slurm_says(
            "squeue", "-h", "-r", "-p", "main", "-o", "%i", *options
        ).split()
    ):
        assert time.monotonic() < deadline, "no such job is in the queue"
        time.sleep(0.2)
    return jobs


def wait_for_no_jobs():
    """Wait until the partition `main` has no job, not even one that is ending."""
    deadline = time.monotonic() + HANG
    while slurm_says("squeue", "-h", "-p", "main"):
        assert time.monotonic() < deadline, "ended jobs are still in the queue"
        time.sleep(0.2)


def wait_for(path):
    """Wait until a file or folder is there."""
    deadline = time.monotonic() + HANG
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} is not there"
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def often(monkeypatch, slurm):
    """Slurm is asked often, and has no jobs at first."""
    monkeypatch.setattr(engine, "PACE", OFTEN)
    wait_for_no_jobs()


@pytest.fixture(scope="module")
def overdue(slurm, tmp_path_factory):
    """A call that hangs, with a time limit of a minute. Other tests run meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "PACE", OFTEN)
        settings = {
            "folder": str(tmp_path_factory.mktemp("jobs")),
            "partition": "urgent",
            "time": 1,
        }
        with slurm_engine(None, "cpu", START, settings) as submit:
            yield submit(time.sleep, 600)


@pytest.fixture
def opened(overdue, tmp_path):
    """`opened(**settings)` opens the engine."""
    return lambda **settings: slurm_engine(
        None, "cpu", START, {"folder": str(tmp_path / FOLDER), **settings}
    )


def test_a_job_that_somebody_cancels_is_told(opened, tmp_path):
    with opened() as submit:
        future = submit(time.sleep, 600)
        (id,) = wait_for_jobs("-t", "RUNNING")
        slurm_says("scancel", id)
        with pytest.raises(
            RuntimeError,
            match=rf"Slurm job {id} was cancelled: rerun the command \(CANCELLED\)",
        ):
            future.result(timeout=HANG)
    assert len(list(tmp_path.glob(f"{FOLDER}/*/logs/0-0.log"))) == 1


def test_what_is_not_done_by_the_end_is_cancelled(opened):
    """Of two arrays, some jobs of which have not started."""
    with opened() as submit:
        futures = [submit(time.sleep, 600) for _ in range(7)]
        wait_for_jobs("-t", "RUNNING")
    assert all(future.cancelled() for future in futures)
    wait_for_no_jobs()


def test_a_job_that_gives_way_to_others_is_waited_for(opened, tmp_path):
    with opened() as submit:
        future = submit(
            subprocess.check_output, ["sh", "-c", TWICE.format(folder=tmp_path)]
        )
        (id,) = wait_for_jobs("-t", "RUNNING")
        wait_for(tmp_path / "began")
        # All cores but that of the call that runs into its time limit, which has the
        # same right to run.
        cores = int(slurm_says("sinfo", "-h", "-p", "main", "-o", "%c")) - 1
        slurm_says(
            "sbatch",
            "-p",
            "urgent",
            "-c",
            str(cores),
            "-o",
            "/dev/null",
            "--wrap",
            "sleep 1",
        )
        wait_for_jobs("-t", "PENDING")
        slurm_says(
            "scontrol", "update", f"JobId={id}", "StartTime=now"
        )  # and not in two minutes
        assert future.result(timeout=HANG) == b"again 1\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"partition": "no-such"}, "Invalid partition name specified"),
        ({"no_such": 1}, "unrecognized option '--no-such=1'"),
        ({"mem": "9000T"}, "Requested node configuration is not available"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_words(opened, settings, words):
    with opened(**settings) as submit, pytest.raises(UserError, match=words):
        submit(pow, 3, 2).result(timeout=HANG)


def test_sigterm_cancels_the_jobs_of_a_command(opened, write_quick, tmp_path):
    settings = ["--engine-set", f"folder={tmp_path / FOLDER}"]
    command = [
        SCRIPT,
        "run",
        write_quick(),
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
        "--engine",
        "slurm",
        *settings,
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for_jobs()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=HANG)
    assert (
        err
        == "archselect: interrupted; finished work is kept, rerun the command to resume\n"
    )
    assert process.returncode == 143
    wait_for_no_jobs()
    # A job that had begun has a log, which stays.
    left = {path.name for path in (tmp_path / FOLDER).glob("*/*")}
    assert left <= {"logs"}


def test_a_job_that_runs_into_its_time_limit_is_told(overdue):
    with pytest.raises(
        RuntimeError,
        match=r"reached its time limit: set more with --engine-set time=MINUTES",
    ):
        overdue.result(timeout=HANG)
