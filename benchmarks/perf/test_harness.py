"""Time that the quickstart spends outside data, supernet, score, tune and validate."""

import json
from time import perf_counter

import pytest
import torch

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record

WORK = ("data", "supernet", "score", "tune", "validate")


@pytest.mark.benchmark(group="harness: the quickstart's supernets and runs")
def test_overhead(benchmark, tmp_path):
    """Note the share of seconds outside the phases of work."""
    study = read_study("quickstart")
    jobs = plan_runs(study, None)
    folder = Folder(tmp_path)
    runner = Runner(folder, torch.device("cpu"), None)
    runner._warm_up()

    distinct = {job.supernet.id: job.supernet for job in jobs}

    def work():
        for supernet in distinct.values():
            runner.make_supernet(supernet)
        for job in jobs:
            record = runner.run(job)
            write_fact(folder.path(Record, record.id), record)

    start = perf_counter()
    benchmark.pedantic(work, rounds=1)
    elapsed = perf_counter() - start
    records = [
        json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")
    ]
    assert len(records) == len(jobs)
    # A supernet is made once and stands in every record that reads it.
    supernets = {job.inputs.id: job.supernet.id for job in jobs}
    seconds = {}
    for record in records:
        for phase, time in record["cost"]["phases"].items():
            if phase in WORK:
                run = record["id"]
                owner = supernets[run] if phase == "supernet" else run
                seconds[owner, phase] = time["seconds"]
    worked = sum(seconds.values())
    benchmark.extra_info["overhead"] = 1 - worked / elapsed
    assert 0 < worked < elapsed
