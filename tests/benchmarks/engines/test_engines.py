"""The same study gives the same records on every engine; what fails there is told here."""

import os
import subprocess
import sys
import time
from concurrent.futures import as_completed
from pathlib import Path

import pytest

from archselect.benchmarks.engines import base
from archselect.benchmarks.engines.registry import ENGINES, get_engine
from archselect.benchmarks.harness import run_study
from archselect.benchmarks.machine import find_device
from archselect.benchmarks.records import Folder, Record
from archselect.nasbench_adapters.errors import UserError

SEEDS = "0"
"""Of the quickstart, which has four; docs/clusters.md says what came of all."""
TABLES = [f"{name}.{kind}" for name in ("tau", "accuracy", "differences") for kind in ("csv", "md", "tex")]
"""The quickstart's tables but that of the times."""


def fail(kind):
    raise kind("wrong")


def nap(seconds):
    time.sleep(seconds)
    return seconds


def queue(*options):
    """What Slurm's queue shows."""
    return subprocess.run(["squeue", "-h", *options], capture_output=True, text=True, check=True).stdout


def settings(request, engine, tmp_path):
    """Of a cluster of the kind."""
    if engine == "dask":
        return {"scheduler": request.getfixturevalue("dask_scheduler")}
    if engine == "slurm":
        request.getfixturevalue("slurm")
        return {"folder": str(tmp_path / "jobs")}
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_a_study_gives_the_records_of_the_local_engine(request, tmp_path, facts_of, local_facts, engine):
    found, outcome = facts_of(engine, **settings(request, engine, tmp_path))
    assert found == local_facts
    assert (outcome.made, outcome.kept, outcome.failed) == (len(local_facts), 0, [])


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_calls_and_faults(request, tmp_path, engine):
    """Results and errors are those of the calls, and every worker has started before its first."""
    there = tmp_path / "there"
    there.mkdir()
    with get_engine(engine)(2, "cpu", (os.chdir, (there,)), settings(request, engine, tmp_path)) as submit:
        futures = {submit(pow, k, 2): k for k in range(4)}
        began, wrong, mended = submit(os.getcwd), submit(int, "x"), submit(find_device, "tpu")
        for future in as_completed(futures, timeout=120):
            assert future.result() == futures[future] ** 2
        assert began.result(timeout=60) == str(there)
        with pytest.raises(ValueError, match="invalid literal"):
            wrong.result(timeout=60)
        with pytest.raises(UserError, match="unknown device 'tpu'"):
            mended.result(timeout=60)


@pytest.mark.slow
def test_a_slurm_job_that_is_gone_is_told(slurm, tmp_path):
    """Cancelled by someone else, as when its time or memory is up."""
    with get_engine("slurm")(None, "cpu", (int, ()), {"folder": str(tmp_path / "jobs")}) as submit:
        future = submit(time.sleep, 300)
        while not (
            names := subprocess.run(["squeue", "-h", "-o", "%A"], capture_output=True, text=True).stdout.split()
        ):
            time.sleep(0.2)
        subprocess.run(["scancel", *names], check=True)
        with pytest.raises(RuntimeError, match=r"Slurm job \d+(_0)? ended without a result"):
            # A job that does not end when it is told to is queued until Slurm has waited for it, and kills it.
            future.result(timeout=180)


@pytest.mark.slow
def test_what_is_not_done_by_the_end_is_cancelled(slurm, tmp_path):
    with get_engine("slurm")(1, "cpu", (int, ()), {"folder": str(tmp_path / "jobs")}) as submit:
        futures = [submit(time.sleep, 300) for _ in range(3)]
        while not queue():
            time.sleep(0.2)
    assert all(future.cancelled() for future in futures)
    for _ in range(50):
        if not (left := queue("-t", "PD,R")):
            break
        time.sleep(0.2)
    assert left == ""


BAD = {
    "unknown": ("dsak", {}, "unknown engine 'dsak': did you mean 'dask'?"),
    "local": ("local", {"partition": "gpu"}, "engine local has no settings"),
    "dask": ("dask", {"shceduler": "tcp://x"}, "unknown setting of engine dask 'shceduler': did you mean 'scheduler'?"),
    "seconds": ("dask", {"timeout": "soon"}, "timeout of engine dask: 'soon' is no number of seconds"),
    "nobody": ("dask", {"scheduler": "tcp://127.0.0.1:9", "timeout": 1}, "no Dask scheduler answers at tcp://127"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_an_engine_refuses(name, quick, tmp_path):
    engine, values, message = BAD[name]
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        run_study(quick, tmp_path / "out", device="cpu", engine=engine, engine_settings=values)


@pytest.mark.parametrize(("engine", "package"), [("dask", "distributed"), ("slurm", "submitit")])
def test_a_package_that_is_missing_is_named(monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"needs the package {package}: pip install 'archselect\[{engine}\]'"):
        get_engine(engine)(1, "cpu", (int, ()), {}).__enter__()


def test_a_machine_without_slurm_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Slurm does not answer here"):
        get_engine("slurm")(1, "cpu", (int, ()), {"folder": str(tmp_path)}).__enter__()


def test_an_attempt_keeps_the_error_and_where_it_was(unsettled_after):
    outcome, error = base.attempt((int, ()), fail, ValueError)
    assert outcome is None and type(error) is ValueError
    assert 'raise kind("wrong")' in error.__notes__[0]
    assert base.attempt((int, ()), nap, 0) == (0, None)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """`quickstart(engine, **settings)` runs it there: what the records say, and the tables as files."""
    script = Path(sys.executable).with_name("archselect")

    def run(engine, **settings):
        out = tmp_path_factory.mktemp(engine) / "out"
        options = [word for name, value in settings.items() for word in ("--engine-set", f"{name}={value}")]
        command = [script, "run", "quickstart", "--seeds", SEEDS, "--device", "cpu", "--out", out, "--engine", engine]
        subprocess.run([*command, *options], check=True, cwd=out.parent, capture_output=True)
        tables = {name: (out / "report" / name).read_bytes() for name in TABLES}
        return {record.id: record.facts() for record in Folder(out).read_all(Record)}, tables

    return run


@pytest.fixture(scope="module")
def local_quickstart(quickstart):
    return quickstart("local")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_the_quickstart_has_the_tables_of_the_local_engine(request, tmp_path, quickstart, local_quickstart, engine):
    facts, tables = quickstart(engine, **settings(request, engine, tmp_path))
    assert facts == local_quickstart[0] and len(facts) == 4
    assert tables == local_quickstart[1]
