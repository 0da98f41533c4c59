"""What the harness takes of a run beside data, supernet, score, tune and validate: the quickstart, one seed."""

import json
from time import perf_counter

import pytest
import torch

from archselect.benchmarks.grid import span
from archselect.benchmarks.records import Folder, Record, write_fact
from archselect.benchmarks.run import Runner
from archselect.benchmarks.study import read_study

WORK = ("data", "supernet", "score", "tune", "validate")


@pytest.mark.benchmark(group="harness: the quickstart's supernet of one seed and its four runs")
def test_overhead(benchmark, tmp_path):
    """`extra_info["overhead"]` is the share of seconds outside the phases of work, after the start of the libraries."""
    study = read_study("quickstart")
    jobs = [job for job in span(study, None) if job.supernet.seed == study.seeds.supernet[0]]

    folder = Folder(tmp_path)
    runner = Runner(folder, torch.device("cpu"), None)
    runner._warm_up()

    def work():
        for supernet in {job.supernet.id: job.supernet for job in jobs}.values():
            runner.make_supernet(supernet)
        for job in jobs:
            record = runner.run(job)
            write_fact(folder.path(Record, record.id), record)

    start = perf_counter()
    benchmark.pedantic(work, rounds=1)
    elapsed = perf_counter() - start
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    assert len(records) == len(jobs)
    # A supernet is made once and stands in every record that reads it.
    seconds = {(r["inputs"]["supernet"]["recipe"], "supernet"): 0.0 for r in records}
    for record in records:
        for phase, time in record["cost"]["phases"].items():
            key = record["inputs"]["supernet"]["recipe"] if phase == "supernet" else record["id"], phase
            seconds[key] = time["seconds"]
    worked = sum(value for (_, phase), value in seconds.items() if phase in WORK)
    benchmark.extra_info["overhead"] = 1 - worked / elapsed
    assert 0 < worked < elapsed
