"""Runs of scorings: scores do not depend on company or workers, and none is lost."""

from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

import pytest

from archselect.benchmarks.engines import local
from archselect.benchmarks.scoring import run
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.run import ScoringExecution, ScoringTask, run_scoring
from archselect.benchmarks.store.facts import read_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Population, Scored, Scoring
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space

NB201 = get_space("nb201")
SMALL = {"channels": 4, "cells": 1, "reduction": "pool"}
EXECUTION = ScoringExecution("digits", workers=1)


def inputs_of(population, proxies, **settings):
    settings = {"data": "digits", "skeleton": SMALL, "batch_size": 8, **settings}
    return scoring_inputs(population, proxies, **settings)


@pytest.fixture
def within(monkeypatch):
    """Scoring runs in this process; gives the parts that were scored, as (seed, start)."""
    parts = []

    @contextmanager
    def pool(workers, start, *arguments, gpus=()):
        start(*arguments)

        def submit(function, seed, start, texts):
            parts.append((seed, start))
            future = Future()
            future.set_result(function(seed, start, texts))
            return future

        yield submit

    monkeypatch.setattr(local, "worker_pool", pool)
    monkeypatch.setattr(run, "PART", 4)
    return parts


def values(folder, seed):
    parts = sorted(
        (p for p in Folder(folder).read_all(Scored) if p.seed == seed),
        key=lambda part: part.start,
    )
    return [
        {name: score.value for name, score in scores.items()}
        for part in parts
        for scores in part.scores
    ]


def test_an_interrupted_scoring_is_resumed(within, tmp_path):
    population = populate(NB201, "sample:10")
    inputs = inputs_of(population, proxies=("nwot", "params"))
    steps = []

    def score(seeds, root):
        return run_scoring(
            ScoringTask(inputs, population, seeds),
            root,
            EXECUTION,
            progress=lambda *step: steps.append(step),
        )

    assert score([0, 1], tmp_path / "a") == (20, 0)
    assert steps[0] == (0, 20) and steps[-1] == (20, 20)
    assert within == [(0, 0), (0, 4), (0, 8), (1, 0), (1, 4), (1, 8)]
    before = (values(tmp_path / "a", 0), values(tmp_path / "a", 1))
    Folder(tmp_path / "a").scored(1, 4).unlink()
    within.clear()
    assert score([0, 1], tmp_path / "a") == (4, 16)
    assert within == [(1, 4)]
    assert (values(tmp_path / "a", 0), values(tmp_path / "a", 1)) == before
    # More seeds join what is there.
    assert score([2], tmp_path / "a") == (10, 0)
    assert read_fact(Folder(tmp_path / "a").scoring_path, Scoring).seeds == [0, 1, 2]


def test_a_cell_scores_the_same_in_any_company(within, tmp_path):
    many = populate(NB201, "sample:9")
    few = Population(space="nb201", source="", architectures=many.architectures[5:7])
    for name, population in (("many", many), ("few", few)):
        inputs = inputs_of(population, proxies=("nwot", "snip"), fresh_batches=True)
        task = ScoringTask(inputs, population, [0])
        run_scoring(task, tmp_path / name, EXECUTION)
    assert values(tmp_path / "many", 0)[5:7] == values(tmp_path / "few", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 9},
        {"norm": "batch"},
        {"fresh_batches": True},
        {"supernet_operations": True},
        {"skeleton": {**SMALL, "channels": 2}},
    ],
)
def test_a_folder_of_other_scores_is_refused(within, tmp_path, change):
    population = populate(NB201, "sample:2")
    task = ScoringTask(inputs_of(population, ("params",)), population, [0])
    run_scoring(task, tmp_path, EXECUTION)
    other = inputs_of(population, ("params",), **change)
    with pytest.raises(UserError, match="other settings or cells; name another folder"):
        run_scoring(replace(task, inputs=other), tmp_path, EXECUTION)
