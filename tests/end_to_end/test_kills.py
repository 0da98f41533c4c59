"""A study killed at many moments comes out as undisturbed.

`python -m support.kills 100` and `python -m support.scheduler_kills 20` do it more
often, at random moments.
"""

import os
import random
import sys
import time

import pytest
from support import kills, processes, scheduler_kills

from archselect.benchmarks.runtime.workers import worker_pool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc"),
]


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


@pytest.fixture
def wanted(study, archselect, inline):
    """What comes of it undisturbed, in this process."""
    out = study.parent / "undisturbed"
    if not out.exists():
        assert archselect(*kills.command(study, out)[1:])[0] == 0
    return kills.result(out)


def test_a_study_that_is_killed_now_and_then_comes_out_the_same(
    study, wanted, tmp_path
):
    """A worker, the command, and all of them at once, while supernets are made or among the runs."""
    rng = random.Random(1)
    killed = set()
    studies = 0
    while killed != set(kills.KINDS):  # a fast machine may finish a study before
        out = tmp_path / f"killed-{studies}"
        moment = kills.after_new_files(out, rng, "supernets/*.pt", "records/*.json")
        done = kills.run_killed(study, out, moment, len(kills.KINDS), rng)
        killed |= {kind for kind, times in done.items() if times}
        studies += 1
        assert kills.result(out) == wanted


def test_a_study_whose_scheduler_is_killed_ends_in_one_line_and_goes_on(
    study, wanted, tmp_path
):
    """Among its runs; that nobody answers at the start is tried with the engines."""
    pytest.importorskip("distributed")
    rng = random.Random(1)
    killed = studies = 0
    while not killed:  # a fast machine may finish a study before
        out = tmp_path / f"killed-{studies}"
        moment = kills.after_new_files(out, rng, "supernets/*.pt", "records/*.json")
        words = kills.command(study, out)
        killed = scheduler_kills.run_killed(words, tmp_path / "dask", moment, 1, 1)
        studies += 1
        assert kills.result(out) == wanted
