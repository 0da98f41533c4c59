"""Shared by all tests: the slow reference, the space, small worlds, and the shared data where at hand."""

import os
import random
import sys
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from support import small
from support.processes import hear_signals
from support.session import make_once

from archselect.benchmarks.runtime.machine import cores
from archselect.nasbench_adapters.spaces import get_space

ROOT = Path(__file__).parents[1]

hear_signals()

# Runs here share cores with other work: how long an example takes says nothing.
settings.register_profile("archselect", deadline=None, derandomize=True)
settings.load_profile("archselect")


WORKER_GIB = 3
"""Memory that a worker of pytest may take."""


def pytest_xdist_auto_num_workers(config):
    """Return two workers for each core, where memory suffices: commands wait for files and for each other."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(1, min(2 * cores(), int(memory / WORKER_GIB)))


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def small_truth(tmp_path_factory):
    """The small truth's file."""

    def make(folder):
        small.truth_table().save(folder / "made-up.npz")

    return make_once(tmp_path_factory, "truth", make) / "made-up.npz"


@contextmanager
def _process_settings_restored():
    """Undo what a worker, or a command that trains, sets for its process."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@pytest.fixture
def process_settings_restored():
    """After the test this process computes as before."""
    with _process_settings_restored():
        yield


@contextmanager
def _pool_within(workers, start, *arguments, gpus=()):
    from archselect.benchmarks.runtime.process_settings import start_worker

    def submit(function, *job):
        future = Future()
        try:
            future.set_result(function(*job))
        except Exception as error:
            future.set_exception(error)
        return future

    with _process_settings_restored():
        start_worker(start, *arguments)
        yield submit


@pytest.fixture(scope="session")
def pool_within():
    """In place of `worker_pool`: jobs run in this process, in turn, with a worker's settings."""
    return _pool_within


@pytest.fixture
def inline(monkeypatch, pool_within):
    """Studies run, and cells are scored, in this process: a worker takes seconds to start."""
    from archselect.benchmarks.engines import local
    from archselect.benchmarks.runs import worker

    monkeypatch.setattr(worker, "_worker", None)
    monkeypatch.setattr(local, "worker_pool", pool_within)


@pytest.fixture
def archselect(monkeypatch, capsys, tmp_path):
    """`archselect(*arguments)` is (exit code, standard output, standard error) of a command, run in this process."""
    from archselect.benchmarks.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["archselect", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    with _process_settings_restored():
        yield call


@pytest.fixture(scope="session")
def nb201():
    return get_space("nb201")


@pytest.fixture(scope="session")
def tiny(nb201):
    """A skeleton with one cell per stage at 4, 8 and 16 channels."""
    return nb201.skeleton(channels=4, cells=1)


@pytest.fixture(scope="session")
def shared_file():
    """`shared_file(name)` is the path of a file of the shared data; the test skips where it is absent."""

    def find(name):
        folder = (
            ROOT / os.environ.get("ARCHSELECT_SHARED", "../shared") / "data"
        ).resolve()
        if not (folder / name).is_file():
            pytest.skip(
                f"no shared data: set ARCHSELECT_SHARED to the folder that holds data/{name}"
            )
        return folder / name

    return find


@pytest.fixture(scope="session")
def images():
    """`images(count, channels=3, size=8, seed=0)` are normal random images in float64."""

    def draw(count, channels=3, size=8, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(
            count, channels, size, size, generator=generator, dtype=torch.float64
        )

    return draw


@pytest.fixture(scope="session")
def stirred():
    """`stirred(model, seed=0)` is the model in float64 with normalisation far from its start.

    Other scales, shifts and running statistics: so that what leaves one of them out is
    found out.
    """

    def stir(model, seed=0):
        generator = torch.Generator().manual_seed(seed)
        model = model.double()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                if module.affine:
                    module.weight.data.uniform_(0.5, 2, generator=generator)
                    module.bias.data.normal_(0, 0.3, generator=generator)
        return model

    return stir


@pytest.fixture(scope="session")
def trace():
    """`trace(model)` is all that scoring must not move, as values to compare: bit by bit, versions included."""

    def look(model):
        return (
            {
                name: value.numpy().tobytes()
                for name, value in model.state_dict().items()
            },
            [
                (m.training, getattr(m, "track_running_stats", None))
                for m in model.modules()
            ],
            [(p.requires_grad, p.grad, p._version) for p in model.parameters()],
            [buffer._version for buffer in model.buffers()],
            torch.get_rng_state().numpy().tobytes(),
            str(np.random.get_state()),  # noqa: NPY002 (the global state is what is watched)
            random.getstate(),
            torch.is_grad_enabled(),
        )

    return look
