"""Folders of many records: their reports, and resuming their study, as a user does.

How many is in ARCHSELECT_PERF_RECORDS; what a hundred thousand take is in
docs/design-notes.md.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.store.facts import encode_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record

RECORDS = int(os.environ.get("ARCHSELECT_PERF_RECORDS", "2000"))
STUDY = """
name = "many-runs"
title = "Many runs"
description = "Random cells."
tables = ["accuracy"]
seeds = {{ supernet = {supernets}, selection = {selections} }}
spaces = [{{ name = "nb201", skeleton = {{ channels = 4, cells = 2, reduction = "pool" }} }}]
supernets = [{{ recipe = "untrained" }}]
selectors = [{{ name = "random" }}]

[[data]]
name = "digits"
truth = [{{ table = "nb201-digits", dataset = "digits", split = "test", epochs = 10 }}]
"""
"""Runs that are made at once, so that what is measured is the store."""


def command(*words):
    """Return what archselect prints."""
    return subprocess.run(
        ["archselect", *map(str, words)], capture_output=True, text=True, check=True
    ).stdout


def measure(benchmark, *words, rounds=1):
    """Time a command, and note its memory."""
    benchmark.pedantic(lambda: command(*words), rounds=rounds)
    benchmark.extra_info["MiB at most"] = (
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return a folder of many records."""
    folder = tmp_path_factory.mktemp("many") / "many"
    make = [
        sys.executable,
        Path(__file__).with_name("many_records.py"),
        folder,
        "--records",
        f"{RECORDS}",
    ]
    subprocess.run(make, check=True)
    return folder


@pytest.mark.benchmark(group=f"report: {RECORDS:,} records")
def test_first_report(benchmark, many):
    """Time the report that reads every file, and writes records.parquet."""
    measure(benchmark, "report", many)
    assert (many / "report.html").is_file()


@pytest.mark.benchmark(group=f"report: {RECORDS:,} records")
def test_report(benchmark, many):
    """Time a report that reads records.parquet."""
    measure(benchmark, "report", many, rounds=3)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a study and its folder, in which all runs but one are done.

    They have the first one's results.
    """
    root = tmp_path_factory.mktemp("runs")
    one = root / "one.toml"
    path = root / "many.toml"
    folder = root / "many"
    one.write_text(STUDY.format(supernets=[0], selections=[0]))
    supernets = list(range(-(-RECORDS // 100)))
    selections = list(range(100))
    path.write_text(STUDY.format(supernets=supernets, selections=selections))
    command("run", one, "--out", root / "one")
    (first,) = Folder(root / "one").read_all(Record)
    (folder / "records").mkdir(parents=True)
    for job in plan_runs(read_study(str(path)), None)[:-1]:
        record = first.model_copy(update={"id": job.inputs.id, "inputs": job.inputs})
        Folder(folder).path(Record, record.id).write_bytes(encode_fact(record))
    return path, folder


@pytest.mark.benchmark(group=f"a study of {RECORDS:,} runs")
def test_resuming(benchmark, study):
    """Time a study of which one run is left.

    records.parquet is written, and the report.
    """
    path, folder = study
    measure(benchmark, "run", path, "--out", folder)


@pytest.mark.benchmark(group=f"a study of {RECORDS:,} runs")
def test_nothing_to_do(benchmark, study):
    """Time a study that is finished."""
    path, folder = study
    measure(benchmark, "run", path, "--out", folder, rounds=3)


@pytest.mark.benchmark(group=f"a study of {RECORDS:,} runs")
def test_status(benchmark, study):
    """Time the status of a folder."""
    measure(benchmark, "status", study[1], rounds=3)
