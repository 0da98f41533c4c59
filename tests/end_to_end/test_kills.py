"""A study killed at random moments comes out as undisturbed.

`python tests/kills.py 100` and `python tests/scheduler_kills.py 20` do it more often.
"""

import importlib.util
import os
import random
import subprocess
import sys
import time

import pytest

from archselect.benchmarks.workers import worker_pool

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")]

KILLS = 3
SCHEDULERS = 2
"""Of Dask that are killed."""


def load(root, name):
    """A module of the folder of all tests, which is no package."""
    spec = importlib.util.spec_from_file_location(name, root / "tests" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kills(root):
    """The module `tests/kills.py`."""
    return load(root, "kills")


def test_workers_are_found(kills):
    """Or no kill would ever meet one."""
    with worker_pool(2, os.getpid) as submit:
        busy = [submit(time.sleep, 1) for _ in range(2)]
        pids = {submit(os.getpid).result() for _ in range(4)}
        assert pids <= set(kills.workers_of(os.getpid()))
        assert all(future.result() is None for future in busy)


@pytest.fixture(scope="module")
def study(kills, tmp_path_factory):
    """The study's file."""
    return kills.write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def wanted(kills, study):
    """What comes of it undisturbed."""
    out = study.parent / "undisturbed"
    subprocess.run(kills.command(study, out), check=True, stdout=subprocess.DEVNULL)
    return kills.result(out)


def test_a_study_that_is_killed_now_and_then_comes_out_the_same(kills, study, wanted, tmp_path):
    rng = random.Random(1)
    killed = studies = 0
    while killed < KILLS:  # a fast machine may finish a study before it is killed
        out = tmp_path / f"killed-{studies}"
        killed += sum(kills.run_killed(study, out, rng, KILLS - killed).values())
        studies += 1
        assert kills.result(out) == wanted


def test_a_study_whose_scheduler_is_killed_ends_in_one_line_and_goes_on(root, kills, study, wanted, tmp_path):
    pytest.importorskip("distributed")
    scheduler_kills = load(root, "scheduler_kills")
    rng = random.Random(1)
    killed = studies = 0
    while killed < SCHEDULERS:  # a fast machine may finish a study before its scheduler is killed
        out = tmp_path / f"killed-{studies}"
        killed += scheduler_kills.run_killed(kills.command(study, out), tmp_path / "dask", rng, SCHEDULERS - killed)
        studies += 1
        assert kills.result(out) == wanted
