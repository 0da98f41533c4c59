"""What a second worker is worth: Zero-Cost-PT on narrow and wide supernets."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from archselect.benchmarks.runtime.machine import cores
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record

STUDY = """
name = "workers"
title = "Workers"
description = "Runs of one thread and some five seconds."
tables = ["accuracy"]
seeds = {{ supernet = {seeds} }}
spaces = [{{ name = "nb201", skeleton = {{ channels = {channels}, cells = 2, reduction = "pool" }} }}]
supernets = [{{ recipe = "untrained" }}]
selectors = [{{ name = "zero-cost-pt", batch_size = 64, validation_batches = 1 }}]

[[data]]
name = "digits"
truth = [{{ table = "nb201-digits", dataset = "digits", split = "test", epochs = 10 }}]
"""
RUNS = 6
ROUNDS = 3
"""Of which the best counts: machines have neighbours."""


def command(folder, seeds, workers, channels):
    """Start a study of these seeds; return its folder and process."""
    folder.mkdir(parents=True)
    study = folder / "workers.toml"
    study.write_text(STUDY.format(seeds=list(seeds), channels=channels))
    words = [
        Path(sys.executable).with_name("archselect"),
        "run",
        study,
        "--out",
        folder / "out",
    ]
    words += ["--workers", f"{workers}", "--device", "cpu"]
    return folder / "out", subprocess.Popen(words, stdout=subprocess.DEVNULL)


def rate(*started):
    """Return the runs a second of commands side by side.

    They count from the first run's begin to the last one's end, by their logs.
    """
    begun = []
    ended = []
    for out, process in started:
        assert process.wait() == 0
        for record in Folder(out).read_all(Record):
            lines = [
                json.loads(line)
                for line in Folder(out).log(record.id).read_text().splitlines()
            ]
            begun.append(datetime.fromisoformat(lines[0]["time"]))
            ended.append(datetime.fromisoformat(lines[-1]["time"]))
    return len(begun) / (max(ended) - min(begun)).total_seconds()


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
@pytest.mark.benchmark(group=f"workers: a study of {RUNS} runs")
@pytest.mark.parametrize("channels", [4, 16])
def test_two_workers(benchmark, tmp_path, channels):
    """Note the runs a second of one worker, of two, and of two commands of one worker.

    The last is what the machine has.
    """
    halves = (range(RUNS // 2), range(RUNS // 2, RUNS))
    rates = {"one": [], "two": [], "two commands": []}

    def measure():
        folder = tmp_path / f"{len(rates['one'])}"
        rates["one"].append(rate(command(folder / "one", range(RUNS), 1, channels)))
        rates["two"].append(rate(command(folder / "two", range(RUNS), 2, channels)))
        apart = [
            command(folder / f"part{place}", half, 1, channels)
            for place, half in enumerate(halves)
        ]
        rates["two commands"].append(rate(*apart))

    benchmark.pedantic(measure, rounds=ROUNDS)
    best = {name: max(found) for name, found in rates.items()}
    benchmark.extra_info.update(best | {"two / one": best["two"] / best["one"]})
    assert best["one"] > 0
