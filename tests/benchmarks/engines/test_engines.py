"""The same study gives the same records on every engine; what fails there is told here."""

import os
import sys
import time
from concurrent.futures import as_completed

import pytest

from archselect.benchmarks.engines import base
from archselect.benchmarks.engines.registry import ENGINES, get_engine
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runtime.machine import find_device
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.page.write import write_report

HANG = 600
"""Seconds after which a call is taken to hang; a worker on a loaded machine needs
minutes to start.
"""
TABLES = [
    f"{name}.{kind}" for name in ("tau", "accuracy") for kind in ("csv", "md", "tex")
]
"""The study's tables but that of the times."""


def fail(kind):
    raise kind("wrong")


def nap(seconds):
    time.sleep(seconds)
    return seconds


def facts(root):
    """Return by run what its record says, times and machines apart."""
    return {record.id: record.facts() for record in Folder(root).read_all(Record)}


def tables(root):
    """Return the content of the tables' files, by name."""
    write_report(root)
    return {name: (root / "report" / name).read_bytes() for name in TABLES}


@pytest.fixture
def other_engine(quick, tmp_path):
    """`other_engine(engine, **settings)` runs the quick study on an engine, into `other`, and returns the outcome."""

    def run(engine, **settings):
        return run_study(
            quick,
            tmp_path / "other",
            device="cpu",
            engine=engine,
            engine_settings=settings,
        )

    return run


def settings(request, engine, tmp_path):
    """Of a cluster of the kind."""
    if engine == "dask":
        return {"scheduler": request.getfixturevalue("dask_cluster").address}
    if engine == "slurm":
        request.getfixturevalue("slurm")
        return {"folder": str(tmp_path / "jobs")}
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_a_study_gives_the_records_and_tables_of_the_local_engine(
    request, tmp_path, finished, other_engine, engine
):
    outcome = other_engine(engine, **settings(request, engine, tmp_path))
    assert facts(tmp_path / "other") == facts(finished)
    assert (outcome.made, outcome.kept, outcome.failed) == (len(facts(finished)), 0, [])
    assert tables(tmp_path / "other") == tables(finished)


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_calls_and_faults(request, tmp_path, engine):
    """Results and errors are those of the calls, and every worker has started before its first."""
    there = tmp_path / "there"
    there.mkdir()
    with get_engine(engine)(
        2, "cpu", (os.chdir, (there,)), settings(request, engine, tmp_path)
    ) as submit:
        futures = {submit(pow, k, 2): k for k in range(4)}
        began, wrong, mended = (
            submit(os.getcwd),
            submit(int, "x"),
            submit(find_device, "tpu"),
        )
        for future in as_completed(futures, timeout=HANG):
            assert future.result() == futures[future] ** 2
        assert began.result(timeout=HANG) == str(there)
        with pytest.raises(ValueError, match="invalid literal"):
            wrong.result(timeout=HANG)
        with pytest.raises(UserError, match="unknown device 'tpu'"):
            mended.result(timeout=HANG)


BAD = {
    "unknown": ("dsak", {}, "unknown engine 'dsak': did you mean 'dask'?"),
    "local": ("local", {"partition": "gpu"}, "engine local has no settings"),
    "dask": (
        "dask",
        {"shceduler": "tcp://x"},
        "unknown setting of engine dask 'shceduler': did you mean 'scheduler'?",
    ),
    "seconds": (
        "dask",
        {"timeout": "soon"},
        "timeout of engine dask: 'soon' is not a number of seconds",
    ),
    "nobody": (
        "dask",
        {"scheduler": "tcp://127.0.0.1:9", "timeout": 1},
        "no Dask scheduler answers at tcp://127",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_an_engine_refuses(name, quick, tmp_path):
    engine, values, message = BAD[name]
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        run_study(
            quick, tmp_path / "out", device="cpu", engine=engine, engine_settings=values
        )


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        UserError,
        match=r"needs the package distributed: pip install 'archselect\[dask\]'",
    ):
        get_engine("dask")(1, "cpu", (int, ()), {}).__enter__()


def test_a_machine_without_slurm_is_told(monkeypatch, quick, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError,
        match=r"Slurm is missing on this machine \(no sbatch, squeue, scancel\)",
    ):
        run_study(quick, tmp_path / "out", device="cpu", engine="slurm")


def test_an_attempt_keeps_the_error_and_where_it_was(process_settings_restored):
    outcome, error = base.attempt((int, ()), fail, ValueError)
    assert outcome is None and type(error) is ValueError
    assert 'raise kind("wrong")' in error.__notes__[0]
    assert base.attempt((int, ()), nap, 0) == (0, None)


def test_the_command_line_hands_its_settings_to_the_engine(archselect, write_quick):
    code, out, err = archselect(
        "run", write_quick(), "--engine", "dask", "--engine-set", "shceduler=tcp://x"
    )
    assert (code, out) == (2, "")
    assert (
        "unknown setting of engine dask 'shceduler': did you mean 'scheduler'?" in err
    )
