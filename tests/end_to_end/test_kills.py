"""A study killed at random moments comes out as undisturbed.

`python -m support.kills 100` and `python -m support.scheduler_kills 20` do it more
often.
"""

import os
import random
import subprocess
import sys
import time

import pytest
from support import kills, processes, scheduler_kills

from archselect.benchmarks.runtime.workers import worker_pool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc"),
]

KILLS = 3
SCHEDULERS = 2
"""Of Dask that are killed."""


def test_workers_are_found():
    """Or no kill would ever meet one."""
    with worker_pool(2, os.getpid) as submit:
        busy = [submit(time.sleep, 1) for _ in range(2)]
        pids = {submit(os.getpid).result() for _ in range(4)}
        assert pids <= set(processes.workers_of(os.getpid()))
        assert all(future.result() is None for future in busy)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study's file."""
    return kills.write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def wanted(study):
    """What comes of it undisturbed."""
    out = study.parent / "undisturbed"
    subprocess.run(kills.command(study, out), check=True, stdout=subprocess.DEVNULL)
    return kills.result(out)


def test_a_study_that_is_killed_now_and_then_comes_out_the_same(
    study, wanted, tmp_path
):
    rng = random.Random(1)
    killed = studies = 0
    while killed < KILLS:  # a fast machine may finish a study before it is killed
        out = tmp_path / f"killed-{studies}"
        killed += sum(kills.run_killed(study, out, rng, KILLS - killed).values())
        studies += 1
        assert kills.result(out) == wanted


def test_a_study_whose_scheduler_is_killed_ends_in_one_line_and_goes_on(
    root, study, wanted, tmp_path
):
    pytest.importorskip("distributed")
    rng = random.Random(1)
    killed = studies = 0
    while (
        killed < SCHEDULERS
    ):  # a fast machine may finish a study before its scheduler is killed
        out = tmp_path / f"killed-{studies}"
        killed += scheduler_kills.run_killed(
            kills.command(study, out), tmp_path / "dask", rng, SCHEDULERS - killed
        )
        studies += 1
        assert kills.result(out) == wanted
